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

const most = 9e18 // nano-credits that Credits can hold

const mostShort = 0.01 // the least share that is taken to be charged

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
	if c.Lost > 0 {
		c.missing()
	}
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
		if c.Lost > 0 {
			x = c.loss.charged(a)
		}
		if c.Short {
			c.short(a, x)
			continue
		}
		x = max(x, 1)
		base := a.charged.Float64()
		if c.Measure == cohort.Background {
			// Only what nobody asked for is more than it should be.
			base = a.now.unpromptedCredits.Float64()
		}
		a.expected = a.charged
		a.expected.Add(-event.Credits(min(math.Round(base*(1-1/x)*float64(event.Credit)), most)))
		if a.expected.Cmp(event.Sum{}) < 0 { // a float's last digit
			a.expected = event.Sum{}
		}
	}
}

// fewer returns the requests of all users with a past over what they made in as many active hours before. One user's days differ
// too much to say so of each.
func (c *claim) fewer() float64 {
	now, past := 0.0, 0.0
	for _, user := range sorted(c.users) {
		if a := c.users[user]; a.rows > 0 && a.past.requests >= minPast {
			now += a.now.requests
			past += a.past.requests / float64(len(a.past.hours)) * float64(len(a.now.hours))
		}
	}
	if past == 0 {
		return 1
	}
	return now / past
}

// short sets what a user should have been charged who was charged for x times as much: as if the lost requests were like the
// others, or what as many requests came to before; never below the charge, and at most a hundred times as much.
func (c *claim) short(a *account, x float64) {
	x = min(max(x, mostShort), 1)
	a.expected = a.charged
	a.expected.Add(event.Credits(min(math.Round(a.charged.Float64()*(1/x-1)*float64(event.Credit)), most)))
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
