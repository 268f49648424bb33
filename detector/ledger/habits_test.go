package ledger

import (
	"math"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// One user's fault is held against the user's own hours of work before it, whoever else draws, and up to its last row only.
func TestCompareHoldsOneUserAgainstOwnHours(t *testing.T) {
	type stretch struct {
		user     string
		from, to int64 // hours from the onset
		rows     int   // an hour
		charge   string
		off      bool
	}
	past := []stretch{{"u", -58, -50, 2, "1", false}, {"u", -34, -26, 4, "1", false}, {"u", -10, -2, 6, "1", false}} // a busier day each
	for _, c := range []struct {
		why          string
		feed         []stretch
		hours, ratio float64
		like         []float64 // rows of each stretch
	}{
		{
			"ten times the price, and as many rows an hour as at the mean", append(past, stretch{"u", 0, 8, 4, "10", true}),
			8, 10,
			[]float64{48, 32, 16},
		},
		{
			"a short one: every hour before is like it", append(past, stretch{"u", 0, 1, 4, "10", true}),
			1, 10,
			[]float64{6, 6, 6, 6, 6, 6, 6, 6, 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2},
		},
		{
			"a longer one than the past has three of", append(past, stretch{"u", 0, 20, 4, "10", true}),
			20, 10,
			[]float64{48, 32, 16},
		},
		{
			"what comes after the last affected row is no part of it", append(past, stretch{"u", 0, 8, 4, "10", true}, stretch{"u", 8, 12, 9, "1", false}),
			8, 10,
			[]float64{48, 32, 16},
		},
		{
			"what others draw is nothing of the user's", append([]stretch{{"v", -60, 0, 9, "7", false}, {"v", 0, 9, 9, "7", true}}, append(past, stretch{"u", 0, 8, 4, "10", true})...),
			8, 10,
			[]float64{48, 32, 16},
		},
		{"too few hours of past", []stretch{{"u", -20, -18, 4, "1", false}, {"u", 0, 8, 4, "10", true}}, 0, math.NaN(), nil},
		{"hours of half a day say nothing of another", []stretch{{"u", -6, 0, 4, "1", false}, {"u", 0, 8, 4, "10", true}}, 0, math.NaN(), nil},
		{"no affected row", past, 0, math.NaN(), nil},
	} {
		b := NewBooker([]Claim{{Incident: "inc_1", User: "u", From: onset, To: onset + 100*cohort.Hour, Flag: cohort.Over, Compare: true}})
		for _, s := range c.feed {
			for h := s.from; h < s.to; h++ {
				for k := range s.rows {
					e := &event.Event{User: s.user, Time: onset + h*cohort.Hour + int64(k)*60e9, Credits: credits(s.charge), Input: 1000, Output: 10, HasTokens: true}
					r := cohort.Row{Event: e, Quote: price.Quote{Known: true, Expected: event.Credit, Full: event.Credit}}
					if s.off {
						r.Flags = r.Flags.With(cohort.Over)
					}
					b.Add(r)
				}
			}
		}
		r := b.Results()["inc_1"]
		if got := r.Now.Credits / r.Before.Credits; r.Now.Users != c.hours || r.Before.Users != c.hours || !near(got, c.ratio) && !(math.IsNaN(got) && math.IsNaN(c.ratio)) {
			t.Errorf("%s: x%v over %v hours against %v, want x%v over %v", c.why, got, r.Now.Users, r.Before.Users, c.ratio, c.hours)
		}
		if len(r.Like) != len(c.like) {
			t.Errorf("%s: %d like stretches, want %d", c.why, len(r.Like), len(c.like))
			continue
		}
		for i, p := range r.Like {
			if p.Rows != c.like[i] {
				t.Errorf("%s: stretch %d before has %v rows, want %v", c.why, i+1, p.Rows, c.like[i])
			}
		}
		// The rows vary threefold from day to day, the price never: the price is what moved, though the user is busy as well.
		if spreads := verdict.Spreads(r.Now, r.Like); len(c.like) > 0 && (spreads["requests"] < 0.3 || !near(r.Now.Priced/r.Now.List, 10) || spreads["price"] != 0) {
			t.Errorf("%s: requests differ by %v of themselves, the price by %v", c.why, spreads["requests"], spreads["price"])
		}
	}
}
