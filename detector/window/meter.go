package window

import (
	"math"
	"time"

	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/event"
)

// MeterBytes is what the budgets of one user cost, the table's share included.
const MeterBytes = 64

const (
	fiveHours = 5 * 3600
	aWeek     = 7 * 86400
	quickly   = 3600  // seconds over which the present pace of the five-hour window fades
	daily     = 86400 // and those of the week and of a pool
	tenth     = 10    // part of a window that says too little of its pace
)

// Budget is what a user of a plan may draw.
type Budget struct {
	FiveHour, Weekly event.Credits
	Pools            map[string]event.Credits // balances without a window
}

// Meter follows what users draw from the budgets of their plans. Windows begin with use: where no gauge names the end of the
// present one, it began with the first charge after the one before. Users of plans without a budget cost nothing.
//
// It belongs to the shard of its partition; it does no IO and reads no clock.
type Meter struct {
	users dense.Table[account]
	plans []budget
	index map[string]uint8
	then  []budget // as they were written, while that is read
}

type budget struct {
	name             string
	fiveHour, weekly float64
	pools            []string // in order
	balances         []float64
}

// account is the state of one user. Credits are float32, for rates, never for money owed.
type account struct {
	used, pace   float32 // of the five-hour window: credits drawn, and the same fading over an hour
	week, weekly float32 // of the week: credits drawn, and fading over a day
	pool, drawn  float32 // of the pool last drawn from: credits since its first draw here, and fading over a day
	ends         uint32  // of the five-hour window
	weekEnds     uint32
	last         uint32 // up to where the paces have faded
	poolAt       uint32 // latest charge to the pool
	dryHour      uint32 // the hour in which the user last counted as running dry
	plan, which  uint8  // which pool, from 1; 0 is none yet
}

// NewMeter returns an empty meter for the budgets of plans.
func NewMeter(budgets map[string]Budget) *Meter {
	m := &Meter{index: map[string]uint8{}}
	for _, name := range sorted(budgets) {
		b := budgets[name]
		if len(m.plans) == maxPlans {
			break
		}
		p := budget{name: name, fiveHour: b.FiveHour.Float64(), weekly: b.Weekly.Float64()}
		for _, pool := range sorted(b.Pools) {
			if x := b.Pools[pool]; x > 0 && len(p.pools) < maxPlans {
				p.pools, p.balances = append(p.pools, pool), append(p.balances, x.Float64())
			}
		}
		m.index[name] = uint8(len(m.plans))
		m.plans = append(m.plans, p)
	}
	return m
}

// Draw is what a charge says of its user's budget.
type Draw struct {
	Budgeted bool // the user's plan has a five-hour window
	Dry      bool // for the first time in this hour: at the present pace, and at that of the whole window, it ends early
}

// Row counts a charge, a refund or a reset of a user.
func (m *Meter) Row(key uint64, e *event.Event) (d Draw) {
	if len(m.plans) == 0 {
		return d
	}
	k, ok := m.plan(e.Dims[event.Plan])
	at, valid := seconds(e.Time)
	if !ok || !valid {
		return d
	}
	a := m.users.Get(key)
	if a == nil {
		if e.Kind == event.Reset || m.users.Len() >= MaxUsers {
			return d
		}
		a = m.users.Add(key)
		a.plan, a.last = k, at
	}
	if a.plan != k {
		*a = account{plan: k, last: at}
	}
	if e.Kind == event.Reset {
		a.ends, a.used, a.weekEnds, a.week = 0, 0, 0, 0
		return d
	}
	p := &m.plans[k]
	a.fade(at)
	a.roll(e, at)
	c := float32(e.Credits.Float64())
	if pool := e.Dims[event.Pool]; pool != "" && a.draw(p, pool, c) {
		return Draw{Budgeted: p.fiveHour > 0}
	}
	a.used, a.week = max(a.used+c, 0), max(a.week+c, 0)
	a.pace, a.weekly = max(a.pace+c, 0), max(a.weekly+c, 0)
	if d.Budgeted = p.fiveHour > 0; !d.Budgeted {
		return d
	}
	// Below a tenth of the budget nothing runs dry: the first tenth of a window says too little.
	if hour := at / 3600; float64(a.used)*tenth >= p.fiveHour && a.dryHour != hour && a.fiveHour(p, at).Dry {
		a.dryHour, d.Dry = hour, true
	}
	return d
}

