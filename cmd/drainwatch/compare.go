package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

// moneyTolerance is how far a stated overcharge may lie from the true one, where that can be known.
const moneyTolerance = 0.005

// labels translates a simulator's truth.
func labels(t *fixtures.Truth) []backtest.Label {
	var out []backtest.Label
	for _, i := range t.Incidents {
		l := backtest.Label{
			ID: i.ID, Class: i.Class, Cause: i.Cause, Scope: incident.Scope(i.Scope),
			OnsetAt: i.OnsetAt, Course: i.Course, StartedAt: i.StartedAt, EndedAt: i.EndedAt, Overcharge: i.Overcharge,
			HasLedger: len(i.Ledger) > 0, Estimate: i.Estimate, Silent: i.Expect == fixtures.InfoOrNothing, Hits: i.Hits(),
		}
		if !l.Silent {
			l.Severity = incident.Severity(i.Expect)
		}
		if i.SparedAt != nil {
			l.SparedAt = *i.SparedAt
		}
		if i.EvidentAt != nil {
			l.EvidentAt = *i.EvidentAt
		}
		out = append(out, l)
	}
	return out
}

// disagreements lists what is not as it was injected. What is only recorded, and wakes nobody, may be there besides.
func disagreements(s backtest.Score) []string {
	var out []string
	for _, m := range s.Matches {
		if !m.Label.Silent && !m.Exact(moneyTolerance) {
			out = append(out, m.Label.ID+" is found with "+strings.Join(mistakes(m), " and "))
		}
	}
	for _, l := range s.Missed {
		out = append(out, l.ID+" is missed")
	}
	for _, r := range s.Extra {
		if r.Severity != incident.Info {
			out = append(out, fmt.Sprintf("%s (%s/%s) was not injected", r.Incident, r.Class, r.Cause))
		}
	}
	return out
}

// mistakes names what a record has wrong about its label.
func mistakes(m backtest.Match) []string {
	var out []string
	switch {
	case !m.Class:
		out = append(out, "class "+m.Record.Class)
	case !m.Cause:
		out = append(out, "cause "+m.Record.Cause)
	}
	if !m.Scope {
		out = append(out, "scope "+scopeText(m.Record.Scope))
	}
	if m.Label.HasLedger && !m.Label.Estimate && math.Abs(m.LedgerError) > moneyTolerance {
		out = append(out, "money off by "+percent(m.LedgerError))
	}
	return out
}

// writeComparison prints a table: injected, found, when, verdict, money. Where it is wider than the screen (width 0: there is
// none), each row becomes a few lines.
func writeComparison(w io.Writer, s backtest.Score, width int) error {
	var rows [][]string
	row := func(cells ...string) {
		for i := range cells {
			cells[i] = neutral(cells[i])
		}
		rows = append(rows, cells)
	}
	row("INJECTED", "FOUND", "WHEN", "VERDICT", "MONEY")
	for _, m := range s.Matches {
		verdict := "right"
		if wrong := mistakes(m); len(wrong) > 0 {
			verdict = "WRONG: " + strings.Join(wrong, ", ")
		}
		row(what(m.Label.Class, m.Label.Cause, m.Label.Scope), what(m.Record.Class, m.Record.Cause, m.Record.Scope), "after "+elapsed(m.Delay), verdict, money(m))
	}
	for _, l := range s.Missed {
		row(what(l.Class, l.Cause, l.Scope), "nothing", "", "MISSED", credits(l.Overcharge)+" owed")
	}
	for _, l := range s.Passed {
		row(what(l.Class, l.Cause, l.Scope), "nothing", "", "right: nobody's fault", "")
	}
	for _, r := range s.Extra {
		verdict := "FALSE ALARM (" + string(r.Severity) + ")"
		if r.Severity == incident.Info {
			verdict = "recorded only"
		}
		row("nothing", what(r.Class, r.Cause, r.Scope), clock(r.DetectedAt), verdict, credits(r.Overcharge))
	}
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, cells := range rows {
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if width > 0 && widest(b.String()) > width {
		b.Reset()
		writeStacked(&b, rows, width)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func widest(text string) (n int) {
	for line := range strings.Lines(text) {
		n = max(n, utf8.RuneCountInString(strings.TrimRight(line, " \n")))
	}
	return n
}

// writeStacked prints a table one cell a line, beside the names of its columns.
func writeStacked(w io.Writer, rows [][]string, width int) {
	block := blockWriter{w: w, width: width}
	for i, cells := range rows[1:] {
		if i > 0 {
			fmt.Fprintln(w)
		}
		block.line("", "", "injected: "+cells[0])
		for k, cell := range cells[1:] {
			if cell != "" {
				block.line("", strings.ToLower(rows[0][k+1]), cell)
			}
		}
	}
}

func what(class, cause string, s incident.Scope) string {
	return class + "/" + cause + " " + scopeText(s)
}

// scopeText prints a scope on one short line.
func scopeText(s incident.Scope) string {
	switch s.Kind {
	case "user":
		return "user " + s.User
	case "users":
		return fmt.Sprintf("%d accounts by %s", len(s.Users), s.LinkedBy)
	}
	if len(s.Where) == 0 {
		return "everybody"
	}
	var parts []string
	for _, dim := range sortedKeys(s.Where) {
		parts = append(parts, dim+"="+s.Where[dim])
	}
	return strings.Join(parts, " ")
}

// money compares amounts where there are any.
func money(m backtest.Match) string {
	switch {
	case !m.Label.HasLedger:
		return ""
	case m.Label.Estimate:
		return fmt.Sprintf("%s, truly %s (an estimate)", credits(m.Record.Overcharge), credits(m.Label.Overcharge))
	}
	return fmt.Sprintf("%s of %s (off by %s)", credits(m.Record.Overcharge), credits(m.Label.Overcharge), percent(m.LedgerError))
}

// percent prints a relative error.
func percent(f float64) string {
	switch a := math.Abs(f); {
	case a == 0:
		return "0"
	case a < 0.0001:
		return "<0.01%"
	case math.IsInf(f, 0):
		return "everything"
	}
	return strconv.FormatFloat(100*f, 'f', 2, 64) + "%"
}
