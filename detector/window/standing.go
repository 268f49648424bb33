package window

import "time"

// Standing is how one user stands with the budgets of their plan at a moment; nil for a budget that the plan or the user does
// not have.
type Standing struct {
	Plan             string
	FiveHour, Weekly *Left
	Pool             *Left
	PoolName         string
}

// Used returns which share of the present window of its plan an account has drawn, of the shortest that has a budget. It changes nothing.
func (m *Meter) Used(key uint64) (float64, bool) {
	if len(m.plans) == 0 {
		return 0, false
	}
	a := m.users.Peek(key)
	if a == nil {
		return 0, false
	}
	switch p := &m.plans[a.plan]; {
	case p.fiveHour > 0:
		return float64(a.used) / p.fiveHour, true
	case p.weekly > 0:
		return float64(a.week) / p.weekly, true
	}
	return 0, false
}

// Left is what is left of a budget.
type Left struct {
	Burn
	Budget float64   // credits
	Ends   time.Time // of the window; zero for a pool
}

// Of returns how a user stands. It changes nothing.
func (m *Meter) Of(key uint64, head int64) (s Standing) {
	a := m.users.Peek(key)
	at, ok := seconds(head)
	if a == nil || !ok || int(a.plan) >= len(m.plans) {
		return s
	}
	p := &m.plans[a.plan]
	now := *a
	now.fade(at)
	s.Plan = p.name
	ends := func(sec uint32) time.Time { return time.Unix(int64(sec), 0).UTC() }
	if p.fiveHour > 0 && at < now.ends {
		s.FiveHour = &Left{now.fiveHour(p, at), p.fiveHour, ends(now.ends)}
	}
	if p.weekly > 0 && at < now.weekEnds {
		s.Weekly = &Left{now.weekLong(p, at), p.weekly, ends(now.weekEnds)}
	}
	if now.which > 0 {
		s.Pool, s.PoolName = &Left{Burn: now.poolNow(p), Budget: p.balances[now.which-1]}, p.pools[now.which-1]
	}
	return s
}

// Named is a budget with its name.
type Named struct {
	Name string
	Left
}

// Budgets lists what a user has, windows first.
func (s *Standing) Budgets() []Named {
	var out []Named
	for _, b := range []struct {
		name string
		left *Left
	}{{"five_hour", s.FiveHour}, {"weekly", s.Weekly}, {s.PoolName, s.Pool}} {
		if b.left != nil {
			out = append(out, Named{b.name, *b.left})
		}
	}
	return out
}

// Remaining returns the time left at the present pace, false for ever.
func (b *Burn) Remaining() (time.Duration, bool) { return b.Left, b.Left != Never }
