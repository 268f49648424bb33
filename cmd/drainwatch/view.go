package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	barCells    = 24  // of a drain bar
	barFull     = 12. // times the expected drain that fills it
	shownRates  = 10
	notableRate = 1.5 // times the expected drain from which a cohort is coloured
	shownUsers  = 20  // below which a cohort's drain is that of single people
)

// view shows what the detector sees while it runs: drawn again in place on a terminal, as lines that come once elsewhere.
type view struct {
	w        io.Writer
	terminal bool
	color    bool
	title    string // what is shown, and where more can be seen

	mu     sync.Mutex
	drawn  int // lines on the screen
	latest latest
	state  string // what is going on
}

// alert takes what the engine says. Elsewhere than on a terminal it is printed now.
func (v *view) alert(r incident.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, known := v.latest.by[r.Incident]
	v.latest.add(r)
	if v.terminal {
		return
	}
	switch {
	case !known || before.Status != r.Status:
		fmt.Fprintln(v.w)
		alertBlock(v.w, r, 0, false)
	case headline(before) != headline(r):
		fmt.Fprintf(v.w, "%s revision %d: %s\n", r.Incident, r.Revision, headline(r))
	}
}

// say notes what is going on.
func (v *view) say(state string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state = state
	if !v.terminal {
		fmt.Fprintln(v.w, state)
	}
}

// records returns the last revision of every incident.
func (v *view) records() []incident.Record {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.latest.list()
}

// draw shows a snapshot.
func (v *view) draw(s *detector.Snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.terminal {
		if s != nil && !s.At.IsZero() {
			fmt.Fprintln(v.w, statusLine(s))
		}
		return
	}
	width, height := terminalSize(v.w)
	lines := v.frame(s, width)
	lines = lines[:min(len(lines), max(height-1, 5))]
	var b bytes.Buffer
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dF", v.drawn)
	}
	for _, l := range lines {
		if !v.color {
			l = ansiColor.ReplaceAllString(l, "")
		}
		b.WriteString(l + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	v.drawn = len(lines)
	_, _ = v.w.Write(b.Bytes())
}

var ansiColor = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// frame lays the whole view out in lines no longer than width.
func (v *view) frame(s *detector.Snapshot, width int) []string {
	lines := []string{clipped(ansiBold, v.title, width), clipped(ansiDim, v.state, width), ""}
	if s == nil || s.At.IsZero() {
		return append(lines, "waiting for the first rows")
	}
	lines = append(lines, clipped("", statusLine(s), width), "")
	lines = append(lines, rateLines(s.Cohorts, width)...)
	for _, r := range v.loudest(4) {
		var b bytes.Buffer
		alertBlock(&b, r, width, true)
		lines = append(lines, "")
		lines = append(lines, strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")...)
	}
	return lines
}

// loudest returns up to n incidents: firing ones first, then by severity, then the youngest.
func (v *view) loudest(n int) []incident.Record {
	records := slices.DeleteFunc(v.latest.list(), func(r incident.Record) bool { return r.MergedInto != nil || r.Severity == incident.Info })
	rank := func(r incident.Record) int {
		k := 0
		if r.Status == incident.Firing {
			k += 2
		}
		if r.Severity == incident.Page {
			k++
		}
		return -k
	}
	slices.SortStableFunc(records, func(a, b incident.Record) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return b.StartedAt.Compare(a.StartedAt)
	})
	return records[:min(n, len(records))]
}

// statusLine says how far the detector is and what is open.
func statusLine(s *detector.Snapshot) string {
	line := fmt.Sprintf("%s  %s, %s, %s firing", clock(s.At), count(s.Rows, "row", "rows"), count(int64(s.Users), "user", "users"),
		count(int64(len(s.Open)), "incident", "incidents"))
	// Without an incident a cohort's drain is weather: on quiet days small ones are many times off, too.
	if worst := notable(s.Cohorts); len(s.Open) > 0 && len(worst) > 0 && worst[0].Ratio >= notableRate {
		line += fmt.Sprintf("; %s drains %s of what is expected", cohortName(worst[0].Where), times(worst[0].Ratio))
	}
	return line
}

// rateLines draws the drain of each cohort against what is expected of it.
func rateLines(rates []detector.CohortRate, width int) []string {
	if len(rates) == 0 {
		return nil
	}
	header := fmt.Sprintf("%-26s %-*s %7s %8s %12s %12s", "drain against expected", barCells, "|"+strings.Repeat(" ", int(barCells/barFull)-1)+"1x", "", "users", "credits/h", "expected")
	lines := []string{clipped(ansiDim, header, width)}
	rows := append([]detector.CohortRate(nil), rates[0]) // everybody
	rows = append(rows, notable(rates[1:])...)
	for _, c := range rows[:min(len(rows), shownRates)] {
		color, ratio := "", "new"
		if c.Ratio > 0 {
			ratio = times(c.Ratio)
		}
		if c.Ratio >= notableRate {
			color = ansiRed
		}
		text := fmt.Sprintf("%-26.26s %-*s %7s %8s %12s %12s", neutral(cohortName(c.Where)), barCells, drainBar(c.Ratio), ratio,
			grouped(fmt.Sprint(c.Users)), figure(c.PerHour), figure(c.Expected))
		lines = append(lines, clipped(color, text, width))
	}
	return lines
}

// notable returns cohorts that enough people are in, those furthest above what is expected first.
func notable(rates []detector.CohortRate) []detector.CohortRate {
	out := slices.DeleteFunc(slices.Clone(rates), func(c detector.CohortRate) bool { return c.Users < shownUsers || len(c.Where) == 0 })
	slices.SortStableFunc(out, func(a, b detector.CohortRate) int {
		switch {
		case distanceFromOne(a.Ratio) > distanceFromOne(b.Ratio):
			return -1
		case distanceFromOne(a.Ratio) < distanceFromOne(b.Ratio):
			return 1
		}
		return b.Users - a.Users
	})
	return out
}

// distanceFromOne ranks ratios; only what is too much ranks high, since little drain troubles nobody.
func distanceFromOne(r float64) float64 {
	if r <= 1 {
		return 0
	}
	return math.Log(r)
}

func drainBar(ratio float64) string {
	n := int(math.Round(min(max(ratio, 0), barFull) / barFull * barCells))
	return strings.Repeat("█", n) + strings.Repeat("·", barCells-n)
}

func cohortName(where map[string]string) string {
	if len(where) == 0 {
		return "everybody"
	}
	if where["plan"] != "" && where["region"] != "" {
		return where["plan"] + " in " + where["region"]
	}
	var parts []string
	for _, dim := range sortedKeys(where) {
		parts = append(parts, where[dim])
	}
	return strings.Join(parts, " ")
}

// clipped cuts text to the width of the screen and colours it.
func clipped(color, text string, width int) string {
	if width > 0 && utf8.RuneCountInString(text) > width {
		text = string([]rune(text)[:width])
	}
	if color == "" {
		return text
	}
	return color + text + ansiReset
}

// show draws until done is closed.
func (v *view) show(done <-chan struct{}, snapshot func() *detector.Snapshot) {
	period := 10 * time.Second
	if v.terminal {
		period = 250 * time.Millisecond
	}
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-done:
			if v.terminal {
				v.draw(snapshot())
			}
			return
		case <-t.C:
			v.draw(snapshot())
		}
	}
}
