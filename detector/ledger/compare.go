package ledger

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// compare counts a row in what its user drew before the incident came to them, or in it.
func (c *claim) compare(it *cohort.Row) {
	e := it.Event
	if e.Time > c.To {
		return
	}
	if c.User != "" {
		if e.User == c.User {
			c.own(it)
		}
		return
	}
	if e.Time >= c.From && c.Where.Matches(&e.Dims) {
		a := c.account(e.User)
		cell := cellOf(it, newHour(&a.hour, e.Time))
		a.then.Add(cell, 1)
		if c.ByMeasure && c.Measure == cohort.Background && it.Unprompted {
			a.unasked.Add(cell, 1)
		}
		a.of(c.sorts.number(e)).then.Add(cell, 1)
		a.thenAsked += a.asks(it)
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
	cell, sort := cellOf(it, newHour(&a.hour, e.Time)), c.sorts.number(e)
	a.before.Add(cell, 1)
	a.of(sort).before.Add(cell, 1)
	c.sorts.prices.Learn(c.sorts.list[sort], cell)
	a.beforeAsked += a.asks(it)
	c.clock[e.Time/cohort.Hour%24] += e.Credits.Float64()
	if a.beforeAt == 0 {
		a.beforeAt = e.Time
	}
	a.beforeEnd = max(a.beforeEnd, e.Time)
}

// asks returns 1 for the first row of an hour that somebody asked for.
func (a *account) asks(it *cohort.Row) float64 {
	if it.Unprompted || !newHour(&a.askedHour, it.Event.Time) {
		return 0
	}
	return 1
}

// cellOf returns what one row adds to a period.
func cellOf(it *cohort.Row, newHour bool) *cohort.Cell {
	r := *it
	r.NewHour = newHour
	var c cohort.Cell
	c.Count(&r)
	return &c
}

// leastPast is how long an account must be known before it is held against itself.
const leastPast = 12 * cohort.Hour

// compared sums the accounts that have a past: what they drew in the incident, and what they would have drawn by their past. Those
// whom an incident of some hours hits are those who were at work then, so an account is held against as many hours of its past in
// which it asked for something; users are those hours. One that has none is held against the same time, its hours of the day weighed.
// unasked is what of now nobody asked for, where the claim is about that.
func (c *claim) compared() (now, before, unasked verdict.Period, blends [2]verdict.Blend) {
	blends = [2]verdict.Blend{{}, {}}
	add := func(a *account, then, past verdict.Period, times float64) {
		now, before, unasked = now.Plus(then), before.Plus(past.Scale(times)), unasked.Plus(a.unasked)
		for i := range a.drew {
			x := &a.drew[i]
			blends[0].Put(c.sorts.list[x.sort], &x.before, times)
			blends[1].Put(c.sorts.list[x.sort], &x.then, 1)
		}
	}
	mean := 0.0
	for _, x := range c.clock {
		mean += x / 24
	}
	for _, user := range sorted(c.users) {
		a := c.users[user]
		if a.thenAt == 0 || a.beforeAt == 0 || a.beforeEnd-a.beforeAt < leastPast {
			continue
		}
		if a.beforeAsked > 0 {
			then, past := a.then, a.before
			then.Users, past.Users = a.thenAsked, a.beforeAsked
			add(a, then, past, a.thenAsked/a.beforeAsked)
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
		add(a, a.then, a.before, span/max(known, 1))
	}
	blends[0].Priced(c.sorts.prices)
	return now, before, unasked, blends
}
