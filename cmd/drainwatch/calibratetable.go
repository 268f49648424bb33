package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/backtest"
)

// yaml returns the thresholds as a configuration that says nothing else.
func (c *calibrated) yaml() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Thresholds that keep %s false alarms in a million users a week, by drainwatch calibrate over\n# %s from %s to %s.\nthresholds:\n",
		plain(c.Budget), c.span, c.FirstAt.Format(time.RFC3339), c.LastAt.Format(time.RFC3339))
	for i := range c.Rules {
		r := &c.Rules[i]
		fmt.Fprintf(&b, "  %s: %s # %s; was %s; %s\n", r.Name, plain(r.Tuned.Then), r.Unit, plain(r.Tuned.Now), basis(&r.Tuned))
	}
	return b.Bytes()
}

// plain prints a number without an exponent.
func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// rough prints a rate to two digits that mean something.
func rough(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 0.01:
		return "<0.01"
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 2, 64)
}

func interval(low, high float64) string { return "[" + rough(low) + ", " + rough(high) + "]" }

// basis says what a threshold stands on.
func basis(t *backtest.Tuned) string {
	scores := count(int64(t.Peaks), "score", "scores")
	switch t.Basis {
	case backtest.Tail:
		return "tail of " + scores
	case backtest.TooFew:
		return "too few: beyond the highest of " + scores
	case backtest.Kept:
		return "kept: too few with " + scores
	}
	return "counted"
}

// print writes the tables.
func (c *calibrated) print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %s to %s; %s left out as known\n", c.span, c.FirstAt.Format(time.RFC3339), c.LastAt.Format(time.RFC3339), count(int64(c.LeftOut), "incident", "incidents"))
	fmt.Fprintf(w, "raised in vain: pages %d, %s %s per million users a week; tickets %d, %s %s\n\n",
		c.Pages.Count, rough(c.Pages.PerMillion), interval(c.Pages.Low, c.Pages.High), c.Tickets.Count, rough(c.Tickets.PerMillion), interval(c.Tickets.Low, c.Tickets.High))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "RULE\tNOW\tCRIED\tPER MILLION USERS A WEEK\tSHARE OF %s\tTHEN\tWILL CRY\tFROM\tFINDS\tMEDIAN\n", plain(c.Budget))
	for i := range c.Rules {
		r := &c.Rules[i]
		finds, median := "", ""
		switch {
		case r.Then != nil:
			finds = shareText(r.Now.Recall) + " -> " + shareText(r.Then.Recall)
			median = inHours(r.Now.MedianHours) + " -> " + inHours(r.Then.MedianHours)
		case r.Tuned.Then > r.Tuned.Now: // evidence adds up row by row, or user by user
			median = fmt.Sprintf("x%.2g the %s", r.Tuned.Then/r.Tuned.Now, map[bool]string{true: "users' hours", false: "rows"}[r.Rule == detector.RuleMeasures])
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s %s\t%s\t%s\t%s %s\t%s\t%s\t%s\n", r.Name, plain(r.Tuned.Now), r.Cried.Count, rough(r.Cried.PerMillion), interval(r.Cried.Low, r.Cried.High),
			plain(r.Share), plain(r.Tuned.Then), rough(r.Will.PerMillion), interval(r.Will.Low, r.Will.High), basis(&r.Tuned), finds, median)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(c.Drains) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nAll of these rules together, on drains put into the history (found within a day; in brackets 95%% intervals):\n\n")
	fmt.Fprintln(t, "DRAIN\tTRIED\tFOUND NOW\tMEDIAN\tFOUND THEN\tMEDIAN")
	for _, d := range c.Drains {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", d.Kind, d.Now.Recall.Of, shareInterval(d.Now.Recall), inHours(d.Now.MedianHours), shareInterval(d.Then.Recall), inHours(d.Then.MedianHours))
	}
	return t.Flush()
}

func shareText(s backtest.Share) string {
	if s.Of == 0 {
		return "-"
	}
	return strconv.FormatFloat(s.Value(), 'f', 2, 64)
}

func shareInterval(s backtest.Share) string {
	if s.Of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f [%.2f, %.2f]", s.Value(), s.Low, s.High)
}

func inHours(h *float64) string {
	if h == nil {
		return "-"
	}
	return fmt.Sprintf("%.1fh", *h)
}
