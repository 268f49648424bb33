package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// writeCard prints a line a trial, what is wrong in each, the summary, and the bars.
func writeCard(w io.Writer, seeds seedRange, trials []*trial, card *backtest.Card, bars []bar) error {
	t := newTable(w)
	fmt.Fprintln(t, "SCENARIO\tSEED\tROWS\tFOUND\tCLASS\tCAUSE\tSCOPE\tDELAY\tONSET OFF\tMONEY OFF\tUSERS OFF\tFALSE PAGES\tTICKETS\tINFOS")
	for _, tr := range trials {
		var one backtest.Card
		one.Add(tr.onCard())
		x := one.Total()
		fmt.Fprintf(t, "%s\t%d\t%s\t%d/%d\t%d\t%d\t%d\t%s\t%s\t%s\t%d\t%d\t%d\t%d\n", tr.scenario.Name, tr.seed, grouped(fmt.Sprint(tr.rows)),
			x.Found, x.Labels, x.Recall.Hits, x.Cause.Hits, x.Scope.Hits, seconds(x.Delay.Max), seconds(x.OnsetMaxSec), percent(x.LedgerMax), tr.usersOff,
			one.False(incident.Page).Count, one.False(incident.Ticket).Count, one.False(incident.Info).Count)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, tr := range trials {
		for _, wrong := range disagreements(tr.score) {
			fmt.Fprintf(w, "%s seed %d: %s\n", tr.scenario.Name, tr.seed, neutral(wrong))
		}
	}
	var told []string
	for _, tr := range trials {
		if s := tr.scenario; s.Open != "" && !slices.Contains(told, s.Name) {
			told = append(told, s.Name)
			fmt.Fprintf(w, "%s is open: %s\n", s.Name, neutral(s.Open))
		}
	}
	fmt.Fprintln(w)
	if len(card.Scenarios()) < len(trials) {
		if err := writeScenarios(w, card); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	if err := writeSummary(w, seeds, len(trials), card); err != nil {
		return err
	}
	for _, b := range bars {
		met := "met"
		if !b.Met {
			met = "MISSED"
		}
		if _, err := fmt.Fprintf(w, "bar %s %s: %s, %s\n", b.Name, figure(b.Bar), figure(b.Got), met); err != nil {
			return err
		}
	}
	return nil
}

// writeScenarios prints a line for all worlds of a scenario.
func writeScenarios(w io.Writer, card *backtest.Card) error {
	t := newTable(w)
	fmt.Fprintln(t, "SCENARIO\tINCIDENTS\tRECALL\tCAUSE\tSCOPE\tEVIDENT P50\tP90\tP95\tMAX\tFALSE PAGES\tTICKETS")
	for _, name := range card.Scenarios() {
		of := card.Of(func(of string) bool { return of == name })
		x := of.Total()
		fmt.Fprintf(t, "%s\t%d\t%.3f\t%.3f\t%.3f\t%s\t%d\t%d\n", name, x.Labels, x.Recall.Value(), x.Cause.Value(), x.Scope.Value(),
			spreadCells(x.Evident, seconds), of.False(incident.Page).Count, of.False(incident.Ticket).Count)
	}
	return t.Flush()
}

// writeSummary prints what all trials come to: who was found and how sure that figure is, how long it took, what was said that
// is not true, and whether confidences keep their word.
func writeSummary(w io.Writer, seeds seedRange, worlds int, card *backtest.Card) error {
	calibration, err := card.Calibration()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s, %s, %s, %s user-weeks; in brackets 95%% intervals\n\n", count(int64(len(card.Scenarios())), "scenario", "scenarios"),
		count(int64(worlds), "world", "worlds"), seeds, figure(card.UserWeeks()))
	groups := grouping(card)
	t := newTable(w)
	fmt.Fprintln(t, "CLASS\tINCIDENTS\tRECALL\t\tCAUSE\t\tSCOPE\t\tSEVERITY")
	for _, g := range groups {
		x := &g.totals
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", g.name, x.Labels, shareCells(x.Recall), shareCells(x.Cause), shareCells(x.Scope), shareCells(x.Severity))
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "FOUND AFTER\tFOUND\tONSET P50\tP90\tP95\tMAX\tEVIDENT P50\tP90\tP95\tMAX")
	for _, g := range groups {
		x := &g.totals
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", g.name, x.Found, spreadCells(x.Delay, seconds), spreadCells(x.Evident, seconds))
	}
	alone := slices.DeleteFunc(slices.Clone(groups), func(g group) bool { return g.totals.Rows.N == 0 || !strings.HasPrefix(g.name, " ") })
	if len(alone) > 0 {
		fmt.Fprintln(t)
		fmt.Fprintln(t, "ONE ACCOUNT\tFOUND\tROWS P50\tP90\tP95\tMAX\tBUCKETS P50\tP90\tP95\tMAX")
	}
	for _, g := range alone {
		x := &g.totals
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", g.name, x.Rows.N, spreadCells(x.Rows, figure), spreadCells(x.Buckets, figure))
	}
	if onsets := append(groups, courses(card)...); len(onsets) > 1 {
		fmt.Fprintln(t)
		fmt.Fprintln(t, "ONSET\tSTATED\tHOLDS SWITCH-ON\t\tHOLDS FIRST ROW\t\tWIDTH P50\tP90\tP95\tMAX\tLEAST P50\tTIMES P50")
		for _, g := range onsets {
			x := &g.totals.Onset
			fmt.Fprintf(t, "%s\t%d of %d\t%s\t%s\t%s\t%s\t%s\n", g.name, x.Stated.Hits, x.Stated.Of, shareCells(x.Holds), shareCells(x.Hit), spreadCells(x.Width, seconds), seconds(x.Least.P50), figure(x.Times.P50))
		}
	}
	if calibration.Records > 0 {
		fmt.Fprintln(t)
		fmt.Fprintln(t, "CONFIDENCE\tRECORDS\tMEAN\tCLASS RIGHT")
	}
	for _, b := range calibration.Bins {
		fmt.Fprintf(t, "%.1f-%.1f\t%d\t%.3f\t%s\n", b.Low, b.High, b.Right.Of, b.Confidence, shareCells(b.Right))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "expected calibration error %.3f over %s\n\n", calibration.Error, count(int64(calibration.Records), "record", "records"))
	fmt.Fprintf(w, "false pages    %s\n", rateText(card.False(incident.Page)))
	fmt.Fprintf(w, "false tickets  %s\n", rateText(card.False(incident.Ticket)))
	total := card.Total()
	f := &total.Factors
	fmt.Fprintf(w, "factors        the cause's named in %d of %d bugs (the largest quotient in %d); product = ratio within 1%% in %d of %d, off by %.2g%% at most\n",
		f.Named.Hits, f.Named.Of, f.Most.Hits, f.Product.Hits, f.Product.Of, 100*f.OffMax)
	_, err = fmt.Fprintf(w, "paged once     %d of %d that paged; most revisions of one incident: %d\n", total.PagedOnce.Hits, total.PagedOnce.Of, total.RevisionsMax)
	return err
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// group is a line of the summary's tables.
type group struct {
	name   string
	totals backtest.Totals
}

func labelClass(l *backtest.Label) string { return l.Class }
func labelCause(l *backtest.Label) string { return l.Class + "/" + l.Cause }

// grouping lists each class, its causes indented below it, and all of them.
func grouping(card *backtest.Card) []group {
	classes, causes := card.By(labelClass), card.By(labelCause)
	var out []group
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		out = append(out, group{class, classes[class]})
		for _, cause := range slices.Sorted(maps.Keys(causes)) {
			if name, ok := strings.CutPrefix(cause, class+"/"); ok {
				out = append(out, group{"  " + name, causes[cause]})
			}
		}
	}
	return append(out, group{"all", card.Total()})
}

// bugCourse is how a bug came; "" of what people do.
func bugCourse(l *backtest.Label) string {
	if l.Class == "abuse" || l.Class == "organic" {
		return ""
	}
	return l.Course
}

// courses lists the bugs by how they came: at once, rising, or with a release that spreads.
func courses(card *backtest.Card) []group {
	by := card.By(bugCourse)
	var out []group
	for _, course := range slices.Sorted(maps.Keys(by)) {
		if course != "" {
			out = append(out, group{"bugs, " + course, by[course]})
		}
	}
	return out
}

// shareCells fills two columns: the share, and its interval.
func shareCells(s backtest.Share) string {
	return fmt.Sprintf("%.3f\t[%.3f, %.3f]", s.Value(), s.Low, s.High)
}

// spreadCells fills four columns.
func spreadCells(s backtest.Spread, text func(float64) string) string {
	if s.N == 0 {
		return "-\t-\t-\t-"
	}
	return text(s.P50) + "\t" + text(s.P90) + "\t" + text(s.P95) + "\t" + text(s.Max)
}

func rateText(r backtest.Rate) string {
	return fmt.Sprintf("%d: %s per million users a week [%s, %s]", r.Count, figure(r.PerMillion), figure(r.Low), figure(r.High))
}

// seconds prints a delay, negative where the decision came first.
func seconds(s float64) string {
	if s <= -1 {
		return "-" + elapsed(time.Duration(-s*float64(time.Second)))
	}
	return elapsed(time.Duration(s * float64(time.Second)))
}
