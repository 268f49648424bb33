package window

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/state"
)

// Code writes or reads the tracker. Budgets that are given now hold, whatever was given or learned when it was written.
func (t *Tracker) Code(c *state.Coder) {
	t.codePlans(c)
	t.users.Code(c, t.codeUser)
}

// CodeHead writes or reads what stands before the pieces of Users.
func (t *Tracker) CodeHead(c *state.Coder) {
	t.codePlans(c)
	t.users.CodeHead(c)
}

// Users returns the users as they are kept.
func (t *Tracker) Users() state.Pieces { return t.users.Pieces(t.codeUser) }

func (t *Tracker) codePlans(c *state.Coder) {
	given := t.plans
	t.plans.code(c)
	if state.Uints(c, &t.sweepAt); c.Reading() && c.Err() == nil {
		t.plans.give(&given)
	}
}

func (t *Tracker) codeUser(u *user, c *state.Coder) {
	if u.code(c); int(u.plan) >= len(t.plans.known) {
		c.Fail("a user's plan is number %d of %d", u.plan, len(t.plans.known))
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
	m.codePlans(c)
	m.users.Code(c, m.codeAccount)
	if c.Reading() && c.Err() == nil {
		m.Restored()
	}
}

// CodeHead writes or reads what stands before the pieces of Accounts. When those are read, Restored is due.
func (m *Meter) CodeHead(c *state.Coder) {
	m.codePlans(c)
	m.users.CodeHead(c)
}

// Accounts returns the accounts as they are kept.
func (m *Meter) Accounts() state.Pieces { return m.users.Pieces(m.codeAccount) }

func (m *Meter) codePlans(c *state.Coder) {
	m.then = slices.Clone(m.plans)
	state.Slice(c, &m.then, func(b *budget) {
		c.String(&b.name)
		state.Slice(c, &b.pools, c.String)
	})
}

func (m *Meter) codeAccount(a *account, c *state.Coder) {
	a.code(c)
	if c.Reading() && (int(a.plan) >= len(m.then) || int(a.which) > len(m.then[a.plan].pools)) {
		c.Fail("an account's plan is number %d of %d, and its pool number %d", a.plan, len(m.then), a.which)
	}
}

// Restored goes over to the plans of the configuration.
func (m *Meter) Restored() {
	then := m.then
	if m.then = nil; then == nil {
		return
	}
	index := make([]int, len(then)) // of the plans as they are now
	same := len(then) == len(m.plans)
	for k := range then {
		index[k] = slices.IndexFunc(m.plans, func(b budget) bool { return b.name == then[k].name })
		same = same && index[k] == k && slices.Equal(then[k].pools, m.plans[k].pools)
	}
	if same {
		return
	}
	m.users.Keep(func(a *account) bool { return index[a.plan] >= 0 })
	m.users.Each(func(a *account) {
		k := index[a.plan]
		if !slices.Equal(then[a.plan].pools, m.plans[k].pools) {
			a.which, a.pool, a.drawn, a.poolAt = 0, 0, 0, 0
		}
		a.plan = uint8(k)
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
