package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/fixtures"
)

// evaluation is what the flags of the command say.
type evaluation struct {
	dir   string
	only  []string
	seeds int
	json  bool

	minRecall, minCause, minScope float64
	maxPages, maxTickets          int
	maxDelay                      time.Duration
	maxLedgerError                float64
}

func newEvaluateCmd() *cobra.Command {
	var o evaluation
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Run labelled scenarios through the detector and print the score card",
		Long: `evaluate simulates scenarios whose truth is known, replays them through the detector and compares: were the
incidents found, with the right class, cause and scope, how long after the onset, is the money right, and what was
said that is not true. With a bar (--min-…, --max-…) it exits with 3 if the bar is missed.`,
		Example: `  drainwatch evaluate
  drainwatch evaluate --only price-cohort,june --seeds 5
  drainwatch evaluate --scenarios ./scenarios --json --min-recall 0.95 --max-pages 0`,
		Args: cobra.NoArgs,
		RunE: o.run,
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "scenarios", "", "directory with scenario files (*.yaml) to run instead of the built-in ones")
	f.StringSliceVar(&o.only, "only", nil, "names of the scenarios to run, comma-separated")
	f.IntVar(&o.seeds, "seeds", 1, "how many worlds to make of each scenario")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.Float64Var(&o.minRecall, "min-recall", 0, "bar: least share of incidents found with the right class")
	f.Float64Var(&o.minCause, "min-cause", 0, "bar: least share of incidents found with the right cause")
	f.Float64Var(&o.minScope, "min-scope", 0, "bar: least share of incidents found with the exact scope")
	f.IntVar(&o.maxPages, "max-pages", 0, "bar: most pages that no incident justifies")
	f.IntVar(&o.maxTickets, "max-tickets", 0, "bar: most tickets that no incident justifies")
	f.DurationVar(&o.maxDelay, "max-delay", 0, "bar: longest time from onset to decision")
	f.Float64Var(&o.maxLedgerError, "max-ledger-error", 0, "bar: largest relative error of an overcharge that the rows tell exactly")
	return cmd
}

// trial is one scenario with one seed.
type trial struct {
	scenario *fixtures.Scenario
	seed     uint64
	rows     int64
	score    backtest.Score
	usersOff int // ledger rows that differ from the truth, where that can be known exactly
}

func (o *evaluation) run(cmd *cobra.Command, _ []string) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	if o.seeds < 1 {
		return usagef("read command line: --seeds %d: must be at least 1", o.seeds)
	}
	scenarios, err := o.load()
	if err != nil {
		return err
	}
	var trials []*trial
	var card backtest.Card
	for i, s := range scenarios {
		for seed := range uint64(o.seeds) {
			t := &trial{scenario: s, seed: seed + 1}
			began := time.Now()
			if err := t.run(cmd.Context(), log.Level(zerolog.WarnLevel)); err != nil {
				return fmt.Errorf("evaluate scenario %s seed %d: %w", s.Name, t.seed, err)
			}
			log.Info().Str("scenario", s.Name).Uint64("seed", t.seed).Int64("rows", t.rows).Dur("took", time.Since(began)).
				Int("done", i*o.seeds+int(t.seed)).Int("of", len(scenarios)*o.seeds).Msg("evaluate: ran a scenario")
			trials = append(trials, t)
			card.Add(t.score)
		}
	}
	bars := o.bars(cmd, card.Total())
	out := cmd.OutOrStdout()
	if o.json {
		err = writeCardJSON(out, trials, &card, bars)
	} else {
		err = writeCard(out, trials, &card, bars)
	}
	if err != nil {
		return err
	}
	var missed []string
	for _, b := range bars {
		if !b.Met {
			missed = append(missed, fmt.Sprintf("%s (%s, bar %s)", b.Name, figure(b.Got), figure(b.Bar)))
		}
	}
	if len(missed) > 0 {
		return missedError{missed}
	}
	return nil
}

