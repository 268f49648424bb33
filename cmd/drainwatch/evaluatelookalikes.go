package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/fixtures"
)

// lookalikeReport is what was said of innocent look-alikes, and what spoke for them. It marshals to JSON.
type lookalikeReport struct {
	Seeds      seedsJSON       `json:"seeds"`
	Lookalikes []lookalikeCard `json:"lookalikes"`
	Worlds     int             `json:"worlds"`
	UserWeeks  float64         `json:"user_weeks"`
	Pages      backtest.Rate   `json:"pages"`
	Tickets    backtest.Rate   `json:"tickets"`
	Accused    accusations     `json:"accusations_of_abuse"`
	Unspared   int             `json:"worlds_without_counter_evidence"`
	Bars       []bar           `json:"bars"`
}

// accusations counts incidents of class abuse by how loud they are.
type accusations struct {
	Pages   int `json:"pages"`
	Tickets int `json:"tickets"`
	Infos   int `json:"infos"`
}

// lookalikeCard is one look-alike over all seeds.
type lookalikeCard struct {
	Name    string           `json:"name"`
	Cause   string           `json:"looks_like"`
	Worlds  int              `json:"worlds"`
	Tenfold float64          `json:"accused_by_tenfold_rule"` // accounts a world
	Pages   int              `json:"pages"`
	Tickets int              `json:"tickets"`
	Accused accusations      `json:"accusations_of_abuse"`
	Infos   int              `json:"infos"`
	Spared  map[string]int   `json:"spared_by"` // worlds by the code of what spoke for it
	In      []lookalikeWorld `json:"in"`
}

// lookalikeWorld is one world of it.
type lookalikeWorld struct {
	Seed  uint64       `json:"seed"`
	False []falseAlarm `json:"false"`
	For   []plea       `json:"for"`
}

// runLookalikes plays the look-alikes and reports.
func (o *evaluation) runLookalikes(cmd *cobra.Command, seeds seedRange, without verdict.Signals, log zerolog.Logger) error {
	for _, other := range []string{"plots", "card", "held", "min-recall", "min-cause", "min-scope", "max-delay", "max-ledger-error", "min-open-recall", "min-paged-once"} {
		if cmd.Flags().Changed(other) {
			return usagef("read command line: --%s means nothing with --lookalikes, of which none is guilty; leave one out", other)
		}
	}
	scenarios, err := o.load()
	if err != nil {
		return err
	}
	for _, s := range scenarios {
		if s.Alike.Cause == "" {
			return usagef("evaluate look-alike %s: it does not say what it looks like; add alike: {cause: …, from: …} to the file", s.Name)
		}
	}
	trials, err := runTrials(cmd.Context(), scenarios, seeds, without, o.parallel, true, log)
	if err != nil {
		return err
	}
	r := newLookalikeReport(seeds, trials)
	for flag, x := range map[string][2]int{"max-pages": {r.Pages.Count, o.maxPages}, "max-tickets": {r.Tickets.Count, o.maxTickets}} {
		if cmd.Flags().Changed(flag) {
			r.Bars = append(r.Bars, bar{flag, float64(x[0]), float64(x[1]), x[0] <= x[1]})
		}
	}
	slices.SortFunc(r.Bars, func(a, b bar) int { return cmp.Compare(a.Name, b.Name) })
	if o.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.write(cmd.OutOrStdout(), scenarios)
	}
	if err == nil {
		err = missedBars(r.Bars)
	}
	return err
}

// newLookalikeReport adds up trials that come in the order of scenarios and seeds.
func newLookalikeReport(seeds seedRange, trials []*trial) *lookalikeReport {
	r := &lookalikeReport{Seeds: seedsJSON{seeds.set(), seeds.first, seeds.last}, Worlds: len(trials), Bars: []bar{}}
	pages, tickets := 0, 0
	for _, t := range trials {
		if n := len(r.Lookalikes); n == 0 || r.Lookalikes[n-1].Name != t.scenario.Name {
			r.Lookalikes = append(r.Lookalikes, lookalikeCard{Name: t.scenario.Name, Cause: t.scenario.Alike.Cause, Spared: map[string]int{}})
		}
		c := &r.Lookalikes[len(r.Lookalikes)-1]
		w := lookalikeWorld{Seed: t.seed, False: t.falseAlarms(), For: t.witness.pleas}
		for _, f := range w.False {
			if f.Severity == incident.Page {
				c.Pages, pages = c.Pages+1, pages+1
			} else {
				c.Tickets, tickets = c.Tickets+1, tickets+1
			}
		}
		for _, x := range t.witness.said {
			c.Accused.count(x, &r.Accused)
			if x.Severity == incident.Info {
				c.Infos++
			}
		}
		for i, p := range w.For {
			if !slices.ContainsFunc(w.For[:i], func(q plea) bool { return q.Code == p.Code }) {
				c.Spared[p.Code]++
			}
		}
		if len(w.For) == 0 {
			r.Unspared++
		}
		c.Worlds++
		c.Tenfold += float64(t.witness.tenfold.accused())
		c.In, r.UserWeeks = append(c.In, w), r.UserWeeks+t.userWeeks
	}
	for i := range r.Lookalikes {
		r.Lookalikes[i].Tenfold /= float64(r.Lookalikes[i].Worlds)
	}
	r.Pages, r.Tickets = backtest.NewRate(pages, r.UserWeeks), backtest.NewRate(tickets, r.UserWeeks)
	return r
}

