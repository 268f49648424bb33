package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// headline is the first line of an alert, safe to print.
func headline(r incident.Record) string { return incident.Headline(&r) }

// neutral makes text from outside safe to print.
func neutral(s string) string { return incident.Neutral(s) }

// alertBlock writes an alert in plain words: the headline, its state, what speaks for the verdict and against it, and
// what to do. It is wrapped to width columns, or not at all if width is 0; color is for terminals.
func alertBlock(w io.Writer, r incident.Record, width int, color bool) {
	block := blockWriter{w: w, width: width, color: color}
	block.line(severityColor(r.Severity), "", headline(r))
	state := fmt.Sprintf("%s, %s, %s; found %s after it began", r.Status, r.Severity, r.Incident, elapsed(r.DetectedAt.Sub(r.StartedAt)))
	if r.EndedAt != nil {
		state += fmt.Sprintf(", over since %s", clock(*r.EndedAt))
	}
	if r.MergedInto != nil {
		state += ", part of " + *r.MergedInto
	}
	block.line("", "state", state)
	if split := r.Split(times); split != "" {
		block.line("", "split", split)
	}
	for _, against := range []bool{false, true} {
		for _, e := range r.Evidence {
			if e.Against == against {
				label := "for"
				if against {
					label = "against"
				}
				block.line("", label, evidenceLine(e))
			}
		}
	}
	if next := incident.Advice(&r); next != "" {
		block.line("", "do", next)
	}
	for _, name := range sortedKeys(r.Links) {
		block.line("", "see", r.Links[name])
	}
}

// evidenceLine adds what was observed and expected, unless the words say it.
func evidenceLine(e incident.Evidence) string {
	text := e.Text
	if e.Observed != nil && e.Expected != nil && !(mentions(text, *e.Observed) && (*e.Expected == 0 || *e.Expected == 1 || mentions(text, *e.Expected))) {
		text += fmt.Sprintf(" (%s, expected %s)", figure(*e.Observed), figure(*e.Expected))
	}
	return text
}

// mentions says whether a text has a number in it, in two digits or three.
func mentions(text string, f float64) bool {
	words := strings.FieldsFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789.,e+-", r) })
	for _, digits := range []string{figure(f), strconv.FormatFloat(f, 'f', -1, 64), strconv.FormatFloat(f, 'g', 2, 64)} {
		if slices.ContainsFunc(words, func(w string) bool { return strings.TrimRight(w, ".,") == digits }) {
			return true
		}
	}
	return false
}

// blockWriter lays out labelled lines.
type blockWriter struct {
	w     io.Writer
	width int
	color bool
	label int // columns of the labels; 0 is labelWidth
}

const labelWidth = 10

func (b *blockWriter) line(color, label, text string) {
	text = neutral(text)
	indent, wide := "", cmp.Or(b.label, labelWidth)
	if label != "" {
		indent = strings.Repeat(" ", wide)
	}
	for i, part := range wrap(text, b.width, len(indent)) {
		lead := indent
		if i == 0 && label != "" {
			lead = fmt.Sprintf("  %-*s", wide-2, label)
		}
		if b.color && color != "" {
			part = color + part + ansiReset
		}
		fmt.Fprintln(b.w, lead+part)
	}
}

const (
	ansiReset  = "\x1b[0m"
	ansiBold   = "\x1b[1m"
	ansiDim    = "\x1b[2m"
	ansiRed    = "\x1b[1;31m"
	ansiYellow = "\x1b[1;33m"
	ansiBlue   = "\x1b[34m"
)

func severityColor(s incident.Severity) string {
	switch s {
	case incident.Page:
		return ansiRed
	case incident.Ticket:
		return ansiYellow
	case incident.Info:
	}
	return ansiBold
}

// wrap breaks text between words so that no line is longer than width less the indent, where its words allow that.
func wrap(text string, width, indent int) []string {
	if width == 0 {
		return []string{text}
	}
	width = max(width-indent, 20)
	var lines []string
	line, n := "", 0
	for word := range strings.SplitSeq(text, " ") {
		k := utf8.RuneCountInString(word)
		if n > 0 && n+1+k > width {
			lines = append(lines, line)
			line, n = "", 0
		}
		if line != "" {
			line, n = line+" ", n+1
		}
		line, n = line+word, n+k
	}
	return append(lines, line)
}

// times prints a multiple: 12x, 1.02x, 0.4x.
func times(f float64) string { return figure(f) + "x" }

// figure prints a number as people say it: three significant digits, whole from a hundred up.
func figure(f float64) string {
	if a := math.Abs(f); a >= 100 && a < 1e15 {
		return grouped(strconv.FormatFloat(math.Round(f), 'f', 0, 64))
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// credits prints an amount: whole credits from a hundred up, cents below.
func credits(s event.Sum) string {
	if f := s.Float64(); math.Abs(f) < 100 {
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	whole, _, _ := strings.Cut(s.String(), ".")
	return grouped(whole)
}

// count prints a number with its noun.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(strconv.FormatInt(n, 10)) + " " + many
}

// grouped puts commas between thousands.
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// clock prints a moment as war rooms write it.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// elapsed prints a length of time in at most two units.
func elapsed(d time.Duration) string {
	if d < 0 {
		return "0s"
	}
	switch d = d.Round(time.Second); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
