package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// writeCard prints a line a trial, what is wrong in each, the figures by class, and the bars.
func writeCard(w io.Writer, seeds seedRange, trials []*trial, card *backtest.Card, bars []bar) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCENARIO\tSEED\tROWS\tFOUND\tCLASS\tCAUSE\tSCOPE\tDELAY\tONSET OFF\tMONEY OFF\tUSERS OFF\tFALSE PAGES\tTICKETS\tINFOS")
	for _, tr := range trials {
		var one backtest.Card
		one.Add(tr.score)
		x := one.Total()
		fmt.Fprintf(t, "%s\t%d\t%s\t%d/%d\t%d\t%d\t%d\t%s\t%s\t%s\t%d\t%d\t%d\t%d\n", tr.scenario.Name, tr.seed, grouped(fmt.Sprint(tr.rows)),
			x.Found, x.Labels, x.Class, x.Cause, x.Scope, seconds(x.DelayMaxSec), seconds(x.OnsetMaxSec), percent(x.LedgerMax), tr.usersOff, x.Pages, x.Tickets, x.Infos)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, tr := range trials {
		for _, wrong := range disagreements(tr.score) {
			fmt.Fprintf(w, "%s seed %d: %s\n", tr.scenario.Name, tr.seed, neutral(wrong))
		}
	}
	fmt.Fprintf(w, "\n%s, %s\n", count(int64(len(trials)), "world", "worlds"), seeds)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLASS\tINCIDENTS\tRECALL\tCAUSE\tSCOPE\tMEDIAN DELAY\tLONGEST")
	by := card.ByClass()
	for _, class := range append(slices.Sorted(maps.Keys(by)), "all") {
		x, ok := by[class]
		if !ok {
			x = card.Total()
		}
		fmt.Fprintf(t, "%s\t%d\t%.3f\t%.3f\t%.3f\t%s\t%s\n", class, x.Labels, x.Recall(), x.CauseShare(), x.ScopeShare(), seconds(x.DelayP50Sec), seconds(x.DelayMaxSec))
	}
	if err := t.Flush(); err != nil {
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

func seconds(s float64) string { return elapsed(time.Duration(s * float64(time.Second))) }

// The JSON form of the card. Nothing in it depends on the machine or the time of day.
type (
	cardJSON struct {
		Seeds     seedsJSON                  `json:"seeds"`
		Scenarios []trialJSON                `json:"scenarios"`
		ByClass   map[string]backtest.Totals `json:"by_class"`
		Total     backtest.Totals            `json:"total"`
		Recall    float64                    `json:"recall"`
		Cause     float64                    `json:"cause"`
		Scope     float64                    `json:"scope"`
		Extra     extraJSON                  `json:"extra"`
		Bars      []bar                      `json:"bars"`
	}
	seedsJSON struct {
		Set   string `json:"set"` // tuning or test
		First uint64 `json:"first"`
		Last  uint64 `json:"last"`
	}
	extraJSON struct {
		Pages   int `json:"pages"`
		Tickets int `json:"tickets"`
		Infos   int `json:"infos"`
	}
	trialJSON struct {
		Scenario string      `json:"scenario"`
		Seed     uint64      `json:"seed"`
		Rows     int64       `json:"rows"`
		Matches  []matchJSON `json:"matches"`
		Missed   []string    `json:"missed"`
		UsersOff int         `json:"ledger_users_off"`
		Extra    []foundJSON `json:"extra"`
	}
	matchJSON struct {
		Label       string   `json:"label"`
		Incident    string   `json:"incident"`
		Class       bool     `json:"class_right"`
		Cause       bool     `json:"cause_right"`
		Scope       bool     `json:"scope_exact"`
		DelaySec    float64  `json:"delay_sec"`
		OnsetSec    float64  `json:"onset_error_sec"`
		LedgerError *float64 `json:"ledger_error"` // null where there is no ledger, or where nothing was owed
		Estimate    bool     `json:"estimate"`
	}
	foundJSON struct {
		Incident string            `json:"incident"`
		Class    string            `json:"class"`
		Cause    string            `json:"cause"`
		Severity incident.Severity `json:"severity"`
		Scope    incident.Scope    `json:"scope"`
	}
)

func writeCardJSON(w io.Writer, seeds seedRange, trials []*trial, card *backtest.Card, bars []bar) error {
	total := card.Total()
	out := cardJSON{
		Seeds:     seedsJSON{seeds.set(), seeds.first, seeds.last},
		Scenarios: []trialJSON{}, ByClass: card.ByClass(), Total: total, Recall: total.Recall(), Cause: total.CauseShare(), Scope: total.ScopeShare(),
		Extra: extraJSON{total.Pages, total.Tickets, total.Infos}, Bars: bars,
	}
	for _, tr := range trials {
		t := trialJSON{Scenario: tr.scenario.Name, Seed: tr.seed, Rows: tr.rows, Matches: []matchJSON{}, Missed: []string{}, UsersOff: tr.usersOff, Extra: []foundJSON{}}
		for _, m := range tr.score.Matches {
			j := matchJSON{
				Label: m.Label.ID, Incident: m.Record.Incident, Class: m.Class, Cause: m.Cause, Scope: m.Scope,
				DelaySec: m.Delay.Seconds(), OnsetSec: m.Onset.Seconds(), Estimate: m.Label.Estimate,
			}
			if !math.IsNaN(m.LedgerError) && !math.IsInf(m.LedgerError, 0) {
				j.LedgerError = &m.LedgerError
			}
			t.Matches = append(t.Matches, j)
		}
		for _, l := range tr.score.Missed {
			t.Missed = append(t.Missed, l.ID)
		}
		for _, r := range tr.score.Extra {
			t.Extra = append(t.Extra, foundJSON{r.Incident, r.Class, r.Cause, r.Severity, r.Scope})
		}
		out.Scenarios = append(out.Scenarios, t)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}