// load reads every scenario before any is run, so that a mistake in the last one costs no work.
func (o *evaluation) load() ([]*fixtures.Scenario, error) {
	names := fixtures.Names()
	if o.dir != "" {
		var err error
		if names, err = filepath.Glob(filepath.Join(o.dir, "*.yaml")); err != nil || len(names) == 0 {
			return nil, usagef("read scenarios in %s: no *.yaml file there; name a directory with --scenarios", o.dir)
		}
	}
	var out []*fixtures.Scenario
	left := slices.Clone(o.only)
	for _, name := range names {
		short := strings.TrimSuffix(filepath.Base(name), ".yaml")
		if len(o.only) > 0 && !slices.Contains(o.only, short) {
			continue
		}
		left = slices.DeleteFunc(left, func(n string) bool { return n == short })
		s, err := fixtures.Load(name)
		if err != nil {
			return nil, usageError{firstLine(err)}
		}
		out = append(out, s)
	}
	if len(left) > 0 {
		return nil, usagef("read command line: --only %s: no such scenario; use names of simulate --list", strings.Join(left, ","))
	}
	return out, nil
}

// run plays the scenario through a pipe into the same path as a replay.
func (t *trial) run(ctx context.Context, log zerolog.Logger) error {
	conf, err := demoConfig(t.scenario, []string{"127.0.0.1:9092"}, "")
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	defer r.Close()
	in, err := openInputs([]string{"-"}, r)
	if err != nil {
		return err
	}
	defer in.Close()
	var truth *fixtures.Truth
	generated := make(chan error, 1)
	go func() {
		var err error
		truth, err = t.generate(w)
		_ = w.CloseWithError(err)
		generated <- err
	}()
	sink := &replaySink{alerts: json.NewEncoder(io.Discard), dead: json.NewEncoder(io.Discard), source: in.line}
	owed, summary, err := detect(ctx, conf.engineOptions(log), in, sink, func() {})
	r.CloseWithError(io.ErrClosedPipe) // ends the simulator, if the detector ended first
	if gerr := <-generated; err == nil {
		err = gerr
	}
	if err != nil {
		return err
	}
	t.rows = summary.Rows
	t.score = backtest.Compare(labels(truth), sink.latest.list())
	t.usersOff = ledgerDifferences(truth, t.score, owed)
	return nil
}

func (t *trial) generate(w io.Writer) (*fixtures.Truth, error) {
	buf := bufio.NewWriterSize(w, blockBytes)
	var line []byte
	truth, err := t.scenario.Generate(t.seed, func(e *event.Event) error {
		line = append(e.AppendJSON(line[:0]), '\n')
		_, err := buf.Write(line)
		return err
	})
	return truth, errors.Join(err, buf.Flush())
}

// ledgerDifferences counts the users whose overcharge under a matched incident is not the true one, of incidents
// whose amounts the rows tell exactly.
func ledgerDifferences(truth *fixtures.Truth, s backtest.Score, rows []ledger.Row) int {
	off := 0
	for _, m := range s.Matches {
		if !m.Label.HasLedger || m.Label.Estimate {
			continue
		}
		i := slices.IndexFunc(truth.Incidents, func(i fixtures.Incident) bool { return i.ID == m.Label.ID })
		want := truth.Incidents[i].Ledger
		seen := 0
		for _, r := range rows {
			if r.Incident != m.Record.Incident {
				continue
			}
			w, ok := want[r.User]
			if ok {
				seen++
			}
			if over := r.Overcharge(); !ok || over.Cmp(w.Overcharge) != 0 {
				off++
			}
		}
		off += len(want) - seen
	}
	return off
}

// bar is a figure that was asked for on the command line.
type bar struct {
	Name string  `json:"name"`
	Got  float64 `json:"got"`
	Bar  float64 `json:"bar"`
	Met  bool    `json:"met"`
}

// bars judges the figures for which a bar was given.
func (o *evaluation) bars(cmd *cobra.Command, t backtest.Totals) []bar {
	bars := []bar{}
	add := func(flag string, got, limit float64, met bool) {
		if cmd.Flags().Changed(flag) {
			bars = append(bars, bar{flag, got, limit, met})
		}
	}
	add("min-recall", t.Recall(), o.minRecall, t.Recall() >= o.minRecall)
	add("min-cause", t.CauseShare(), o.minCause, t.CauseShare() >= o.minCause)
	add("min-scope", t.ScopeShare(), o.minScope, t.ScopeShare() >= o.minScope)
	add("max-pages", float64(t.Pages), float64(o.maxPages), t.Pages <= o.maxPages)
	add("max-tickets", float64(t.Tickets), float64(o.maxTickets), t.Tickets <= o.maxTickets)
	add("max-delay", t.DelayMaxSec, o.maxDelay.Seconds(), t.DelayMaxSec <= o.maxDelay.Seconds())
	add("max-ledger-error", t.LedgerMax, o.maxLedgerError, t.LedgerMax <= o.maxLedgerError)
	return bars
}
