package main

import (
	"fmt"
	"maps"
	"slices"
)

// The rules for rate_card, plans and calendar: what the operator declares as right.

func (c *checker) checkRate(i int) {
	r, key := &c.RateCard[i], fmt.Sprintf("rate_card[%d]", i)
	if r.Model == "" {
		c.refuse(key+".model", "is missing; name the model that this price is for")
	}
	if _, ok := r.Where["model"]; ok {
		c.refuse(key+".where.model", "repeats what the key model says; keep that one")
	}
	c.checkWhere(key+".where", r.Where)
	for _, p := range []struct {
		name     string
		price    *amount
		required bool
	}{{"input", r.Input, true}, {"output", r.Output, true}, {"cached", r.Cached, false}, {"cache_write", r.CacheWrite, false}, {"round", &r.Round, false}} {
		switch {
		case p.price == nil && p.required:
			c.refuse(key+"."+p.name, "is missing; give the credits per million tokens")
		case p.price != nil && *p.price < 0:
			c.refuse(key+"."+p.name, "is negative; give the credits per million tokens as 0 or more")
		}
	}
	for j := range i {
		o := &c.RateCard[j]
		if o.Model == r.Model && o.From.Equal(r.From.Time) && maps.Equal(o.Where, r.Where) {
			c.refuse(key, "prices the same rows from the same time as rate_card[%d]; keep one of them", j)
			return
		}
	}
}

func (c *checker) checkPlans() {
	for _, plan := range sortedKeys(c.Plans) {
		key := "plans." + plan
		if len(c.Plans[plan]) == 0 {
			c.refuse(key, "names no budget; give five_hour, weekly or a pool")
		}
		for _, pool := range sortedKeys(c.Plans[plan]) {
			if c.Plans[plan][pool] <= 0 {
				c.refuse(key+"."+pool, "is not positive; give the credits of the window or pool")
			}
		}
	}
}

// factorNames are the factors that a planned event can expect to move.
var factorNames = []string{"users", "turns", "requests", "rows", "tokens", "cache", "mix", "price", "surcharge"}

func (c *checker) checkPlanned(i int) {
	p, key := &c.Calendar[i], fmt.Sprintf("calendar[%d]", i)
	switch {
	case p.From.IsZero():
		c.refuse(key+".from", "is missing; say when the event begins")
	case p.To.IsZero():
		c.refuse(key+".to", "is missing; say when the event ends")
	case !p.To.After(p.From.Time):
		c.refuse(key+".to", "%s does not come after from; give a later time", p.To.Format("2006-01-02T15:04:05Z"))
	}
	if p.What == "" {
		c.refuse(key+".what", "is missing; say in a few words what happens, since evidence quotes it")
	}
	c.checkWhere(key+".where", p.Where)
	for _, name := range sortedKeys(p.Expect) {
		if !slices.Contains(factorNames, name) {
			c.refuse(key+".expect."+name, "is no factor; %s", suggest(name, factorNames))
		} else if p.Expect[name] <= 0 {
			c.refuse(key+".expect."+name, "%v is no multiple; give a number above 0, such as 2.0 for twice as much", p.Expect[name])
		}
	}
}
