package main

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

// evaluation is what the flags of the command say.
type evaluation struct {
	dir      string
	only     []string
	seeds    string
	parallel int
	json     bool
	plots    string
	card     string
	quiet    quietRun
	without  []string
	leave    bool

	lookalikes bool

	minRecall, minCause, minScope float64
	maxPages, maxTickets          int
	maxDelay                      time.Duration
	maxLedgerError                float64
	held                          bool
	minPagedOnce                  float64
	minOnset, minFactor           float64
	minOpenRecall                 float64
}

func newEvaluateCmd() *cobra.Command {
	var o evaluation
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Run labelled scenarios through the detector and print the score card",
		Long: `evaluate simulates scenarios whose truth is known, replays them through the detector and compares: were the
incidents found, with the right class, cause and scope, how long after the onset, does the interval that is stated for the
onset hold it, is the money right, and what was said that is not true. With a bar (--min-…, --max-…) it exits with 3 if the bar is missed.

A seed makes a world of a scenario. Seeds 1 to 100 are for tuning, those from 101 on for testing: a figure that is
shown to others comes from test seeds, which nothing was fitted to. One run takes seeds of one kind only. The same
scenarios and seeds print the same bytes, however many run side by side.

A scenario is open while the detector is known not to be up to it. It counts on the card like any other; --held takes it
out of the bars, so that what is reached elsewhere can be held.

tangle-2 and tangle-3, which are played when --only names them, are worlds in which so many causes of different kinds overlap; each
seed makes another choice of kinds, cohorts, sizes and times. The last line says how many causes woke people once only.

--without goes without some of the evidence, to learn what it is worth; --leave-one-out does so for each piece in turn, over
the scenarios, the look-alikes, and worlds in which evidence decides that seldom does. It plays those worlds again in which the piece
made a difference, eight with somebody guilty and eight without at most: in the others every word would be the same.

With --quiet-weeks it plays no scenarios but worlds of innocents, one a seed, until so many user-weeks are full: whatever is
said there is false. Each world is a line of --results, so that a run that was stopped goes on where it was, and each can be
looked at alone: evaluate --quiet-weeks 1 --seeds 137-137, or its rows by simulate --scenario innocent-137 --seed 137.

With --lookalikes it plays small worlds in which somebody innocent looks like a named cause: a class at shared computers like farmed
accounts, a rotation of keys like theft. The card says what was said of each, and what kept the rules from saying more: the fact that,
were it alone otherwise, would have had an account named; what the calendar knows; or which factor moved where no rule looked twice.`,
		Example: `  drainwatch evaluate
  drainwatch evaluate --only price-cohort,june --seeds 5
  drainwatch evaluate --only tangle-2,tangle-3 --seeds 20
  drainwatch evaluate --only shared-account --without doer_crowd
  drainwatch evaluate --seeds 101-110 --plots ./pictures
  drainwatch evaluate --lookalikes --only classroom,key-rotation --seeds 3
  drainwatch evaluate --quiet-weeks 5000000 --results quiet.jsonl
  drainwatch evaluate --scenarios ./scenarios --json --min-recall 0.95 --max-pages 0`,
		Args: cobra.NoArgs,
		RunE: o.run,
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "scenarios", "", "directory with scenario files (*.yaml) to run instead of the built-in ones")
	f.StringSliceVar(&o.only, "only", nil, "names of the scenarios to run, comma-separated")
	f.StringVar(&o.seeds, "seeds", "1", "worlds to make of each scenario: N is the first N tuning seeds, FIRST-LAST a range")
	f.IntVar(&o.parallel, "parallel", 0, "how many worlds to play side by side, each of which takes up to half a gigabyte; one a processor if not given")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.StringVar(&o.plots, "plots", "", "directory for pictures (PNG) of delays, of confidence against truth, and of an incident")
	f.StringVar(&o.card, "card", "", "text file into which the summary is written, between the lines <!-- evaluate:begin --> and <!-- evaluate:end -->")
	f.BoolVar(&o.lookalikes, "lookalikes", false, "play innocent look-alikes of the causes instead, and say what speaks for each")
	f.Float64Var(&o.quiet.weeks, "quiet-weeks", 0, "count false alarms over so many user-weeks of innocent traffic, from test seed 101 on unless --seeds says others")
	f.StringVar(&o.quiet.results, "results", "", "file that keeps what --quiet-weeks or --leave-one-out has played, a JSON line a world; a run goes on from there")
	f.StringSliceVar(&o.without, "without", nil, "codes of evidence that verdicts are to go without, comma-separated: "+signalCodes())
	f.BoolVar(&o.leave, "leave-one-out", false, "play without each piece of evidence in turn, and print what it is worth")
	f.Float64Var(&o.minRecall, "min-recall", 0, "bar: least share of incidents found with the right class")
	f.Float64Var(&o.minCause, "min-cause", 0, "bar: least share of incidents found with the right cause")
	f.Float64Var(&o.minScope, "min-scope", 0, "bar: least share of incidents found with the exact scope")
	f.IntVar(&o.maxPages, "max-pages", 0, "bar: most pages that no incident justifies")
	f.IntVar(&o.maxTickets, "max-tickets", 0, "bar: most tickets that no incident justifies")
	f.DurationVar(&o.maxDelay, "max-delay", 0, "bar: longest time from onset to decision")
	f.Float64Var(&o.maxLedgerError, "max-ledger-error", 0, "bar: largest relative error of an overcharge that the rows tell exactly")
	f.Float64Var(&o.minPagedOnce, "min-paged-once", 0, "bar: least share of the incidents that page which do so once only")
	f.Float64Var(&o.minOnset, "min-onset", 0, "bar: least share of the stated intervals of an onset that hold the moment at which the fault was switched on")
	f.Float64Var(&o.minFactor, "min-factor", 0, "bar: least share of bugs of which the cause's own factor is named as the one that moved")
	f.BoolVar(&o.held, "held", false, "judge the bars above without the scenarios that are known to be open")
	f.Float64Var(&o.minOpenRecall, "min-open-recall", 0, "bar: least share found with the right class in the scenarios that are known to be open")
	return cmd
}

