package ledger

import (
	"cmp"
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// minPast is how many requests of a user's past make it their own; those with fewer are held against everybody's mean.
const minPast = 20

// estimate sets what each user should have been charged: the charge scaled back by how far the factor that moved stands
// above the user's own past, and never above the charge.
func (c *claim) estimate() {
	var all []float64
	for _, a := range c.users {
		if a.rows > 0 && a.past.requests >= minPast {
			if x, ok := c.multiple(a); ok {
				all = append(all, x)
			}
		}
	}
	typical := 1.0
	if len(all) > 0 {
		slices.SortFunc(all, cmp.Compare)
		typical = all[len(all)/2]
	}
	for _, a := range c.users {
		if a.rows == 0 {
			continue
		}
		x, ok := c.multiple(a)
		if !ok || a.past.requests < minPast {
			x = typical
		}
		x = max(x, 1)
		base := a.charged.Float64()
		if c.Measure == cohort.Background {
			// Only what nobody asked for is more than it should be.
			base = a.now.unpromptedCredits.Float64()
		}
		const most = 9e18 // nano-credits that Credits can hold
		a.expected = a.charged
		a.expected.Add(-event.Credits(min(math.Round(base*(1-1/x)*float64(event.Credit)), most)))
		if a.expected.Cmp(event.Sum{}) < 0 { // a float's last digit
			a.expected = event.Sum{}
		}
	}
}

// multiple returns how far the factor stands above the user's past.
func (c *claim) multiple(a *account) (float64, bool) {
	ratio := func(n1, d1, n0, d0 float64) (float64, bool) {
		if n1 <= 0 || d1 <= 0 || n0 <= 0 || d0 <= 0 {
			return 0, false
		}
		return n1 / d1 / (n0 / d0), true
	}
	now, past := &a.now, &a.past
	switch c.Measure {
	case cohort.RequestsPerTurn:
		if now.turns == 0 && past.turns == 0 {
			return ratio(now.requests, float64(len(now.hours)), past.requests, float64(len(past.hours)))
		}
		return ratio(now.requests, now.turns, past.requests, past.turns)
	case cohort.Background:
		return ratio(now.unprompted, float64(len(now.hours)), max(past.unprompted, 0.5), float64(len(past.hours)))
	default:
		return ratio(now.credits.Float64(), now.requests, past.credits.Float64(), past.requests)
	}
}
