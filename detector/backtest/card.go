package backtest

import (
	"maps"
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/stats"
)

// Run is the score of one world that was played.
type Run struct {
	Scenario  string
	Score     Score
	UserWeeks float64 // users with rows, times the weeks that the world lasts: what false alarms are counted against
}

// Card gathers scores over many runs. The zero value is empty.
type Card struct {
	runs []Run
}

// Add takes in one run.
func (c *Card) Add(r Run) { c.runs = append(c.runs, r) }

// level is the confidence level of every interval on a card.
const level = 0.95

// Share is how many of some things are as they should be, with the interval in which 95% of such counts hold the true share.
type Share struct {
	Hits int     `json:"hits"`
	Of   int     `json:"of"`
	Low  float64 `json:"low"` // Wilson's interval
	High float64 `json:"high"`
}

func newShare(hits, of int) Share {
	s := Share{Hits: hits, Of: of}
	s.Low, s.High = stats.Wilson(hits, of, level)
	return s
}

// Value is Hits/Of; 1 when there was nothing to get right.
func (s Share) Value() float64 {
	if s.Of == 0 {
		return 1
	}
	return float64(s.Hits) / float64(s.Of)
}

// Rate is a count of false alarms per million users a week, with its exact 95% interval (Garwood).
type Rate struct {
	Count      int     `json:"count"`
	PerMillion float64 `json:"per_million_users_a_week"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
}

// NewRate returns the rate of count false alarms among users watched for so many weeks in all; 0 of [0, 0] where there were none.
func NewRate(count int, userWeeks float64) Rate {
	r := Rate{Count: count}
	if userWeeks > 0 { // else nobody could have been alarmed
		perMillion := 1e6 / userWeeks
		low, high := stats.Garwood(count, level)
		r.PerMillion, r.Low, r.High = float64(count)*perMillion, low*perMillion, high*perMillion
	}
	return r
}

// Totals are the figures of a card, or of some of its labels. They marshal to JSON.
type Totals struct {
	Labels   int   `json:"labels"`   // that should have been found
	Found    int   `json:"found"`    // spoken of by some record
	Recall   Share `json:"recall"`   // found with the right class
	Cause    Share `json:"cause"`    // and the right cause
	Scope    Share `json:"scope"`    // found with the exact scope
	Severity Share `json:"severity"` // found and as loud as it should be

	// Of those found. Delays are seconds of event time, waiting for rows included, and negative where the decision came first.
	Delay   Spread `json:"delay_sec"`              // from the first affected row
	Evident Spread `json:"delay_from_evident_sec"` // from the moment at which an incident could be seen (Label.EvidentAt)
	Rows    Spread `json:"rows_until_found"`       // affected rows until the decision, of incidents of one account
	Buckets Spread `json:"buckets_until_found"`    // and 10-minute buckets with such rows

	OnsetMaxSec float64 `json:"onset_error_max_sec"`
	Onset       Onsets  `json:"onset"`
	Factors     Splits  `json:"factors"`
	LedgerMax   float64 `json:"ledger_error_max"` // largest relative error where the truth can be known exactly

	PagedOnce    Share `json:"paged_once"`    // of those that woke somebody, how many did so once only
	RevisionsMax int   `json:"revisions_max"` // of one incident
}

// Total returns the figures over all labels.
func (c *Card) Total() Totals { return c.totals(func(*Label) bool { return true }) }

// By returns the figures of the labels that should have been found, grouped by key.
func (c *Card) By(key func(*Label) string) map[string]Totals {
	out := map[string]Totals{}
	for i := range c.runs {
		for _, l := range c.runs[i].Score.due() {
			out[key(l)] = Totals{}
		}
	}
	for _, k := range slices.Collect(maps.Keys(out)) {
		out[k] = c.totals(func(l *Label) bool { return key(l) == k })
	}
	return out
}

// Delays are the times that labels of a group took to be found with the right class.
type Delays struct {
	Due     int       // labels that became evident and should have been found
	Seconds []float64 // of those found, from EvidentAt to the decision, ascending
}

// Delays returns, grouped by key, how long the labels that became evident took. Those missed count in Due alone, so that
// len(Seconds)/Due is how many were found at last.
func (c *Card) Delays(key func(*Label) string) map[string]Delays {
	out := map[string]Delays{}
	for i := range c.runs {
		s := &c.runs[i].Score
		for _, l := range s.due() {
			if !l.EvidentAt.IsZero() {
				d := out[key(l)]
				d.Due++
				out[key(l)] = d
			}
		}
		for j := range s.Matches {
			if m := &s.Matches[j]; m.Class && !m.Label.Silent && !m.Label.EvidentAt.IsZero() {
				d := out[key(&m.Label)]
				d.Seconds = append(d.Seconds, m.Evident.Seconds())
				out[key(&m.Label)] = d
			}
		}
	}
	for _, d := range out {
		slices.Sort(d.Seconds)
	}
	return out
}

// Scenarios returns the names of the scenarios that were run, in the order in which they were first added.
func (c *Card) Scenarios() []string {
	var out []string
	for i := range c.runs {
		if !slices.Contains(out, c.runs[i].Scenario) {
			out = append(out, c.runs[i].Scenario)
		}
	}
	return out
}

// Of returns the card of the runs of some scenarios.
func (c *Card) Of(scenario func(string) bool) *Card {
	var out Card
	for _, r := range c.runs {
		if scenario(r.Scenario) {
			out.Add(r)
		}
	}
	return &out
}

// UserWeeks is how many users were watched for how many weeks, over all runs.
func (c *Card) UserWeeks() float64 {
	var sum float64
	for i := range c.runs {
		sum += c.runs[i].UserWeeks
	}
	return sum
}

// False is the rate of records of a severity that no label explains.
func (c *Card) False(s incident.Severity) Rate {
	n := 0
	for i := range c.runs {
		for j := range c.runs[i].Score.Extra {
			if c.runs[i].Score.Extra[j].Severity == s {
				n++
			}
		}
	}
	return NewRate(n, c.UserWeeks())
}

// due are the labels of a score that should have been found.
func (s *Score) due() []*Label {
	var out []*Label
	for i := range s.Matches {
		if !s.Matches[i].Label.Silent {
			out = append(out, &s.Matches[i].Label)
		}
	}
	for i := range s.Missed {
		out = append(out, &s.Missed[i])
	}
	return out
}

func (c *Card) totals(of func(*Label) bool) Totals {
	var t Totals
	var class, cause, scope, loud, paged, once int
	var delays, evident, rows, buckets []float64
	var began onsets
	var split splits
	for i := range c.runs {
		s := &c.runs[i].Score
		for _, l := range s.due() {
			t.Labels += one(of(l))
		}
		for j := range s.Matches {
			m := &s.Matches[j]
			if m.Label.Silent || !of(&m.Label) {
				continue
			}
			t.Found++
			class += one(m.Class)
			cause += one(m.Cause)
			scope += one(m.Scope)
			loud += one(m.Severity)
			paged += one(m.Heard.Pages > 0)
			once += one(m.Heard.Pages == 1)
			t.RevisionsMax = max(t.RevisionsMax, m.Heard.Revisions)
			began.add(m)
			split.add(m)
			delays = append(delays, m.Delay.Seconds())
			if !m.Label.EvidentAt.IsZero() {
				evident = append(evident, m.Evident.Seconds())
			}
			if m.Label.Hits != nil {
				rows, buckets = append(rows, float64(m.Rows)), append(buckets, float64(m.Buckets))
			}
			t.OnsetMaxSec = max(t.OnsetMaxSec, m.Onset.Abs().Seconds())
			if m.Label.HasLedger && !m.Label.Estimate {
				t.LedgerMax = max(t.LedgerMax, min(math.Abs(m.LedgerError), math.MaxFloat64)) // JSON has no infinity
			}
		}
	}
	t.Recall, t.Cause, t.Scope, t.Severity = newShare(class, t.Labels), newShare(cause, t.Labels), newShare(scope, t.Labels), newShare(loud, t.Labels)
	t.PagedOnce = newShare(once, paged)
	t.Onset, t.Factors = began.figures(), split.figures()
	t.Delay, t.Evident, t.Rows, t.Buckets = newSpread(delays), newSpread(evident), newSpread(rows), newSpread(buckets)
	return t
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
