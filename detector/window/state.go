package window

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// State is how the users of one plan stand with their budgets at one moment. States of several partitions add up.
type State struct {
	Plan string

	// Of users with a five-hour window that has not ended.
	Users   int
	Dry     int          // whose window will be used up before it ends, or is
	Within  [2]int       // whose window is used up within an hour, and within five, at the pace of lately
	PerHour [2]event.Sum // an hour, all together: at the paces of lately, and since their windows began

	// Of users with a week that has not ended.
	WeekUsers, WeekDry int

	Pools []PoolState
}

// PoolState is how users stand with a balance on top of their plan.
type PoolState struct {
	Pool   string
	Users  int    // that drew from it within a day
	Within [2]int // for whom it is gone within five hours, and within a day, at the pace of the last day
}

// Horizons of State.Within and PoolState.Within.
var (
	WindowWithin = [2]time.Duration{time.Hour, 5 * time.Hour}
	PoolWithin   = [2]time.Duration{5 * time.Hour, 24 * time.Hour}
)

// States returns how every plan with budgets stands at a time, in the order of their names. It forgets who has been silent
// for long. Cost: one pass over the users.
func (m *Meter) States(head int64) []State {
	at, ok := seconds(head)
	if !ok || len(m.plans) == 0 {
		return nil
	}
	out := make([]State, len(m.plans))
	for k := range m.plans {
		out[k].Plan = m.plans[k].name
		for _, pool := range m.plans[k].pools {
			out[k].Pools = append(out[k].Pools, PoolState{Pool: pool})
		}
	}
	m.users.Keep(func(a *account) bool {
		if a.last+forget < at {
			return false
		}
		now := *a
		now.fade(at)
		out[a.plan].add(&now, &m.plans[a.plan], at)
		return true
	})
	return out
}

func (s *State) add(a *account, p *budget, at uint32) {
	if p.fiveHour > 0 && at < a.ends {
		b := a.fiveHour(p, at)
		s.Users++
		s.Dry += count(b.Dry)
		s.PerHour[0].Add(credits(b.Fast))
		s.PerHour[1].Add(credits(b.Slow))
		for i, d := range WindowWithin {
			s.Within[i] += count(b.Left <= d)
		}
	}
	if p.weekly > 0 && at < a.weekEnds {
		s.WeekUsers++
		s.WeekDry += count(a.weekLong(p, at).Dry)
	}
	if a.which > 0 && at < a.poolAt+daily {
		b := a.poolNow(p)
		x := &s.Pools[a.which-1]
		x.Users++
		for i, d := range PoolWithin {
			x.Within[i] += count(b.Left <= d)
		}
	}
}

// Add adds the users of another partition to a plan's state.
func (s *State) Add(t *State) {
	s.Plan = t.Plan
	s.Users += t.Users
	s.Dry += t.Dry
	s.WeekUsers += t.WeekUsers
	s.WeekDry += t.WeekDry
	for i := range s.Within {
		s.Within[i] += t.Within[i]
		s.PerHour[i].AddSum(t.PerHour[i])
	}
	if s.Pools == nil {
		s.Pools = slices.Clone(t.Pools)
		return
	}
	for i := range t.Pools {
		s.Pools[i].Users += t.Pools[i].Users
		for k, n := range t.Pools[i].Within {
			s.Pools[i].Within[k] += n
		}
	}
}

// credits returns x as far as that can be told.
func credits(x float64) event.Credits {
	return event.Credits(min(x, 9e9) * float64(event.Credit))
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
