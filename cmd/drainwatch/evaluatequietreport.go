package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// quietReport is what worlds of innocents add up to. It marshals to JSON.
type quietReport struct {
	Seeds     seedsJSON     `json:"seeds"` // first and last that count
	Worlds    int           `json:"worlds"`
	Rows      int64         `json:"rows"`
	UserWeeks float64       `json:"user_weeks"`
	TookSec   float64       `json:"took_sec"` // of one core or a little more, all worlds together
	Pages     backtest.Rate `json:"pages"`
	Tickets   backtest.Rate `json:"tickets"`
	Fleets    []quietFleet  `json:"fleets"`
	Causes    []quietCause  `json:"causes"`
	False     []quietWorld  `json:"worlds_with_false_alarms"`
	Bars      []bar         `json:"bars"`
}

// quietFleet are the figures of one kind of population.
type quietFleet struct {
	Fleet     string        `json:"fleet"`
	Worlds    int           `json:"worlds"`
	Rows      int64         `json:"rows"`
	UserWeeks float64       `json:"user_weeks"`
	Pages     backtest.Rate `json:"pages"`
	Tickets   backtest.Rate `json:"tickets"`
}

// quietCause are the false alarms of one kind.
type quietCause struct {
	Severity incident.Severity `json:"severity"`
	Class    string            `json:"class"`
	Cause    string            `json:"cause"`
	Evidence string            `json:"evidence"`
	Rate     backtest.Rate     `json:"rate"`
}

// newQuietReport adds up worlds that come in the order of their seeds.
func newQuietReport(worlds []*quietWorld) *quietReport {
	r := &quietReport{Worlds: len(worlds), Bars: []bar{}, False: []quietWorld{}, Causes: []quietCause{}}
	if len(worlds) > 0 {
		played := seedRange{worlds[0].Seed, worlds[len(worlds)-1].Seed}
		r.Seeds = seedsJSON{played.set(), played.first, played.last}
	}
	counts := map[quietCause]int{}
	type severities struct{ pages, tickets int }
	byFleet := map[string]*severities{}
	fleet := func(name string) (*quietFleet, *severities) {
		i := slices.IndexFunc(r.Fleets, func(f quietFleet) bool { return f.Fleet == name })
		if i < 0 {
			i = len(r.Fleets)
			r.Fleets = append(r.Fleets, quietFleet{Fleet: name})
			byFleet[name] = &severities{}
		}
		return &r.Fleets[i], byFleet[name]
	}
	var all severities
	for _, w := range worlds {
		f, n := fleet(w.Fleet)
		f.Worlds++
		f.Rows, r.Rows = f.Rows+w.Rows, r.Rows+w.Rows
		f.UserWeeks, r.UserWeeks = f.UserWeeks+w.UserWeeks, r.UserWeeks+w.UserWeeks
		r.TookSec += w.TookSec
		for i := range w.False {
			a := &w.False[i]
			counts[quietCause{Severity: a.Severity, Class: a.Class, Cause: a.Cause, Evidence: a.Evidence}]++
			if a.Severity == incident.Page {
				n.pages, all.pages = n.pages+1, all.pages+1
			} else {
				n.tickets, all.tickets = n.tickets+1, all.tickets+1
			}
		}
		if len(w.False) > 0 {
			r.False = append(r.False, *w)
		}
	}
	r.Pages, r.Tickets = backtest.NewRate(all.pages, r.UserWeeks), backtest.NewRate(all.tickets, r.UserWeeks)
	for i := range r.Fleets {
		f := &r.Fleets[i]
		f.Pages, f.Tickets = backtest.NewRate(byFleet[f.Fleet].pages, f.UserWeeks), backtest.NewRate(byFleet[f.Fleet].tickets, f.UserWeeks)
	}
	slices.SortFunc(r.Fleets, func(a, b quietFleet) int { return cmp.Compare(b.UserWeeks, a.UserWeeks) })
	for c, n := range counts {
		c.Rate = backtest.NewRate(n, r.UserWeeks)
		r.Causes = append(r.Causes, c)
	}
	slices.SortFunc(r.Causes, func(a, b quietCause) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(b.Rate.Count, a.Rate.Count),
			cmp.Compare(a.Class+"/"+a.Cause+"/"+a.Evidence, b.Class+"/"+b.Cause+"/"+b.Evidence))
	})
	return r
}

