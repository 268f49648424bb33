package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/fixtures"
	"github.com/drainwatch/drainwatch/stats"
)

// leftOut is what a world's card comes to without some evidence: a line of the results.
type leftOut struct {
	World      string    `json:"world"`
	Seed       uint64    `json:"seed"`
	Without    string    `json:"without"` // "" is nothing
	Build      string    `json:"build"`
	Told       []string  `json:"told"` // the evidence that made a difference
	Rows       int64     `json:"rows"`
	Due        int       `json:"due"`
	Class      int       `json:"class"`
	Cause      int       `json:"cause"`
	Scope      int       `json:"scope"`
	Delay      float64   `json:"delay_sec"` // of those found, summed
	MoneyOff   int       `json:"money_off"` // causes whose overcharge is off by more than a thousandth, though rows tell it
	Pages      int       `json:"false_pages"`
	Tickets    int       `json:"false_tickets"`
	Infos      int       `json:"unexplained_infos"`
	Unknown    int       `json:"unknown"`
	Records    int       `json:"records"`
	Confidence []float64 `json:"confidence"`
	Right      []bool    `json:"right"`
}

func newLeftOut(t *trial, without string) *leftOut {
	var card backtest.Card
	card.Add(t.onCard())
	x := card.Total()
	w := &leftOut{
		World: t.scenario.Name, Seed: t.seed, Without: without, Rows: t.rows, Due: x.Labels, Class: x.Recall.Hits, Cause: x.Cause.Hits, Scope: x.Scope.Hits,
		Pages: card.False(incident.Page).Count, Tickets: card.False(incident.Ticket).Count, Infos: card.False(incident.Info).Count, Told: []string{},
	}
	w.Confidence, w.Right = card.Confidences()
	count := func(r *incident.Record) {
		w.Records++
		if r.Class == string(verdict.Unknown) {
			w.Unknown++
		}
	}
	for i := range t.score.Matches {
		m := &t.score.Matches[i]
		count(&m.Record)
		if !m.Label.Silent {
			w.Delay += m.Delay.Seconds()
		}
		if m.Label.HasLedger && !m.Label.Estimate && math.Abs(m.LedgerError) > 0.001 {
			w.MoneyOff++
		}
	}
	for i := range t.score.Extra {
		count(&t.score.Extra[i])
	}
	for _, s := range verdict.AllSignals() {
		if t.hearing.Told.Has(s) {
			w.Told = append(w.Told, s.String())
		}
	}
	return w
}

// leaveMost is in how many worlds of a kind, with somebody guilty and without, a piece of evidence is left out: the smallest of those in
// which it made a difference. Breadth does in most.
const leaveMost = 8

// leaveOneOut plays the worlds with all evidence, and then, for each piece, those again in which it made a difference: in the others
// every word would be the same.
func (o *evaluation) leaveOneOut(cmd *cobra.Command, scenarios []*fixtures.Scenario, seeds seedRange, log zerolog.Logger) error {
	build, err := buildOfProgram()
	if err != nil {
		return err
	}
	kept, err := openLeftOut(o.quiet.results, build)
	if err != nil {
		return err
	}
	defer kept.Close()
	type job struct {
		scenario *fixtures.Scenario
		seed     uint64
		without  string
	}
	var all []job
	for _, s := range scenarios {
		for seed := seeds.first; seed <= seeds.last; seed++ {
			all = append(all, job{s, seed, ""})
		}
	}
	play := func(jobs []job) error {
		group, ctx := errgroup.WithContext(cmd.Context())
		group.SetLimit(o.parallel)
		for i, j := range jobs {
			if kept.get(j.scenario.Name, j.seed, j.without) != nil {
				continue
			}
			group.Go(func() error {
				if ctx.Err() != nil {
					return stopCause(ctx, ctx.Err())
				}
				t := &trial{scenario: j.scenario, seed: j.seed}
				if s, ok := verdict.ParseSignal(j.without); ok {
					t.hearing.Without = t.hearing.Without.With(s)
				}
				if err := t.run(ctx, log.Level(zerolog.WarnLevel)); err != nil {
					return fmt.Errorf("evaluate scenario %s seed %d without %q: %w", j.scenario.Name, j.seed, j.without, err)
				}
				log.Info().Str("scenario", j.scenario.Name).Uint64("seed", j.seed).Str("without", j.without).Int("job", i+1).Int("of", len(jobs)).Msg("evaluate: ran a world")
				return kept.add(newLeftOut(t, j.without))
			})
		}
		return group.Wait()
	}
	if err := play(all); err != nil {
		return err
	}
	var again []job
	base := func(j job) *leftOut { return kept.get(j.scenario.Name, j.seed, "") }
	bySize := slices.Clone(all)
	slices.SortStableFunc(bySize, func(a, b job) int { return cmp.Compare(base(a).Rows, base(b).Rows) })
	for _, s := range verdict.AllSignals() {
		var played [2]int
		for _, j := range bySize {
			of := &played[min(1, base(j).Due)]
			if base(j).told(s) && *of < leaveMost {
				again = append(again, job{j.scenario, j.seed, s.String()})
				*of++
			}
		}
	}
	if err := play(again); err != nil {
		return err
	}
	total := func(without string) (sum leftOut, spoke, played int) {
		signal, _ := verdict.ParseSignal(without)
		for _, j := range all {
			w := base(j)
			if without != "" && w.told(signal) {
				spoke++
			}
			if slices.Contains(again, job{j.scenario, j.seed, without}) {
				played++
				w = kept.get(j.scenario.Name, j.seed, without)
			}
			sum.add(w)
		}
		return sum, spoke, played
	}
	return writeLeftOut(cmd.OutOrStdout(), seeds, len(all), total)
}

