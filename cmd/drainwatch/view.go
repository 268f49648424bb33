package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
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
	notableRate = 1.5 // times the expected drain from which a cohort of an incident is coloured
	shownUsers  = 20  // below which a cohort's drain is that of single people
	shownAlerts = 8
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
			fmt.Fprintln(v.w, statusLine(s)+drainLine(s))
		}
		return
	}
	width, height := terminalSize(v.w)
	height = max(height-1, 5)
	lines := v.frame(s, width, height)
	lines = lines[:min(len(lines), height)]
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

// frame lays the whole view out in lines no longer than width: every incident has its headline, and as many as height leaves
// room for, the loudest first, say all they know.
func (v *view) frame(s *detector.Snapshot, width, height int) []string {
	lines := []string{clipped(ansiBold, v.title, width), clipped(ansiDim, v.state, width), ""}
	if s == nil || s.At.IsZero() {
		return append(lines, "waiting for the first rows")
	}
	lines = append(lines, clipped("", statusLine(s), width), "")
	lines = append(lines, rateLines(s, width)...)
	alerts := v.loudest(shownAlerts)
	full := true
	for i, r := range alerts {
		var b bytes.Buffer
		alertBlock(&b, r, width, true)
		block := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		left := height - len(lines) - (len(alerts) - 1 - i) // lines, with one kept for each that follows
		full = full && len(block) < left
		switch {
		case full:
			lines = append(append(lines, ""), block...)
		case i == 0:
			lines = append(append(lines, ""), block[:min(len(block), max(left-1, 1))]...)
		default:
			lines = append(lines, clipped(severityColor(r.Severity), headline(r), width))
		}
	}
	return lines
}

// loudest returns up to n incidents that are worth the screen.
func (v *view) loudest(n int) []incident.Record {
	records := loudest(slices.DeleteFunc(v.latest.list(), func(r incident.Record) bool { return r.MergedInto != nil || r.Severity == incident.Info }))
	return records[:min(n, len(records))]
}

// loudest sorts incidents: firing ones first, then by severity, then the youngest.
func loudest(records []incident.Record) []incident.Record {
	slices.SortStableFunc(records, func(a, b incident.Record) int {
		switch {
		case a.Status != b.Status:
			return cmp.Compare(a.Status, b.Status) // firing, resolved
		case louder(a.Severity, b.Severity):
			return -1
		case louder(b.Severity, a.Severity):
			return 1
		}
		return b.StartedAt.Compare(a.StartedAt)
	})
	return records
}

// statusLine says how far the detector is and what is open.
func statusLine(s *detector.Snapshot) string {
	return fmt.Sprintf("event time %s  %s, %s, %s firing", clock(s.At), count(s.Rows, "row", "rows"), count(int64(s.Users), "user", "users"),
		count(int64(len(open(s))), "incident", "incidents"))
}

// open returns the incidents that fire and were not merged into others.
func open(s *detector.Snapshot) []incident.Record {
	return slices.DeleteFunc(slices.Clone(s.Open), func(r incident.Record) bool { return r.MergedInto != nil })
}

// drainLine says how the scope of the loudest incident drains, if the snapshot measures it.
func drainLine(s *detector.Snapshot) string {
	for _, r := range loudest(open(s)) {
		for _, c := range s.Cohorts {
			if r.Scope.Kind == "cohort" && len(c.Where) > 0 && maps.Equal(c.Where, r.Scope.Where) && c.Ratio >= notableRate {
				return fmt.Sprintf("; %s drains %s of what is expected", cohortName(c.Where), times(c.Ratio))
			}
		}
	}
	return ""
}

// rateLines draws the drain of each cohort against what is expected of it: everybody, the scopes of incidents that fire, and
// the cohorts that usually draw most, in an order that does not change from one moment to the next. A cohort far off is
// coloured if an incident fires that could explain it: without one a drain is weather, and small cohorts have much of that.
func rateLines(s *detector.Snapshot, width int) []string {
	if len(s.Cohorts) == 0 {
		return nil
	}
	header := fmt.Sprintf("%-26s %-*s %7s %8s %12s %12s", "drain against expected", barCells, "|"+strings.Repeat(" ", int(barCells/barFull)-1)+"1x", "", "users", "credits/h", "expected")
	lines := []string{clipped(ansiDim, header, width)}
	firing := open(s)
	rows := append([]detector.CohortRate{s.Cohorts[0]}, prominent(s.Cohorts[1:], firing)...)
	for _, c := range rows[:min(len(rows), shownRates)] {
		color, ratio := "", "new"
		if c.Ratio > 0 {
			ratio = times(c.Ratio)
		}
		if c.Ratio >= notableRate && slices.ContainsFunc(firing, func(r incident.Record) bool { return touches(r.Scope, c.Where) }) {
			color = ansiRed
		}
		text := fmt.Sprintf("%-26.26s %-*s %7s %8s %12s %12s", neutral(cohortName(c.Where)), barCells, drainBar(c.Ratio), ratio,
			grouped(fmt.Sprint(c.Users)), figure(c.PerHour), figure(c.Expected))
		lines = append(lines, clipped(color, text, width))
	}
	return lines
}

// prominent returns cohorts that enough people are in: scopes of incidents first, then those of whom most is expected.
func prominent(rates []detector.CohortRate, firing []incident.Record) []detector.CohortRate {
	out := slices.DeleteFunc(slices.Clone(rates), func(c detector.CohortRate) bool { return c.Users < shownUsers || len(c.Where) == 0 })
	hit := func(c detector.CohortRate) bool {
		return slices.ContainsFunc(firing, func(r incident.Record) bool {
			return r.Scope.Kind == "cohort" && maps.Equal(r.Scope.Where, c.Where)
		})
	}
	slices.SortStableFunc(out, func(a, b detector.CohortRate) int {
		switch x, y := hit(a), hit(b); {
		case x && !y:
			return -1
		case y && !x:
			return 1
		}
		return cmp.Compare(b.Expected, a.Expected)
	})
	return out
}

// touches says whether a cohort shares rows with an incident's scope, as far as dimensions tell.
func touches(scope incident.Scope, where map[string]string) bool {
	if scope.Kind != "cohort" {
		return false
	}
	for dim, value := range where {
		if v, ok := scope.Where[dim]; ok && v != value {
			return false
		}
	}
	return true
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
