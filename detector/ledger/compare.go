package ledger

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// compare counts a row in what its user drew before the incident came to them, or in it.
func (c *claim) compare(it *Item) {
	e := it.Event
	if e.Time > c.To {
		return
	}
	if e.Time >= c.From && c.Where.Matches(&e.Dims) {
		a := c.account(e.User)
		a.then.Add(cellOf(it, a.newHour(e.Time)), 1)
		if a.thenAt == 0 {
			a.thenAt = e.Time
		}
		return
	}
	if !c.Before.Matches(&e.Dims) {
		return
	}
	a := c.account(e.User)
	if a.thenAt != 0 {
		return
	}
	a.before.Add(cellOf(it, a.newHour(e.Time)), 1)
	c.clock[e.Time/cohort.Hour%24] += e.Credits.Float64()
	if a.beforeAt == 0 {
		a.beforeAt = e.Time
	}
	a.beforeEnd = max(a.beforeEnd, e.Time)
}

// newHour says whether this is the account's first row of an hour; rows come nearly in order.
func (a *account) newHour(t int64) bool {
	if h := t / cohort.Hour; h > a.hour {
		a.hour = h
		return true
	}
	return false
}

// cellOf returns what one row adds to a period.
func cellOf(it *Item, newHour bool) *cohort.Cell {
	e := it.Event
	var c cohort.Cell
	c.Credits.Add(e.Credits)
	if newHour {
		c.Users = 1
	}
	if it.newTurn {
		c.Turns = 1
	}
	if e.Kind != event.Usage {
		return &c
	}
	c.Rows = 1
	if !it.Flags.Has(cohort.Duplicate) && !it.Flags.Has(cohort.Copy) {
		c.Requests = 1
		if it.Unprompted {
			c.Background = 1
		}
	}
	c.Usage.Add(e.Credits)
	c.Input, c.Cached, c.Output = e.Input, e.Cached, e.Output
	if it.Quote.Known {
		c.Priced.Add(e.Credits)
		if e.Status == event.OK {
			c.List.Add(it.Quote.Expected)
			c.Full.Add(it.Quote.Full)
		}
	}
	return &c
}

// leastPast is how long an account must be known before it is held against itself.
const leastPast = 12 * cohort.Hour

// compared sums the accounts that have a past: what they drew in the incident, and what they would have drawn in the same
// time by their past, its hours of the day weighed.
func (c *claim) compared() (now, before verdict.Period) {
	mean := 0.0
	for _, x := range c.clock {
		mean += x / 24
	}
	for _, user := range sorted(c.users) {
		a := c.users[user]
		if a.thenAt == 0 || a.beforeAt == 0 || a.beforeEnd-a.beforeAt < leastPast {
			continue
		}
		span := 0.0 // hours of the incident, each weighed by how busy it usually is
		for h := a.thenAt - a.thenAt%cohort.Hour; h < c.To; h += cohort.Hour {
			part := float64(min(c.To, h+cohort.Hour)-max(a.thenAt, h)) / float64(cohort.Hour)
			if mean > 0 {
				part *= c.clock[h/cohort.Hour%24] / mean
			}
			span += part
		}
		known := float64(a.thenAt-a.beforeAt) / float64(cohort.Hour) // until it came to them, which may be long after it began
		now = now.Plus(a.then)
		before = before.Plus(a.before.Scale(span / max(known, 1)))
	}
	return now, before
}
