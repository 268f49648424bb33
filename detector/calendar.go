package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

const (
	plannedSlack  = 1.5         // power of what an entry expects up to which it explains: how much people will do nobody knows beforehand
	plannedRelook = cohort.Hour // after which a change that an entry explains is looked at anew: more may have come on top
)

// allows returns how many times as much of a factor an entry explains, to some power: any where it names none, 0 where it names others.
func (p *Planned) allows(factor string, power float64) float64 {
	x, ok := p.Expect[factor]
	switch {
	case len(p.Expect) == 0:
		return math.Inf(1)
	case !ok:
		return 0
	}
	return math.Pow(max(x, 1), power)
}

// holds says whether an entry is in force at some time of a span.
func (p *Planned) holds(from, to int64) bool {
	return to >= p.From.UnixNano() && from < p.To.UnixNano()
}

// plan is how far an entry of the calendar explains that a measure stands above its past.
type plan struct {
	where cohort.Where
	shift float64
}

// plannedOf returns the entries that hold at some time since from and explain what a cause does to a measure. How many more requests
// nobody asked for an announced multiple of all requests is cannot be said.
func (f *fleet) plannedOf(b verdict.Behaviour, from int64, power float64) (out []plan) {
	if b.Measure == cohort.Background || !f.o.Hearing.Hears(verdict.Planned) {
		return nil
	}
	for i := range f.o.Calendar {
		p := &f.o.Calendar[i]
		if most := p.allows(b.Cause.Factor, power); most > 0 && p.holds(from, f.now+cohort.Hour) {
			out = append(out, plan{whereOf(p.Where), math.Log(most)})
		}
	}
	return out
}

// foreseen returns how far plans explain that a measure of a leaf's rows stands above its past.
func foreseen(plans []plan, leaf *cohort.Leaf) (shift float64) {
	for _, p := range plans {
		if p.where.Matches(&leaf.Values) {
			shift = max(shift, p.shift)
		}
	}
	return shift
}

// touches says whether plans are for rows of an incident's scope.
func (f *fleet) touches(plans []plan, l *live) (some bool) {
	f.store.Active(l.where, l.onset, f.now+cohort.Tick, func(leaf *cohort.Leaf) { some = some || foreseen(plans, leaf) > 0 })
	return some
}

// expected says whether the calendar explains a change of behaviour to so many times as much: an entry for the scope, or for rows that all
// of the scope's are, that names the factor and is for as much, or names none.
func (f *fleet) expected(l *live, cause verdict.Cause, times float64) bool {
	for i := range f.o.Calendar {
		p := &f.o.Calendar[i]
		where := whereOf(p.Where)
		if !p.holds(l.onset, l.onset+cohort.Hour) || !where.Covers(l.where) && !l.where.Covers(where) && !f.within(l, where) {
			continue
		}
		if most := p.allows(cause.Factor, plannedSlack); most > 0 && times <= most && f.says(verdict.Planned, true) {
			return true
		}
	}
	return false
}

// times returns how many times as much as before an incident of behaviour is, by its users or by its sums, whichever says less. Who never
// had a request that nobody asked for had none to multiply; there it is how many requests come for a turn, or in all.
func (l *live) times() float64 {
	factor := l.finding.Verdict.Factor
	sums := factor(l.finding.Cause.Factor)
	if l.measure == cohort.Background {
		return min(sums, factor("users")*factor("turns")*sums)
	}
	return min(sums, math.Exp(l.shift))
}

// within says whether all rows of an incident's scope are of that kind as well: a version of a client is that client's.
func (f *fleet) within(l *live, where cohort.Where) bool {
	some, all := false, true
	f.store.Active(l.where, l.onset, f.now+cohort.Tick, func(leaf *cohort.Leaf) {
		some, all = true, all && where.Matches(&leaf.Values)
	})
	return some && all
}

// awaited returns the calendar's entry that explains what one account draws, nil if none does: one for its rows that expects
// that more is done, by as much at least where it says by how much. What somebody new draws on it no calendar explains.
func (f *fleet) awaited(u *profile.Finding, cause verdict.Cause) *Planned {
	if cause == verdict.StolenKey || u.Leaf == nil {
		return nil
	}
	for i := range f.o.Calendar {
		p := &f.o.Calendar[i]
		where := whereOf(p.Where)
		if !p.holds(u.Since, u.At) || !where.Matches(&u.Leaf.Values) {
			continue
		}
		most := 1.0
		for _, name := range []string{"users", "turns", "requests", "tokens"} {
			if x, ok := p.Expect[name]; ok {
				most *= x
			}
		}
		if len(p.Expect) == 0 || u.DayRatio <= most {
			return p
		}
	}
	return nil
}

// planned names a calendar entry that holds at the onset for the scope, as far as it goes.
func (f *fleet) planned(l *live) string {
	for _, p := range f.o.Calendar {
		if p.holds(l.onset, l.onset) && !whereOf(p.Where).Excludes(l.where) {
			return p.What
		}
	}
	return ""
}

// priceChanges returns the calendar's planned changes of price.
func (o *Options) priceChanges() []price.Change {
	var out []price.Change
	for _, p := range o.Calendar {
		if f, ok := p.Expect["price"]; ok && f > 0 {
			out = append(out, price.Change{From: p.From, To: p.To, Where: p.Where, Factor: f})
		}
	}
	return out
}

func whereOf(m map[event.Dim]string) cohort.Where {
	var conds []cohort.Cond
	for d, v := range m {
		conds = append(conds, cohort.Cond{Dim: d, Value: v})
	}
	return cohort.NewWhere(conds...)
}
