package window

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/state"
)

// Code writes or reads the tracker. Budgets that are given now hold, whatever was given or learned when it was written.
func (t *Tracker) Code(c *state.Coder) {
	given := t.plans
	t.plans.code(c)
	state.Uints(c, &t.sweepAt)
	t.users.Code(c, func(u *user) {
		if u.code(c); int(u.plan) >= len(t.plans.known) {
			c.Fail("a user's plan is number %d of %d", u.plan, len(t.plans.known))
		}
	})
	if c.Reading() && c.Err() == nil {
		t.plans.give(&given)
	}
}

func (u *user) code(c *state.Coder) {
	c.Floats32(&u.hi, &u.slack, &u.recent, &u.loose, &u.anchor, &u.gauge, &u.readHi, &u.readLo)
	state.Uints(c, &u.readAt, &u.resets, &u.last)
	state.Uints(c, &u.before)
	state.Uints(c, &u.plan, &u.bits)
}

func (p *plans) code(c *state.Coder) {
	state.Map(c, &p.index, c.String, func(k *uint8) { state.Uints(c, k) })
	state.Slice(c, &p.names, c.String)
	state.Slice(c, &p.known, func(x *float64) { state.Floats(c, x) })
	state.Slice(c, &p.bins, func(b *map[int32]float64) {
		state.Map(c, b, func(k *int32) { state.Ints(c, k) }, func(x *float64) { state.Floats(c, x) })
	})
	state.Slice(c, &p.given, func(b *bool) { c.Bools(b) })
	state.Uints(c, &p.lastAt)
	n := len(p.known)
	if n == 0 || n > maxPlans || len(p.names) != n || len(p.bins) != n || len(p.given) != n || len(p.index) != n-1 {
		c.Fail("the budgets of %d plans do not fit their names", n)
		return
	}
	for k := 1; k < n; k++ {
		if int(p.index[p.names[k]]) != k {
			c.Fail("the number of plan %q does not fit", p.names[k])
			return
		}
	}
}

// give takes the budgets that the configuration gives now. What it gives no longer is learned from here on.
func (p *plans) give(now *plans) {
	for k := 1; k < len(p.given); k++ {
		if g := now.index[p.names[k]]; p.given[k] && (g == 0 || !now.given[g]) {
			p.given[k], p.known[k] = false, 0
		}
	}
	for g := 1; g < len(now.given); g++ {
		if k := p.of(now.names[g]); now.given[g] && k != 0 {
			p.given[k], p.known[k], p.bins[k] = true, now.known[g], nil
		}
	}
}

// Code writes or reads the meter. Plans are the configuration's: accounts of one that has no budget any more are forgotten, and
// of one whose pools have changed, what was drawn from them is.
func (m *Meter) Code(c *state.Coder) {
	then := m.plans
	state.Slice(c, &then, func(b *budget) {
		c.String(&b.name)
		state.Slice(c, &b.pools, c.String)
	})
	index := make([]int, len(then)) // of the plans as they are now
	for k := range then {
		index[k] = slices.IndexFunc(m.plans, func(b budget) bool { return b.name == then[k].name })
	}
	m.users.Code(c, func(a *account) {
		a.code(c)
		if c.Reading() && (int(a.plan) >= len(then) || int(a.which) > len(then[a.plan].pools)) {
			c.Fail("an account's plan is number %d of %d, and its pool number %d", a.plan, len(then), a.which)
		}
	})
	if !c.Reading() || c.Err() != nil {
		return
	}
	m.users.Keep(func(a *account) bool {
		k := index[a.plan]
		if k < 0 {
			return false
		}
		if !slices.Equal(then[a.plan].pools, m.plans[k].pools) {
			a.which, a.pool, a.drawn, a.poolAt = 0, 0, 0, 0
		}
		a.plan = uint8(k)
		return true
	})
}

func (a *account) code(c *state.Coder) {
	c.Floats32(&a.used, &a.pace, &a.week, &a.weekly, &a.pool, &a.drawn)
	state.Uints(c, &a.ends, &a.weekEnds, &a.last, &a.poolAt, &a.dryHour)
	state.Uints(c, &a.plan, &a.which)
}

// Code writes or reads the state of a plan.
func (s *State) Code(c *state.Coder) {
	c.String(&s.Plan)
	state.Ints(c, &s.Users, &s.Dry, &s.Within[0], &s.Within[1], &s.WeekUsers, &s.WeekDry)
	s.PerHour[0].Code(c)
	s.PerHour[1].Code(c)
	state.Slice(c, &s.Pools, func(p *PoolState) {
		c.String(&p.Pool)
		state.Ints(c, &p.Users, &p.Within[0], &p.Within[1])
	})
}
