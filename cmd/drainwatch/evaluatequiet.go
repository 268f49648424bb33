package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

// quietRun is what the flags say of worlds in which nobody is at fault.
type quietRun struct {
	weeks   float64
	results string
}

// quietWorld is what was said in one of them: a line of the results.
type quietWorld struct {
	World     string       `json:"world"`
	Seed      uint64       `json:"seed"`
	Fleet     string       `json:"fleet"`
	Build     string       `json:"build"` // of the program that played it: another one may say something else
	Rows      int64        `json:"rows"`
	UserWeeks float64      `json:"user_weeks"`
	TookSec   float64      `json:"took_sec"`
	False     []falseAlarm `json:"false"`
}

// falseAlarm is a page or a ticket that nothing justifies.
type falseAlarm struct {
	Severity   incident.Severity `json:"severity"`
	Class      string            `json:"class"`
	Cause      string            `json:"cause"`
	Evidence   string            `json:"evidence"` // the code of what weighed most
	Incident   string            `json:"incident"`
	Scope      incident.Scope    `json:"scope"`
	DetectedAt time.Time         `json:"detected_at"`
	Title      string            `json:"title"`
}

// runQuiet plays worlds of innocents until the weeks are full, and reports.
func (o *evaluation) runQuiet(cmd *cobra.Command, seeds seedRange, log zerolog.Logger) error {
	for _, other := range []string{"scenarios", "only", "lookalikes", "plots", "card", "held", "min-recall", "min-cause", "min-scope", "max-delay", "max-ledger-error", "min-open-recall"} {
		if cmd.Flags().Changed(other) {
			return usagef("read command line: --%s means nothing with --quiet-weeks, whose worlds have no incidents; leave one out", other)
		}
	}
	if !(o.quiet.weeks > 0 && o.quiet.weeks <= 1e9) {
		return usagef("read command line: --quiet-weeks %v: want a number above 0, up to 1e9", o.quiet.weeks)
	}
	if !cmd.Flags().Changed("seeds") {
		seeds = seedRange{firstTestSeed, firstTestSeed + mostSeeds - 1}
	}
	build, err := buildOfProgram()
	if err != nil {
		return err
	}
	kept, err := openQuietResults(o.quiet.results, build, seeds, log)
	if err != nil {
		return err
	}
	defer kept.Close()
	if err := o.playQuiet(cmd.Context(), cmd.ErrOrStderr(), kept, seeds, log); err != nil {
		return err
	}
	if full := kept.weeks(); full < o.quiet.weeks {
		log.Warn().Int64("user_weeks", int64(full)).Int64("of", int64(o.quiet.weeks)).Str("seeds", seeds.String()).
			Msg("evaluate: the seeds ran out before the user-weeks were full; give more seeds")
	}
	r := newQuietReport(kept.prefix(seeds, o.quiet.weeks))
	if cmd.Flags().Changed("max-pages") {
		r.addBar("max-pages", r.Pages.Count, o.maxPages)
	}
	if cmd.Flags().Changed("max-tickets") {
		r.addBar("max-tickets", r.Tickets.Count, o.maxTickets)
	}
	if o.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.write(cmd.OutOrStdout())
	}
	if err == nil {
		err = missedBars(r.Bars)
	}
	return err
}

// playQuiet plays, in the order of seeds and some side by side, what is not yet kept.
func (o *evaluation) playQuiet(parent context.Context, w io.Writer, kept *quietResults, seeds seedRange, log zerolog.Logger) error {
	show, end := quietProgress(w, log, o.quiet.weeks)
	defer end()
	show(kept.weeks(), nil)
	group, ctx := errgroup.WithContext(parent)
	group.SetLimit(o.parallel)
	for seed := seeds.first; seed <= seeds.last && kept.weeks() < o.quiet.weeks && ctx.Err() == nil; seed++ {
		if kept.has(seed) {
			continue
		}
		group.Go(func() error {
			if kept.weeks() >= o.quiet.weeks {
				return nil
			}
			began := time.Now()
			world, err := playInnocents(ctx, seed, log.Level(zerolog.WarnLevel))
			if err != nil {
				return fmt.Errorf("evaluate world innocent-%d: %w", seed, err)
			}
			world.Build, world.TookSec = kept.build, time.Since(began).Seconds()
			if err := kept.add(world); err != nil {
				return err
			}
			show(kept.weeks(), world)
			return nil
		})
	}
	err := group.Wait()
	if context.Cause(parent) != nil {
		return fmt.Errorf("evaluate worlds of innocents: interrupted; the worlds that were played are in --results, if one was given, and the same command goes on from there")
	}
	return err
}