// addBar judges a count for which a bar was given.
func (r *quietReport) addBar(flag string, got, most int) {
	r.Bars = append(r.Bars, bar{flag, float64(got), float64(most), got <= most})
}

// write prints the report, what was false first, so that a screen ends with the figures.
func (r *quietReport) write(w io.Writer) error {
	for i := range r.False {
		for _, a := range r.False[i].False {
			fmt.Fprintf(w, "%s  %s %s %s/%s on %s (%s): %s\n", r.False[i].World, a.Severity, a.Incident, a.Class, a.Cause,
				neutral(quietScope(a.Scope)), a.DetectedAt.UTC().Format("2006-01-02T15:04:05Z"), neutral(a.Title))
		}
	}
	if len(r.False) > 0 {
		fmt.Fprintf(w, "to look at one: drainwatch simulate --scenario %s --seed %d --out rows.jsonl, then replay\n\n", r.False[0].World, r.False[0].Seed)
	}
	fmt.Fprintf(w, "%d worlds of innocents, %s seeds %d-%d, %s rows, %s user-weeks; in brackets 95%% intervals (Garwood)\n\n",
		r.Worlds, r.Seeds.Set, r.Seeds.First, r.Seeds.Last, grouped(fmt.Sprint(r.Rows)), grouped(fmt.Sprintf("%.0f", r.UserWeeks)))
	t := newTable(w)
	rate := func(x backtest.Rate) string {
		return fmt.Sprintf("%d\t%s\t[%s, %s]", x.Count, figure(x.PerMillion), figure(x.Low), figure(x.High))
	}
	fmt.Fprintln(t, "PER MILLION USERS A WEEK\tWORLDS\tROWS\tUSER-WEEKS\tPAGES\tRATE\t\tTICKETS\tRATE\t")
	for _, f := range r.Fleets {
		fmt.Fprintf(t, "%s fleets\t%d\t%s\t%s\t%s\t%s\n", f.Fleet, f.Worlds, grouped(fmt.Sprint(f.Rows)), grouped(fmt.Sprintf("%.0f", f.UserWeeks)), rate(f.Pages), rate(f.Tickets))
	}
	fmt.Fprintf(t, "all\t%d\t%s\t%s\t%s\t%s\n", r.Worlds, grouped(fmt.Sprint(r.Rows)), grouped(fmt.Sprintf("%.0f", r.UserWeeks)), rate(r.Pages), rate(r.Tickets))
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Causes) > 0 {
		fmt.Fprintln(w)
		t = newTable(w)
		fmt.Fprintln(t, "FALSE\tCLASS\tEVIDENCE\tCOUNT\tRATE\t")
		for _, c := range r.Causes {
			fmt.Fprintf(t, "%s\t%s/%s\t%s\t%s\n", c.Severity, c.Class, c.Cause, c.Evidence, rate(c.Rate))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for _, b := range r.Bars {
		met := "met"
		if !b.Met {
			met = "MISSED"
		}
		fmt.Fprintf(w, "bar %s %s: %s, %s\n", b.Name, figure(b.Bar), figure(b.Got), met)
	}
	_, err := fmt.Fprintf(w, "\nfalse pages    %d: %s per million users a week [%s, %s]\nfalse tickets  %d: %s per million users a week [%s, %s]\n",
		r.Pages.Count, figure(r.Pages.PerMillion), figure(r.Pages.Low), figure(r.Pages.High),
		r.Tickets.Count, figure(r.Tickets.PerMillion), figure(r.Tickets.Low), figure(r.Tickets.High))
	return err
}

// quietScope says whom an alarm is about.
func quietScope(s incident.Scope) string {
	switch s.Kind {
	case "user":
		return s.User
	case "users":
		return strings.Join(s.Users, " ")
	}
	if len(s.Where) == 0 {
		return "everybody"
	}
	return strings.TrimPrefix(fmt.Sprint(s.Where), "map")
}
