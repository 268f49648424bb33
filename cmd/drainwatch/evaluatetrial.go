package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/fixtures"
)

// trial is one scenario with one seed.
type trial struct {
	scenario  *fixtures.Scenario
	seed      uint64
	rows      int64
	score     backtest.Score
	userWeeks float64 // users with rows, times weeks
	hearing   verdict.Hearing
	usersOff  int      // ledger rows that differ from the truth, where that can be known exactly
	witness   *witness // of a look-alike; nil elsewhere
}

// onCard is what a score card keeps of the trial.
func (t *trial) onCard() backtest.Run {
	return backtest.Run{Scenario: t.scenario.Name, Score: t.score, UserWeeks: t.userWeeks}
}

// runTrials plays every scenario with every seed, some side by side. The trials come back in the order of scenarios and
// seeds, whichever ended first.
func runTrials(ctx context.Context, scenarios []*fixtures.Scenario, seeds seedRange, without verdict.Signals, parallel int, lookalikes bool, log zerolog.Logger) ([]*trial, error) {
	var trials []*trial
	for _, s := range scenarios {
		for seed := seeds.first; seed <= seeds.last; seed++ {
			t := &trial{scenario: s, seed: seed, hearing: verdict.Hearing{Without: without}}
			if lookalikes {
				t.witness = newWitness(&s.Alike)
			}
			trials = append(trials, t)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	var done atomic.Int64
	for _, t := range trials {
		group.Go(func() error {
			if ctx.Err() != nil {
				return stopCause(ctx, ctx.Err())
			}
			began := time.Now()
			if err := t.run(ctx, log.Level(zerolog.WarnLevel)); err != nil {
				return fmt.Errorf("evaluate scenario %s seed %d: %w", t.scenario.Name, t.seed, err)
			}
			log.Info().Str("scenario", t.scenario.Name).Uint64("seed", t.seed).Int64("rows", t.rows).Dur("took", time.Since(began)).
				Int64("done", done.Add(1)).Int("of", len(trials)).Msg("evaluate: ran a scenario")
			return nil
		})
	}
	return trials, group.Wait()
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
	sink := &trialSink{}
	opts := conf.engineOptions(log)
	opts.Hearing = &t.hearing
	if t.witness != nil {
		t.witness.attend(&opts)
	}
	owed, summary, err := detect(ctx, opts, in, sink, func() {})
	r.CloseWithError(io.ErrClosedPipe) // ends the simulator, if the detector ended first
	if gerr := <-generated; err == nil {
		err = gerr
	}
	if err != nil {
		return err
	}
	t.rows = summary.Rows
	t.score = backtest.Compare(labels(truth), sink.latest.list())
	t.score.Hear(sink.said)
	t.userWeeks = float64(len(truth.Users)) * truth.Until.Sub(truth.Start).Hours() / (7 * 24)
	t.usersOff = ledgerDifferences(truth, t.score, owed)
	if t.witness != nil {
		t.witness.conclude(truth, sink.latest.list(), summary.Compared)
	}
	return nil
}

// falseAlarms are the pages and tickets that no label explains.
func (t *trial) falseAlarms() []falseAlarm {
	out := []falseAlarm{}
	for _, r := range t.score.Extra {
		if r.Severity == incident.Info {
			continue
		}
		f := falseAlarm{
			Severity: r.Severity, Class: r.Class, Cause: r.Cause, Incident: r.Incident, Scope: r.Scope, DetectedAt: r.DetectedAt, Title: r.Title,
		}
		if len(r.Evidence) > 0 {
			f.Evidence = r.Evidence[0].Code
		}
		out = append(out, f)
	}
	return out
}

// trialSink keeps what the detector says.
type trialSink struct {
	latest latest
	said   []incident.Record
}

// Alert implements detector.Output.
func (s *trialSink) Alert(_ context.Context, r incident.Record) error {
	s.latest.add(r)
	s.said = append(s.said, r)
	return nil
}

// DeadLetter implements detector.Output.
func (s *trialSink) DeadLetter(context.Context, detector.DeadLetter) error { return nil }

func (t *trial) generate(w io.Writer) (*fixtures.Truth, error) {
	buf := bufio.NewWriterSize(w, blockBytes)
	var line []byte
	truth, err := t.scenario.Generate(t.seed, func(e *event.Event) error {
		if t.witness != nil {
			t.witness.tenfold.row(e)
		}
		line = append(e.AppendJSON(line[:0]), '\n')
		_, err := buf.Write(line)
		return err
	})
	return truth, errors.Join(err, buf.Flush())
}

// series plays the trial's world again, with and without its incidents, and returns what a scope was charged in each step
// between two moments.
func (t *trial) series(scope incident.Scope, from, to time.Time, step time.Duration) (charged, expected []float64, err error) {
	where := map[event.Dim]string{}
	for name, value := range scope.Where {
		if d, ok := event.ParseDim(name); ok {
			where[d] = value
		}
	}
	covers := func(e *event.Event) bool {
		for d, value := range where {
			if e.Dims[d] != value {
				return false
			}
		}
		return scope.Kind == "cohort" || e.User == scope.User || slices.Contains(scope.Users, e.User)
	}
	play := func(s *fixtures.Scenario) ([]float64, error) {
		out := make([]float64, int(to.Sub(from)/step)+1)
		_, err := s.Generate(t.seed, func(e *event.Event) error {
			if i := time.Duration(e.Time - from.UnixNano()); i >= 0 && int(i/step) < len(out) && covers(e) {
				out[i/step] += e.Credits.Float64()
			}
			return nil
		})
		return out, err
	}
	if charged, err = play(t.scenario); err == nil {
		expected, err = play(t.scenario.Calm())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("play scenario %s seed %d again: %w", t.scenario.Name, t.seed, err)
	}
	return charged, expected, nil
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