// playInnocents plays one world.
func playInnocents(ctx context.Context, seed uint64, log zerolog.Logger) (*quietWorld, error) {
	s, err := fixtures.Load(fmt.Sprintf("innocent-%d", seed))
	if err != nil {
		return nil, err
	}
	t := trial{scenario: s, seed: seed}
	if err := t.run(ctx, log); err != nil {
		return nil, err
	}
	return &quietWorld{World: s.Name, Seed: seed, Fleet: fixtures.InnocentFleet(seed).Name, Rows: t.rows, UserWeeks: t.userWeeks, False: t.falseAlarms()}, nil
}

// buildOfProgram is a fingerprint of the running program: what decides lies in it, scenarios included.
func buildOfProgram() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program's own file: %w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read the program's own file: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read the program's own file: %w", err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// quietResults are the worlds played so far, in memory and, if there is one, in a file to which lines are added whole. It may be
// used by several goroutines.
type quietResults struct {
	build string
	file  *os.File

	mu   sync.Mutex
	by   map[uint64]*quietWorld
	next uint64  // first seed that is not yet played
	full float64 // user-weeks of those before it
}

// openQuietResults reads what this program has played before. A line that a crash has torn, and lines of other builds, stay in
// the file and do not count.
func openQuietResults(name, build string, seeds seedRange, log zerolog.Logger) (*quietResults, error) {
	q := &quietResults{build: build, by: map[uint64]*quietWorld{}, next: seeds.first}
	if name == "" {
		return q, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, usagef("keep results: %w; name a file that can be written with --results", err)
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, usagef("keep results: %w; name a file that can be written with --results", err)
	}
	q.file = file
	text, err := io.ReadAll(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read results %s: %w", name, err)
	}
	others, torn := 0, 0
	for line := range bytes.Lines(text) {
		w := &quietWorld{}
		switch {
		case json.Unmarshal(line, w) != nil || w.World == "" || !(w.UserWeeks > 0):
			torn++
		case w.Build != build:
			others++
		case w.Seed >= seeds.first && w.Seed <= seeds.last && !q.has(w.Seed):
			q.keep(w)
		}
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		if _, err := file.WriteString("\n"); err != nil {
			file.Close()
			return nil, fmt.Errorf("write results %s: %w", name, err)
		}
	}
	if others+torn > 0 {
		log.Warn().Str("file", name).Int("of_other_builds", others).Int("unreadable", torn).Msg("evaluate: left lines of the results aside")
	}
	return q, nil
}

// Close closes the file.
func (q *quietResults) Close() {
	if q.file != nil {
		q.file.Close()
	}
}

func (q *quietResults) has(seed uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.by[seed] != nil
}

// weeks is how many user-weeks are full, counted up to the first seed that is missing: which worlds make up a result must not
// depend on which of several ended first.
func (q *quietResults) weeks() float64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.full
}

// add keeps one more world.
func (q *quietResults) add(w *quietWorld) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.file != nil {
		line, err := json.Marshal(w)
		if err == nil {
			_, err = q.file.Write(append(line, '\n'))
		}
		if err == nil {
			err = q.file.Sync()
		}
		if err != nil {
			return fmt.Errorf("write results: %w; free space there, and the same command goes on", err)
		}
	}
	q.keep(w)
	return nil
}

func (q *quietResults) keep(w *quietWorld) {
	q.by[w.Seed] = w
	for ; q.by[q.next] != nil; q.next++ {
		q.full += q.by[q.next].UserWeeks
	}
}

// prefix returns the worlds in the order of seeds up to the one that fills the weeks.
func (q *quietResults) prefix(seeds seedRange, weeks float64) []*quietWorld {
	var out []*quietWorld
	full := 0.0
	for seed := seeds.first; q.by[seed] != nil && full < weeks; seed++ {
		out = append(out, q.by[seed])
		full += q.by[seed].UserWeeks
	}
	return out
}

// quietProgress shows how far a run is, as a bar on a terminal and as a log line a world elsewhere.
func quietProgress(w io.Writer, log zerolog.Logger, weeks float64) (show func(full float64, played *quietWorld), end func()) {
	if !isTerminal(w) {
		return func(full float64, played *quietWorld) {
			if played != nil {
				log.Info().Str("world", played.World).Int("false", len(played.False)).Float64("sec", played.TookSec).
					Int64("user_weeks", int64(full)).Int64("of", int64(weeks)).Msg("evaluate: played a world")
			}
		}, func() {}
	}
	bar := progressbar.NewOptions64(max(1, int64(weeks)), progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("user-weeks"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	return func(full float64, _ *quietWorld) { _ = bar.Set64(min(int64(full), int64(weeks))) }, func() { _ = bar.Finish() }
}
