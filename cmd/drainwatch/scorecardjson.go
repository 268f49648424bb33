package main

import (
	"encoding/json"
	"io"
	"math"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// The JSON form of the card. Nothing in it depends on the machine or the time of day.
type (
	cardJSON struct {
		Seeds        seedsJSON                  `json:"seeds"`
		Scenarios    []trialJSON                `json:"scenarios"`
		ByClass      map[string]backtest.Totals `json:"by_class"`
		ByCause      map[string]backtest.Totals `json:"by_cause"`  // class/cause
		ByCourse     map[string]backtest.Totals `json:"by_course"` // of bugs: step, ramp, rollout
		ByScenario   map[string]backtest.Totals `json:"by_scenario"`
		Total        backtest.Totals            `json:"total"`
		Recall       float64                    `json:"recall"`
		Cause        float64                    `json:"cause"`
		Scope        float64                    `json:"scope"`
		UserWeeks    float64                    `json:"user_weeks"`
		FalsePages   backtest.Rate              `json:"false_pages"`
		FalseTickets backtest.Rate              `json:"false_tickets"`
		FalseInfos   int                        `json:"unexplained_infos"`
		Calibration  backtest.Calibration       `json:"calibration"`
		Bars         []bar                      `json:"bars"`
	}
	seedsJSON struct {
		Set   string `json:"set"` // tuning or test
		First uint64 `json:"first"`
		Last  uint64 `json:"last"`
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
		Severity    bool     `json:"severity_right"`
		Confidence  float64  `json:"confidence"`
		DelaySec    float64  `json:"delay_sec"`
		EvidentSec  *float64 `json:"delay_from_evident_sec"` // null where too few rows were affected
		Rows        int      `json:"rows_until_found,omitempty"`
		Buckets     int      `json:"buckets_until_found,omitempty"`
		Pages       int      `json:"pages"`     // times somebody was woken, by incidents that were merged into it too
		Tickets     int      `json:"tickets"`   // times a ticket was opened
		Incidents   int      `json:"incidents"` // that turned out to be this one
		Revisions   int      `json:"revisions"`
		OnsetSec    float64  `json:"onset_error_sec"`
		OnsetHeld   *bool    `json:"onset_held"`      // null where no interval is stated
		OnsetWidth  float64  `json:"onset_width_sec"` // 0 there
		OnsetLeast  float64  `json:"onset_least_sec"` // what the traffic allows; 0 where that is not known
		FactorNamed *bool    `json:"factor_named"`    // null where the cause moves none, or there is no ratio
		LedgerError *float64 `json:"ledger_error"`    // null where there is no ledger, or where nothing was owed
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
	calibration, err := card.Calibration()
	if err != nil {
		return err
	}
	out := cardJSON{
		Seeds: seedsJSON{seeds.set(), seeds.first, seeds.last}, Scenarios: []trialJSON{},
		ByClass: card.By(labelClass), ByCause: card.By(labelCause), ByCourse: card.By(bugCourse), ByScenario: map[string]backtest.Totals{},
		Total: total, Recall: total.Recall.Value(), Cause: total.Cause.Value(), Scope: total.Scope.Value(), UserWeeks: card.UserWeeks(),
		FalsePages: card.False(incident.Page), FalseTickets: card.False(incident.Ticket), FalseInfos: card.False(incident.Info).Count,
		Calibration: calibration, Bars: bars,
	}
	delete(out.ByCourse, "")
	for _, name := range card.Scenarios() {
		out.ByScenario[name] = card.Of(func(of string) bool { return of == name }).Total()
	}
	for _, tr := range trials {
		t := trialJSON{Scenario: tr.scenario.Name, Seed: tr.seed, Rows: tr.rows, Matches: []matchJSON{}, Missed: []string{}, UsersOff: tr.usersOff, Extra: []foundJSON{}}
		for _, m := range tr.score.Matches {
			j := matchJSON{
				Label: m.Label.ID, Incident: m.Record.Incident, Class: m.Class, Cause: m.Cause, Scope: m.Scope,
				Severity: m.Severity, Confidence: m.Record.Confidence, Rows: m.Rows, Buckets: m.Buckets,
				Pages: m.Heard.Pages, Tickets: m.Heard.Tickets, Incidents: m.Heard.Incidents, Revisions: m.Heard.Revisions,
				DelaySec: m.Delay.Seconds(), OnsetSec: m.Onset.Seconds(), Estimate: m.Label.Estimate, OnsetWidth: m.Bracket.Width.Seconds(), OnsetLeast: m.Bracket.Least.Seconds(),
			}
			if m.Bracket.Stated {
				j.OnsetHeld = &m.Bracket.Holds
			}
			if m.Factor.Asked {
				j.FactorNamed = &m.Factor.Named
			}
			if !m.Label.EvidentAt.IsZero() {
				evident := m.Evident.Seconds()
				j.EvidentSec = &evident
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
