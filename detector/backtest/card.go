package backtest

import (
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Card gathers scores over many runs. The zero value is empty.
type Card struct {
	scores []Score
}

// Add takes in the score of one run.
func (c *Card) Add(s Score) { c.scores = append(c.scores, s) }

// Totals are the figures of a card, or of the labels of one class on it. They marshal to JSON.
type Totals struct {
	Labels int `json:"labels"` // that should have been found
	Found  int `json:"found"`
	Class  int `json:"class_right"`
	Cause  int `json:"cause_right"`
	Scope  int `json:"scope_exact"`

	DelayP50Sec float64 `json:"delay_p50_sec"` // onset to decision, event time; 0 when nothing was found
	DelayMaxSec float64 `json:"delay_max_sec"`
	OnsetMaxSec float64 `json:"onset_error_max_sec"`
	LedgerMax   float64 `json:"ledger_error_max"` // largest relative error where the truth can be known exactly

	Pages, Tickets, Infos int `json:"-"` // extra records by severity; of the whole card only
}

// Recall is the share of labels that were found with the right class; 1 when there were none.
func (t Totals) Recall() float64 { return share(t.Class, t.Labels) }

// CauseShare is the share of labels that were found with the right cause.
func (t Totals) CauseShare() float64 { return share(t.Cause, t.Labels) }

// ScopeShare is the share of labels that were found with the exact scope.
func (t Totals) ScopeShare() float64 { return share(t.Scope, t.Labels) }

func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// Total returns the figures over all labels.
func (c *Card) Total() Totals {
	t := c.totals(func(Label) bool { return true })
	for _, s := range c.scores {
		for _, r := range s.Extra {
			switch r.Severity {
			case incident.Page:
				t.Pages++
			case incident.Ticket:
				t.Tickets++
			default:
				t.Infos++
			}
		}
	}
	return t
}

// ByClass returns the figures of each true class that has labels which should have been found.
func (c *Card) ByClass() map[string]Totals {
	out := map[string]Totals{}
	for _, s := range c.scores {
		for _, m := range s.Matches {
			out[m.Label.Class] = Totals{}
		}
		for _, l := range s.Missed {
			out[l.Class] = Totals{}
		}
	}
	for _, class := range slices.Collect(maps.Keys(out)) {
		out[class] = c.totals(func(l Label) bool { return l.Class == class })
		if out[class].Labels == 0 {
			delete(out, class)
		}
	}
	return out
}

func (c *Card) totals(of func(Label) bool) Totals {
	var t Totals
	var delays []float64
	for _, s := range c.scores {
		for _, l := range s.Missed {
			if of(l) {
				t.Labels++
			}
		}
		for _, m := range s.Matches {
			if m.Label.Silent || !of(m.Label) {
				continue
			}
			t.Labels++
			t.Found++
			t.Class += one(m.Class)
			t.Cause += one(m.Cause)
			t.Scope += one(m.Scope)
			delays = append(delays, m.Delay.Seconds())
			t.OnsetMaxSec = max(t.OnsetMaxSec, m.Onset.Abs().Seconds())
			if m.Label.HasLedger && !m.Label.Estimate {
				t.LedgerMax = max(t.LedgerMax, min(math.Abs(m.LedgerError), math.MaxFloat64)) // JSON has no infinity
			}
		}
	}
	if len(delays) > 0 {
		slices.Sort(delays)
		t.DelayP50Sec = stat.Quantile(0.5, stat.Empirical, delays, nil)
		t.DelayMaxSec = delays[len(delays)-1]
	}
	return t
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