func (o *evaluation) run(cmd *cobra.Command, _ []string) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	seeds, err := parseSeeds(o.seeds)
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("parallel") {
		o.parallel = runtime.GOMAXPROCS(0)
	}
	if o.parallel < 1 {
		return usagef("read command line: --parallel %d: must be at least 1", o.parallel)
	}
	if cmd.Flags().Changed("quiet-weeks") {
		return o.runQuiet(cmd, seeds, log)
	}
	if o.quiet.results != "" && !o.leave {
		return usagef("read command line: --results keeps what --quiet-weeks or --leave-one-out has played; give one of them too")
	}
	without, err := parseWithout(o.without)
	if err != nil {
		return err
	}
	if o.lookalikes {
		return o.runLookalikes(cmd, seeds, without, log)
	}
	scenarios, err := o.load()
	if err != nil {
		return err
	}
	if o.leave {
		return o.leaveOneOut(cmd, scenarios, seeds, log)
	}
	var doc *document
	if o.card != "" {
		if doc, err = openDocument(o.card); err != nil {
			return err
		}
	}
	trials, err := runTrials(cmd.Context(), scenarios, seeds, without, o.parallel, false, log)
	if err != nil {
		return err
	}
	var card backtest.Card
	for _, t := range trials {
		card.Add(t.onCard())
	}
	if o.plots != "" {
		if err := writePlots(o.plots, seeds, trials, &card); err != nil {
			return err
		}
	}
	if doc != nil {
		if err := doc.write(seeds, len(trials), &card); err != nil {
			return err
		}
	}
	bars := o.bars(cmd, scenarios, &card)
	out := cmd.OutOrStdout()
	if o.json {
		err = writeCardJSON(out, seeds, trials, &card, bars)
	} else {
		err = writeCard(out, seeds, trials, &card, bars)
	}
	if err != nil {
		return err
	}
	return missedBars(bars)
}

// load reads every scenario before any is run, so that a mistake in the last one costs no work.
func (o *evaluation) load() ([]*fixtures.Scenario, error) {
	names := fixtures.Names()
	switch {
	case o.lookalikes:
		names = fixtures.Lookalikes()
	case o.leave: // what counter-evidence is worth shows in the innocent whom it saves
		names = slices.Concat(names, fixtures.Lookalikes(), fixtures.Rare())
	}
	for _, name := range o.only {
		if strings.HasPrefix(name, fixtures.TanglePrefix) {
			names = append(names, name)
		}
	}
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

// bar is a figure that was asked for on the command line.
type bar struct {
	Name string  `json:"name"`
	Got  float64 `json:"got"`
	Bar  float64 `json:"bar"`
	Met  bool    `json:"met"`
}

// bars judges the figures for which a bar was given.
func (o *evaluation) bars(cmd *cobra.Command, scenarios []*fixtures.Scenario, card *backtest.Card) []bar {
	isOpen := func(name string) bool {
		return slices.ContainsFunc(scenarios, func(s *fixtures.Scenario) bool { return s.Name == name && s.Open != "" })
	}
	open := card.Of(isOpen).Total()
	if o.held {
		card = card.Of(func(name string) bool { return !isOpen(name) })
	}
	bars, t := []bar{}, card.Total()
	atLeast := func(flag string, got, limit float64) {
		if cmd.Flags().Changed(flag) {
			bars = append(bars, bar{flag, got, limit, got >= limit})
		}
	}
	atMost := func(flag string, got, limit float64) {
		if cmd.Flags().Changed(flag) {
			bars = append(bars, bar{flag, got, limit, got <= limit})
		}
	}
	atLeast("min-recall", t.Recall.Value(), o.minRecall)
	atLeast("min-cause", t.Cause.Value(), o.minCause)
	atLeast("min-scope", t.Scope.Value(), o.minScope)
	atMost("max-pages", float64(card.False(incident.Page).Count), float64(o.maxPages))
	atMost("max-tickets", float64(card.False(incident.Ticket).Count), float64(o.maxTickets))
	atMost("max-delay", t.Delay.Max, o.maxDelay.Seconds())
	atMost("max-ledger-error", t.LedgerMax, o.maxLedgerError)
	atLeast("min-paged-once", t.PagedOnce.Value(), o.minPagedOnce)
	atLeast("min-onset", t.Onset.Holds.Value(), o.minOnset)
	atLeast("min-factor", t.Factors.Named.Value(), o.minFactor)
	atLeast("min-open-recall", open.Recall.Value(), o.minOpenRecall)
	return bars
}