func (a *accusations) count(r incident.Record, all *accusations) {
	if r.Class != "abuse" {
		return
	}
	for _, x := range []*accusations{a, all} {
		switch r.Severity {
		case incident.Page:
			x.Pages++
		case incident.Ticket:
			x.Tickets++
		default:
			x.Infos++
		}
	}
}

// write prints what was false, a line a look-alike, and what spoke for it in the first of its worlds.
func (r *lookalikeReport) write(w io.Writer, scenarios []*fixtures.Scenario) error {
	for i := range r.Lookalikes {
		c := &r.Lookalikes[i]
		for _, in := range c.In {
			for _, a := range in.False {
				fmt.Fprintf(w, "%s seed %d: %s %s %s/%s on %s (%s): %s\n", c.Name, in.Seed, a.Severity, a.Incident, a.Class, a.Cause,
					neutral(quietScope(a.Scope)), a.DetectedAt.UTC().Format("2006-01-02T15:04:05Z"), neutral(a.Title))
			}
		}
	}
	for _, s := range scenarios {
		if s.Open != "" {
			fmt.Fprintf(w, "%s is open: %s\n", s.Name, neutral(s.Open))
		}
	}
	t := newTable(w)
	fmt.Fprintln(t, "LOOK-ALIKE\tLOOKS LIKE\tWORLDS\tTENFOLD\tPAGES\tTICKETS\tACCUSED\tINFOS\tSPARED BY (WORLDS)")
	for i := range r.Lookalikes {
		c := &r.Lookalikes[i]
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%s\n", c.Name, c.Cause, c.Worlds, figure(math.Round(c.Tenfold)), c.Pages, c.Tickets,
			c.Accused.Pages+c.Accused.Tickets+c.Accused.Infos, c.Infos, commonest(c.Spared))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nWhat spoke for each, in seed %d:\n", r.Seeds.First)
	for i := range r.Lookalikes {
		c := &r.Lookalikes[i]
		for _, p := range c.In[0].For {
			fmt.Fprintf(w, "%-20s %s: %s\n", c.Name, p.Who, neutral(p.Text))
		}
	}
	fmt.Fprintf(w, "\n%d look-alikes, %d worlds, %s seeds %d-%d, %s user-weeks; TENFOLD: accounts a world that ten times one's own median hour accuses\n",
		len(r.Lookalikes), r.Worlds, r.Seeds.Set, r.Seeds.First, r.Seeds.Last, grouped(fmt.Sprintf("%.0f", r.UserWeeks)))
	for _, b := range r.Bars {
		met := "met"
		if !b.Met {
			met = "MISSED"
		}
		fmt.Fprintf(w, "bar %s %s: %s, %s\n", b.Name, figure(b.Bar), figure(b.Got), met)
	}
	_, err := fmt.Fprintf(w, "false pages %d, false tickets %d; accusations of abuse: %d pages, %d tickets, %d infos; worlds without counter-evidence %d\n",
		r.Pages.Count, r.Tickets.Count, r.Accused.Pages, r.Accused.Tickets, r.Accused.Infos, r.Unspared)
	return err
}

// commonest lists codes with their worlds, those of most worlds first.
func commonest(codes map[string]int) string {
	var out []string
	for c, n := range codes {
		out = append(out, fmt.Sprintf("%s %d", c, n))
	}
	slices.SortFunc(out, func(a, b string) int {
		x, _, _ := strings.Cut(a, " ")
		y, _, _ := strings.Cut(b, " ")
		return cmp.Or(cmp.Compare(codes[y], codes[x]), cmp.Compare(x, y))
	})
	return strings.Join(out, ", ")
}

// missedBars is the error of bars that were missed.
func missedBars(bars []bar) error {
	var missed []string
	for _, b := range bars {
		if !b.Met {
			missed = append(missed, fmt.Sprintf("%s (%s, bar %s)", b.Name, figure(b.Got), figure(b.Bar)))
		}
	}
	if len(missed) > 0 {
		return missedError{missed}
	}
	return nil
}
