package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

// calibrate is what the flags of the command say.
type calibrate struct {
	inputs        []string
	labels, write string
	budget        float64
	drains        int
	seed          uint64
	json          bool
}

func newCalibrateCmd() *cobra.Command {
	var o calibrate
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Measure on your history what each rule would have cried, and choose thresholds that keep a budget",
		Long: `calibrate plays a history through the detector and prints, for every rule that can cry: what it would have cried per
million users a week at today's threshold, with the interval in which 95% of such counts hold the true rate; its share of
the budget; the threshold that keeps that share; and what this costs: the share of drains that the rule still finds
within a day, and how long that takes.

All that the history raised counts as a false alarm, unless --labels names it (a truth file as simulate --truth writes it).
Of a history of a week and a half or more the first week is left out: profiles that know nobody accuse nobody.
Where the history is too short to count what the budget allows, the tail of the highest scores is fitted and extrapolated
("tail"), with an interval of its own, which can be wide; where there are too few scores for that, the threshold goes just
above what was seen ("too few") or stays ("kept"). Rules over cohorts are never lowered.

The cost comes from a second play, in which up to a fifth of the users are drained in the last day and a half, with pairs of
their own rows. --write saves the thresholds as a file that --config takes, or that can be appended to your own.`,
		Example: `  drainwatch calibrate --input may.jsonl.gz --input june.jsonl.gz --config drainwatch.yaml
  drainwatch calibrate --input june.jsonl.gz --labels june-truth.json --budget 5 --write thresholds.yaml
  drainwatch calibrate --config drainwatch.yaml --from 2026-06-01T00:00:00Z --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.inputs, "input", nil, "file with usage rows, also .gz or .zst; - is standard input; repeatable; without one the topic of --config is read")
	f.String("from", "earliest", "of a topic, from when on: earliest or an RFC 3339 time")
	f.Float64Var(&o.budget, "budget", detector.Budget, "false alarms in a million users a week, over all rules")
	f.StringVar(&o.labels, "labels", "", "file with what is known to have gone on, as simulate --truth writes it")
	f.StringVar(&o.write, "write", "", "file for the thresholds, as YAML; - is standard output")
	f.IntVar(&o.drains, "drains", 100, "users of each kind of drain to try, at most a fifth of all; 0 leaves the cost out")
	f.Uint64Var(&o.seed, "seed", 1, "which users are drained, and how")
	f.BoolVar(&o.json, "json", false, "the result as JSON")
	f.String("format", "auto", "format of the rows: native, or auto to decide for each")
	addConfigFlag(cmd)
	return cmd
}

// calibrated is the result. It marshals to the JSON of --json.
type calibrated struct {
	Budget     float64             `json:"budget_per_million_users_a_week"`
	FirstAt    time.Time           `json:"first_at"`
	LastAt     time.Time           `json:"last_at"`
	Users      int                 `json:"users"`
	Weeks      float64             `json:"weeks_counted"`
	Learning   float64             `json:"weeks_to_learn"`
	UserWeeks  float64             `json:"user_weeks"`
	LeftOut    int                 `json:"known_incidents"`
	Pages      backtest.Rate       `json:"false_pages"`
	Tickets    backtest.Rate       `json:"false_tickets"`
	Rules      []calibratedRule    `json:"rules"`
	Drains     []calibratedDrain   `json:"drains"`
	Thresholds detector.Thresholds `json:"-"`
	span       backtest.Span
}

type calibratedRule struct {
	backtest.Tuned
	Kind string         `json:"cost_on,omitempty"` // kind of drain that it is for
	Now  *backtest.Cost `json:"cost_now,omitempty"`
	Then *backtest.Cost `json:"cost_then,omitempty"`
}

type calibratedDrain struct {
	Kind string        `json:"kind"`
	Now  backtest.Cost `json:"now"`
	Then backtest.Cost `json:"then"`
}

func (o *calibrate) check(cmd *cobra.Command) error {
	switch file, _ := cmd.Flags().GetString("config"); {
	case !(o.budget > 0 && o.budget <= 1e6):
		return usagef("read command line: --budget %v: is out of range; give false alarms in a million users a week, such as 10", o.budget)
	case o.drains < 0:
		return usagef("read command line: --drains %d: must not be negative; 0 leaves the cost out", o.drains)
	case len(o.inputs) == 0 && file == "" && os.Getenv(envPrefix+"CONFIG") == "":
		return usagef("read command line: no history; name a file with --input, - for standard input, or a topic with --config")
	case len(o.inputs) > 0 && cmd.Flags().Changed("from"):
		return usagef("read command line: --from is for topics; files are read whole")
	case o.json && o.write == "-":
		return usagef("read command line: --json and --write both go to standard output; give --write a file")
	}
	return nil
}

func (o *calibrate) run(cmd *cobra.Command) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	if err := o.check(cmd); err != nil {
		return err
	}
	conf, err := loadConfig(cmd, binding{"format", "ingest.format"}, binding{"from", "ingest.start"})
	if err != nil {
		return err
	}
	conf.logWarnings(log)
	known, truth, err := readKnown(o.labels)
	if err != nil {
		return err
	}
	h, err := o.open(cmd, conf, log)
	if err != nil {
		return err
	}
	defer h.Close()
	saved := &output{flag: "write", path: o.write}
	outputs, err := openOutputs(cmd.OutOrStdout(), o.inputs, saved)
	if err != nil {
		return err
	}
	defer outputs.discard()
	run := calibration{calibrate: o, conf: conf, log: log.Level(max(log.GetLevel(), zerolog.WarnLevel)), known: known, truth: truth}
	run.progress = func(what string) (done func()) {
		total, _ := h.Size()
		return watchProgress(cmd.ErrOrStderr(), log, "calibrate: "+what, total, func() int64 { _, n := h.Size(); return n })
	}
	result, err := run.measure(cmd.Context(), h)
	if err != nil {
		return err
	}
	if _, err := saved.Write(result.yaml()); err != nil {
		return err
	}
	if err := outputs.commit(); err != nil {
		return err
	}
	switch {
	case o.json:
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(result)
	case o.write == "-":
		return nil
	}
	return result.print(cmd.OutOrStdout())
}

// open returns the history that the flags name.
func (o *calibrate) open(cmd *cobra.Command, conf loaded, log zerolog.Logger) (history, error) {
	if len(o.inputs) == 0 {
		return openTopicHistory(cmd.Context(), conf, log)
	}
	in, err := openInputs(o.inputs, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	return &fileHistory{inputs: in}, nil
}

// readKnown reads a truth file.
func readKnown(file string) ([]backtest.Known, *fixtures.Truth, error) {
	if file == "" {
		return nil, &fixtures.Truth{}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, usagef("read labels %s: %w; name a file that simulate --truth wrote with --labels", file, errors.Unwrap(err))
	}
	var truth fixtures.Truth
	if err := json.Unmarshal(text, &truth); err != nil {
		return nil, nil, usagef("read labels %s: %w; name a file that simulate --truth wrote with --labels", file, err)
	}
	if truth.Start.IsZero() {
		return nil, nil, usagef("read labels %s: holds no truth; name a file that simulate --truth wrote with --labels", file)
	}
	var out []backtest.Known
	for i := range truth.Incidents {
		inc := &truth.Incidents[i]
		if inc.Organic {
			continue // nobody's fault: what cries of it cries in vain
		}
		k := backtest.Known{From: inc.StartedAt, To: inc.EndedAt, Users: map[string]bool{}, Cohort: inc.Scope.Kind == "cohort", Farm: inc.Cause == "farming"}
		for _, u := range append(slices.Clone(inc.Scope.Users), inc.Scope.User) {
			k.Users[u] = true
		}
		for u := range inc.Ledger {
			k.Users[u] = true
		}
		out = append(out, k)
	}
	return out, &truth, nil
}

// calibration is one run of the command.
type calibration struct {
	*calibrate
	conf     loaded
	log      zerolog.Logger
	known    []backtest.Known
	truth    *fixtures.Truth
	progress func(what string) (done func())
}

// measure plays the history, chooses thresholds, and plays it again with drains.
func (c *calibration) measure(ctx context.Context, h history) (*calibrated, error) {
	opts := c.conf.engineOptions(c.log)
	tally := &backtest.Tally{Known: c.known}
	var start func(int32) func([]detector.Record) []detector.Record
	if len(h.Partitions()) == 1 { // a pipe can be read for the first time only once
		start = func(int32) func([]detector.Record) []detector.Record { return c.startOf(tally) }
	} else {
		var err error
		if tally.Start, err = firstTime(ctx, h, opts.Format); err != nil {
			return nil, stopCause(ctx, err)
		}
		h.Again()
	}
	opts.Observe = tally.Observe
	done := c.progress("what cries")
	records, summary, err := play(ctx, opts, h, start)
	done()
	if err != nil {
		return nil, err
	}
	if summary.LastAt == nil || summary.Users == 0 {
		return nil, fmt.Errorf("calibrate: no usable row among %d; look at them with replay --dead-letters", summary.Rows)
	}
	span := tally.Span(summary.Users, *summary.LastAt)
	extra := backtest.Compare(labels(c.truth), records).Extra
	now := opts.Thresholds
	out := &calibrated{
		Budget: c.budget, FirstAt: time.Unix(0, tally.Start).UTC(), LastAt: *summary.LastAt, Users: summary.Users, Weeks: span.Weeks,
		Learning: span.Learning, UserWeeks: span.UserWeeks, LeftOut: len(c.known), Thresholds: now, span: span, Drains: []calibratedDrain{},
	}
	out.Pages, out.Tickets = tally.False(extra, incident.Page, span), tally.False(extra, incident.Ticket, span)
	for _, t := range tally.Tune(now, c.budget, span, extra, c.seed) {
		out.Thresholds[t.Rule] = t.Then
		out.Rules = append(out.Rules, calibratedRule{Tuned: t})
	}
	if c.drains > 0 {
		if err := c.cost(ctx, h, now, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// startOf notes the time of the first row that can be read.
func (c *calibration) startOf(t *backtest.Tally) func([]detector.Record) []detector.Record {
	d, err := event.NewDecoder(c.conf.Ingest.Format)
	return func(records []detector.Record) []detector.Record {
		var e event.Event
		for i := 0; i < len(records) && t.Start == 0 && err == nil; i++ {
			if d.Decode(records[i].Value, &e) == nil {
				t.Start = e.Time
			}
		}
		return records
	}
}

// forDrain says which kind of drain (backtest.Kinds) a rule is for.
var forDrain = map[detector.Rule]int{
	detector.RuleIntruder: 1, detector.RuleIdentity: 1, detector.RuleVolume: 2, detector.RuleScript: 3, detector.RuleCrowd: 4,
}

// cost plays the history with drains in it.
func (c *calibration) cost(ctx context.Context, h history, now detector.Thresholds, out *calibrated) error {
	opts := c.conf.engineOptions(c.log)
	var all []*backtest.Drains
	parts := len(h.Partitions())
	passes := &backtest.Passes{Now: now, Then: out.Thresholds, From: backtest.NewDrains(c.seed, c.drains, out.Users, out.LastAt).From()}
	opts.Observe = passes.Observe
	h.Again()
	done := c.progress("what that costs")
	_, _, err := play(ctx, opts, h, func(int32) func([]detector.Record) []detector.Record {
		d := backtest.NewDrains(c.seed, (c.drains+parts-1)/parts, out.Users/parts, out.LastAt)
		all = append(all, d)
		return drained(d, opts.Format)
	})
	done()
	if err != nil {
		return err
	}
	begun := map[string]backtest.Begun{}
	for _, d := range all {
		maps.Copy(begun, d.Begun)
	}
	var rules []detector.Rule
	for i := range out.Rules {
		r := &out.Rules[i]
		if kind, ok := forDrain[r.Rule]; ok {
			a, b := passes.Cost(begun, kind, 0, r.Rule), passes.Cost(begun, kind, 1, r.Rule)
			r.Kind, r.Now, r.Then = backtest.Kinds[kind].Name, &a, &b
			rules = append(rules, r.Rule)
		}
	}
	for k := range backtest.Kinds {
		out.Drains = append(out.Drains, calibratedDrain{backtest.Kinds[k].Name, passes.Cost(begun, k, 0, rules...), passes.Cost(begun, k, 1, rules...)})
	}
	return nil
}

// drained puts drains between a partition's records.
func drained(d *backtest.Drains, format string) func([]detector.Record) []detector.Record {
	decoder, err := event.NewDecoder(format)
	return func(records []detector.Record) []detector.Record {
		out := make([]detector.Record, 0, len(records))
		var e event.Event
		for _, r := range records {
			if err == nil && decoder.Decode(r.Value, &e) == nil {
				d.Row(&e, func(x *event.Event) {
					out = append(out, detector.Record{Partition: r.Partition, Offset: r.Offset, Key: x.User, Value: string(x.AppendJSON(nil))})
				})
			}
			out = append(out, r)
		}
		return out
	}
}