// writeLeftOut prints what each piece of evidence is worth: what is lost or wrong without it.
func writeLeftOut(w io.Writer, seeds seedRange, worlds int, sum func(string) (x leftOut, spoke, played int)) error {
	base, _, _ := sum("")
	fmt.Fprintf(w, "%s, %s: of %d causes %d with the right class, %d cause, %d scope; money off in %d; %d false pages, %d tickets, %d infos; calibration error %.3f\n",
		count(int64(worlds), "world", "worlds"), seeds, base.Due, base.Class, base.Cause, base.Scope, base.MoneyOff, base.Pages, base.Tickets, base.Infos, base.ece())
	t := newTable(w)
	fmt.Fprintln(t, "WITHOUT\tSPOKE IN\tPLAYED\tCLASS\tCAUSE\tSCOPE\tDELAY\tMONEY OFF\tFALSE PAGES\tTICKETS\tINFOS\tUNKNOWN\tECE")
	for _, s := range verdict.AllSignals() {
		x, spoke, played := sum(s.String())
		if spoke == 0 {
			fmt.Fprintf(t, "%s\t0\t0\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\n", s)
			continue
		}
		delay := "-" // of what is found both times; what is lost has none
		if x.Class == base.Class {
			delay = seconds(x.Delay - base.Delay)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%+d\t%+d\t%+d\t%s\t%+d\t%+d\t%+d\t%+d\t%+d\t%+.3f\n", s, spoke, played, x.Class-base.Class, x.Cause-base.Cause, x.Scope-base.Scope,
			delay, x.MoneyOff-base.MoneyOff, x.Pages-base.Pages, x.Tickets-base.Tickets, x.Infos-base.Infos, x.Unknown-base.Unknown, x.ece()-base.ece())
	}
	return t.Flush()
}

// told says whether a piece of evidence made a difference in the world.
func (w *leftOut) told(s verdict.Signal) bool {
	return slices.Contains(w.Told, s.String())
}

func (w *leftOut) add(x *leftOut) {
	w.Due, w.Class, w.Cause, w.Scope = w.Due+x.Due, w.Class+x.Class, w.Cause+x.Cause, w.Scope+x.Scope
	w.Delay, w.MoneyOff = w.Delay+x.Delay, w.MoneyOff+x.MoneyOff
	w.Pages, w.Tickets, w.Infos = w.Pages+x.Pages, w.Tickets+x.Tickets, w.Infos+x.Infos
	w.Unknown, w.Records = w.Unknown+x.Unknown, w.Records+x.Records
	w.Confidence, w.Right = append(w.Confidence, x.Confidence...), append(w.Right, x.Right...)
}

// ece is the expected calibration error, 0 without records.
func (w *leftOut) ece() float64 {
	bins, err := stats.Reliability(w.Confidence, w.Right, 10)
	if err != nil || len(w.Confidence) == 0 {
		return 0
	}
	return stats.ExpectedCalibrationError(bins)
}

// leftOuts are the worlds played so far, in memory and, if there is one, in a file to which lines are added whole.
type leftOuts struct {
	build string
	file  *os.File
	mu    sync.Mutex
	by    map[string]*leftOut
}

func leftKey(world string, seed uint64, without string) string {
	return fmt.Sprintf("%s %d %s", world, seed, without)
}

// openLeftOut reads what this build has played before.
func openLeftOut(name, build string) (*leftOuts, error) {
	k := &leftOuts{build: build, by: map[string]*leftOut{}}
	if name == "" {
		return k, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, usagef("keep results: %w; name a file that can be written with --results", err)
	}
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("keep results: %w; name a file that can be read with --results", err)
	}
	for line := range bytes.Lines(text) {
		w := &leftOut{}
		if json.Unmarshal(line, w) == nil && w.Build == build && len(w.Confidence) == len(w.Right) {
			k.by[leftKey(w.World, w.Seed, w.Without)] = w
		}
	}
	if k.file, err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
		return nil, usagef("keep results: %w; name a file that can be written with --results", err)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		if _, err := k.file.WriteString("\n"); err != nil {
			k.file.Close()
			return nil, fmt.Errorf("write results %s: %w", name, err)
		}
	}
	return k, nil
}

// Close closes the file.
func (k *leftOuts) Close() {
	if k.file != nil {
		k.file.Close()
	}
}

func (k *leftOuts) get(world string, seed uint64, without string) *leftOut {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.by[leftKey(world, seed, without)]
}

func (k *leftOuts) add(w *leftOut) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	w.Build = k.build
	k.by[leftKey(w.World, w.Seed, w.Without)] = w
	if k.file == nil {
		return nil
	}
	line, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if _, err := k.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write results %s: %w", k.file.Name(), err)
	}
	return nil
}

// parseWithout reads codes of evidence.
func parseWithout(codes []string) (verdict.Signals, error) {
	var out verdict.Signals
	for _, code := range codes {
		s, ok := verdict.ParseSignal(code)
		if !ok {
			return 0, usagef("read command line: --without %s: no such evidence; want some of %s", code, signalCodes())
		}
		out = out.With(s)
	}
	return out, nil
}

func signalCodes() string {
	var codes []string
	for _, s := range verdict.AllSignals() {
		codes = append(codes, s.String())
	}
	return strings.Join(codes, " ")
}
