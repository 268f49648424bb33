package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/detector/window"
)

// PlanState is how the users of one plan stand with its budgets, as of the last full hour of event time, or of the end of an input.
type PlanState struct {
	Plan       string     `json:"plan"`
	Users      int        `json:"users"`               // with a five-hour window that has not ended
	FastBurn   event.Sum  `json:"burn_last_hour"`      // credits an hour, all together, at the paces of the last hour
	SlowBurn   event.Sum  `json:"burn_window"`         // and since their windows began
	Dry        int        `json:"run_dry_early"`       // of them, whose window both paces use up before it ends
	Within1h   int        `json:"exhausted_within_1h"` // at the pace of the last hour
	Within5h   int        `json:"exhausted_within_5h"` //
	Share      float64    `json:"run_dry_early_share"` // of the active users of that hour, who came to look like running dry
	UsualShare *float64   `json:"run_dry_early_usual"` // the same in like hours before; null without any
	WeekUsers  int        `json:"week_users"`          // with a week that has not ended
	WeekDry    int        `json:"week_run_dry_early"`  //
	Pools      []PoolLeft `json:"pools"`               // balances on top of the plan
}

// PoolLeft is how users stand with a balance without a window.
type PoolLeft struct {
	Pool      string `json:"pool"`
	Users     int    `json:"users"` // that drew from it within a day
	Within5h  int    `json:"exhausted_within_5h"`
	Within24h int    `json:"exhausted_within_24h"`
}

// plansAt returns how the plans stand, looked at once an hour of event time where somebody watches, else once a day and at the end.
func (s *shard) plansAt(at int64) []window.State {
	every := 24 * cohort.Hour
	if s.watched {
		every = cohort.Hour
	}
	if from := at - at%every; from > s.planned {
		s.planned, s.plans = from, s.budgets.States(at)
	}
	return s.plans
}

// planStates adds up what the partitions say of every plan.
func (f *fleet) planStates() []PlanState {
	sums := map[string]*window.State{}
	for _, p := range sortedKeys(f.plans) {
		for i := range f.plans[p] {
			s := &f.plans[p][i]
			if sums[s.Plan] == nil {
				sums[s.Plan] = &window.State{}
			}
			sums[s.Plan].Add(s)
		}
	}
	out := []PlanState{}
	for _, name := range sortedKeys(sums) {
		s := sums[name]
		x := PlanState{
			Plan: name, Users: s.Users, FastBurn: s.PerHour[0], SlowBurn: s.PerHour[1], Dry: s.Dry, Within1h: s.Within[0], Within5h: s.Within[1],
			WeekUsers: s.WeekUsers, WeekDry: s.WeekDry, Pools: []PoolLeft{},
		}
		x.Share, x.UsualShare = f.dryShares(name)
		for _, p := range s.Pools {
			x.Pools = append(x.Pools, PoolLeft{p.Pool, p.Users, p.Within[0], p.Within[1]})
		}
		out = append(out, x)
	}
	return out
}

// dryShares returns the share of a plan's active users of the last full hour who came to look like running dry, and what is
// usual at such hours.
func (f *fleet) dryShares(plan string) (now float64, usual *float64) {
	where := cohort.NewWhere(cohort.Cond{Dim: event.Plan, Value: plan})
	hour := f.now - f.now%cohort.Hour
	l := &live{where: where, onset: hour - cohort.Hour, lastHit: hour - 1}
	sum := f.store.Sum(where, l.onset, hour)
	base := f.baseline(l)
	if sum.Budgeted > 0 {
		now = share(float64(sum.Dry), float64(sum.Budgeted))
	}
	if base.Budgeted > 0 {
		x := share(base.Dry, base.Budgeted)
		usual = &x
	}
	return now, usual
}

func share(dry, of float64) float64 { return math.Min(dry/of, 1) }

// windows returns what the windows of an incident's scope did over it and in like hours before; nil without budgets.
func (f *fleet) windows(l *live) (now, base *verdict.Period) {
	if len(f.o.Plans) == 0 || l.user != "" || l.onset == 0 {
		return nil, nil
	}
	sum := f.store.Sum(l.where, l.onset, max(l.lastHit, l.onset)+1)
	if sum.Budgeted == 0 {
		return nil, nil
	}
	hit := l.hit
	p, b := period(&sum), f.baseline(l)
	l.hit = hit // which a baseline settles for the ratio
	return &p, &b
}