// plan returns the number of a plan that has budgets.
func (m *Meter) plan(name string) (uint8, bool) {
	if len(m.plans) > few {
		k, ok := m.index[name]
		return k, ok
	}
	for k := range m.plans {
		if m.plans[k].name == name {
			return uint8(k), true
		}
	}
	return 0, false
}

// fade lets the paces forget up to a time.
func (a *account) fade(at uint32) {
	if at <= a.last {
		return
	}
	x := float64(at-a.last) / daily
	long := 1 - x + x*x/2 // within a few seconds, which most rows are, to nine digits
	if x > 1e-3 {
		long = math.Exp(-x)
	}
	l2 := long * long
	l8 := l2 * l2 * l2 * l2
	quick := l8 * l8 * l8 // a day is 24 hours
	a.pace *= float32(quick)
	a.weekly, a.drawn, a.last = a.weekly*float32(long), a.drawn*float32(long), at
}

// roll begins new windows where the old ones have ended, or where the gauge shows another one.
func (a *account) roll(e *event.Event, at uint32) {
	if at >= a.ends {
		a.ends, a.used = at+fiveHours, 0
	}
	if end, ok := seconds(e.QuotaResets); ok && e.HasQuota && end > at && end <= at+fiveHours+jitter && (end > a.ends+jitter || end+jitter < a.ends) {
		if end-fiveHours > at-min(at, nearby) {
			a.used = 0 // it has only just begun
		}
		a.ends = end
	}
	if at >= a.weekEnds {
		a.weekEnds, a.week = at+aWeek, 0
	}
}

// draw takes a charge from a pool; false if the plan has no such pool.
func (a *account) draw(p *budget, pool string, c float32) bool {
	for i, name := range p.pools {
		if name != pool {
			continue
		}
		if a.which != uint8(i+1) {
			a.which, a.pool, a.drawn = uint8(i+1), 0, 0
		}
		a.pool, a.drawn, a.poolAt = max(a.pool+c, 0), max(a.drawn+c, 0), a.last
		if float64(a.pool) > p.balances[i] {
			a.pool -= float32(p.balances[i]) // it was bought again
		}
		return true
	}
	return false
}

// Burn is how fast a budget is drawn.
type Burn struct {
	Used float64       // share of the budget that is gone
	Fast float64       // pace lately, in credits an hour
	Slow float64       // pace since the window began; 0 for a pool
	Left time.Duration // until the budget is gone at the pace of lately; Never at none
	Dry  bool          // both paces use it up before its window ends
}

// Never is the time left of a budget that nothing is drawn from.
const Never = time.Duration(math.MaxInt64)

// burn weighs what was drawn of a budget against the time it is for. A window's first tenth says too little of its pace.
func burn(used, fast, budget float64, elapsed, remaining float64) Burn {
	b := Burn{Used: used / budget, Fast: fast, Left: Never}
	if elapsed > 0 {
		b.Slow = used / elapsed * 3600
	}
	switch hours := (budget - used) / fast; {
	case used >= budget:
		b.Left = 0
	case fast > 0 && hours < Never.Hours():
		b.Left = time.Duration(hours * float64(time.Hour))
	}
	b.Dry = used >= budget || elapsed*(tenth-1) >= remaining && used+min(b.Fast, b.Slow)*remaining/3600 >= budget
	return b
}

func (a *account) fiveHour(p *budget, at uint32) Burn {
	elapsed := float64(at) - (float64(a.ends) - fiveHours)
	return burn(float64(a.used), float64(a.pace)*3600/quickly, p.fiveHour, elapsed, max(float64(a.ends)-float64(at), 0))
}

func (a *account) weekLong(p *budget, at uint32) Burn {
	elapsed := float64(at) - (float64(a.weekEnds) - aWeek)
	return burn(float64(a.week), float64(a.weekly)*3600/daily, p.weekly, elapsed, max(float64(a.weekEnds)-float64(at), 0))
}

// poolNow returns the burn of the pool last drawn from.
func (a *account) poolNow(p *budget) Burn {
	return burn(float64(a.pool), float64(a.drawn)*3600/daily, p.balances[a.which-1], 0, 0)
}
