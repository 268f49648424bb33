package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// judge brings the finding of a cohort's incident up to date.
func (f *fleet) judge(l *live, cause verdict.Cause) {
	off := l.inside.Flagged(l.flag)
	if l.by == byFlag && l.flag == cohort.Over {
		if l.fault != nil {
			cause = verdict.OfFault(*l.fault, f.o.Hearing)
		} else {
			cause = verdict.OfOver(f.unmixed(l), f.o.Hearing)
		}
	}
	var now, base verdict.Period
	if l.drawn != nil {
		now, base = verdict.OfCounts(&l.drawn.Now), verdict.OfCounts(&l.drawn.Base)
	} else if l.compared {
		now, base = l.then, l.before
	} else {
		base = f.baseline(l)
		now = l.hit
	}
	fig := verdict.Figures{
		Cause: cause, Where: l.where, User: l.user, Now: now, Base: base, Inside: l.inside, Outside: l.outside,
		Flag: l.flag, Measure: l.measure, ByMeasure: l.by == byMeasure, Shift: l.shift, Elsewhere: l.elsewhere,
		Gain: l.gain, Loser: l.loser, Adopted: f.adoptedIn(l), Planned: f.planned(l), HasCard: f.card,
	}
	fig.Runs, fig.RunsBase = f.windows(l)
	if cause == verdict.CacheDiscount {
		fig.Flag = cohort.CacheLost
	}
	x := &l.finding
	x.Cause = cause
	x.Verdict = verdict.Judge(&fig)
	x.LastAt = l.lastHit
	if l.user != "" {
		x.Scope = incident.UserScope(l.user)
		x.Users = 1
	} else {
		x.Scope = incident.CohortScope(l.where)
	}
	if l.by == byFlag && l.user == "" {
		x.Users = max(x.Users, int(off.DayUsers))
		x.Charged = l.inside.Credits.Float64()
		x.Overcharge = off.Charged
		x.Overcharge.SubSum(off.Expected)
		if l.flag.Estimated() {
			x.Overcharge.Add(event.Credits(x.Charged * undercharge(l, &now, &base) * float64(event.Credit)))
		}
	}
	if l.by == byMeasure {
		x.Charged = l.inside.Credits.Float64()
		x.Overcharge = event.Sum{}
		x.Overcharge.Add(event.Credits(x.Charged * excess(l.measure, &now, &base) * float64(event.Credit)))
	}
	x.Severity = f.rules.Severity(x, f.quiet(l))
}

// excess estimates the share of a scope's charge that a client's fault is worth, until the rows are booked: the requests that
// would not have been made, or what a row costs more than the moved measure explains.
func excess(m cohort.Measure, now, base *verdict.Period) float64 {
	r := now.Level(m) / base.Level(m)
	if !(r > 1) || math.IsInf(r, 0) || now.Requests <= 0 {
		return 0
	}
	switch m {
	case cohort.RequestsPerTurn:
		return (now.Requests - now.Background) * (1 - 1/r) / now.Requests
	case cohort.Background:
		return now.Background * (1 - 1/r) / now.Requests
	}
	if row := now.List / now.Rows / (base.List / base.Rows); row > 0 && row < r {
		r = max(row, 1)
	}
	return 1 - 1/r
}

// missing returns the share of the scope's requests that nobody was charged for, as those tell that follow another.
func (l *live) missing() float64 {
	off := l.inside.Flagged(cohort.Gap)
	return float64(off.Rows) / float64(max(l.inside.Follows, off.Rows, 1))
}

// undercharge estimates, as a negative share of a scope's charge, what is missing from it until the rows are booked.
func undercharge(l *live, now, base *verdict.Period) float64 {
	if l.flag == cohort.Gap {
		lost := min(l.missing(), 0.99)
		return -lost / (1 - lost)
	}
	row := now.List / now.Rows / (base.List / base.Rows)
	if !(row > 0 && row < 1) {
		return 0
	}
	return 1 - 1/row
}

// adoptedIn names the value of a scope that appeared with the onset.
func (f *fleet) adoptedIn(l *live) string {
	for _, c := range l.where {
		if slices.Contains(adoptable, c.Dim) {
			if v := f.store.Value(c.Dim, c.Value); v != nil && f.isNew(v, l.onset) {
				return c.Dim.String() + " " + c.Value
			}
		}
	}
	return ""
}

// planned names a calendar entry that holds at the onset for the scope, as far as it goes.
func (f *fleet) planned(l *live) string {
	for _, p := range f.o.Calendar {
		if l.onset >= p.From.UnixNano() && l.onset < p.To.UnixNano() && !whereOf(p.Where).Excludes(l.where) {
			return p.What
		}
	}
	return ""
}

func whereOf(m map[event.Dim]string) cohort.Where {
	var conds []cohort.Cond
	for d, v := range m {
		conds = append(conds, cohort.Cond{Dim: d, Value: v})
	}
	return cohort.NewWhere(conds...)
}

// baseline returns what the scope drew in like hours before the onset: the mean of the same hours of the up to seven days
// before, or of all hours before where there is no day of history, scaled to the incident's length so far. A value that did
// not exist before is held against the rest of its cohort, user for user.
func (f *fleet) baseline(l *live) verdict.Period {
	where, fresh := f.before(l)
	end := max(l.lastHit+1, l.onset+cohort.Tick)
	history := max(f.first, l.onset-7*24*cohort.Hour)
	hours := f.past(l, where, history)
	var base verdict.Period
	for h := l.onset - l.onset%cohort.Hour; h < end; h += cohort.Hour {
		part := float64(min(end, h+cohort.Hour)-max(l.onset, h)) / float64(cohort.Hour)
		like := f.like(hours, h, history, l.onset)
		base = base.Plus(like.Scale(part))
	}
	if l.now() < 2*cohort.Hour && base.Users > 0 {
		// The users of less than some hours do not scale with time: take the last full hour's.
		l.hit.Users = base.Users * f.usersRatio(l, where)
	}
	if fresh && base.Users > 0 && l.hit.Users > 0 {
		base = base.Scale(l.hit.Users / base.Users)
	}
	return base
}

// past returns the hours of a scope before the onset. They are kept with the incident, which may outlive the store's.
func (f *fleet) past(l *live, where cohort.Where, history int64) map[int64]*verdict.Period {
	if len(where) == 0 {
		return f.hours
	}
	if l.hours != nil && l.hoursOf.Equal(where) && l.hoursTo == l.onset {
		return l.hours
	}
	hours := map[int64]*verdict.Period{}
	f.store.Hourly(where, history-history%cohort.Hour, l.onset-l.onset%cohort.Hour, func(h int64, _ *cohort.Leaf, c *cohort.Cell) {
		p := hours[h]
		if p == nil {
			p = &verdict.Period{}
			hours[h] = p
		}
		p.Add(c, 1)
	})
	l.hours, l.hoursOf, l.hoursTo = hours, where, l.onset
	return hours
}

// before returns the scope as it was before the incident: a value that did not exist then gives way to whatever else all of
// the scope's rows share, such as the model that a price list is for.
func (f *fleet) before(l *live) (where cohort.Where, fresh bool) {
	where = l.where
	if first := f.store.First(l.where); first < l.onset-4*cohort.Hour || first < f.first+cohort.Hour {
		return where, false
	}
	for _, d := range adoptable {
		if _, ok := where.Value(d); ok {
			where, fresh = where.Without(d), true
		}
	}
	if !fresh {
		return where, false
	}
	var shared [event.NumDims]string
	first := true
	f.store.Active(l.where, l.onset, f.now+cohort.Tick, func(leaf *cohort.Leaf) {
		for d, v := range leaf.Values {
			if first {
				shared[d] = v
			} else if shared[d] != v {
				shared[d] = ""
			}
		}
		first = false
	})
	for d, v := range shared {
		x := f.store.Value(event.Dim(d), v)
		if _, named := l.where.Value(event.Dim(d)); !named && x != nil && !f.isNew(x, l.onset) {
			where = append(where, cohort.Cond{Dim: event.Dim(d), Value: v})
		}
	}
	return cohort.NewWhere(where...), true
}

// now returns how long the incident has lasted.
func (l *live) now() int64 { return l.lastHit - l.onset }

// like returns the mean of the hours of the days before that are like h.
func (f *fleet) like(hours map[int64]*verdict.Period, h, history, onset int64) verdict.Period {
	var s verdict.Period
	n := 0.0
	for k := int64(1); k <= 7+(h-onset)/(24*cohort.Hour)+1; k++ {
		at := h - k*24*cohort.Hour
		if at < history-cohort.Hour+1 || at+cohort.Hour > onset {
			continue
		}
		n++
		if p := hours[at]; p != nil {
			s = s.Plus(*p)
		}
	}
	if n > 0 {
		return s.Scale(1 / n)
	}
	// Less than a day of history: all the hours there are, the first one left out as it is seldom whole.
	for _, at := range sortedKeys(hours) {
		if at >= history || len(hours) == 1 {
			n++
			s = s.Plus(*hours[at])
		}
	}
	if n == 0 {
		return verdict.Period{}
	}
	return s.Scale(1 / n)
}

// usersRatio returns the active users of the incident's last hour over those of the hour before the onset.
func (f *fleet) usersRatio(l *live, where cohort.Where) float64 {
	end := min(f.now, l.lastHit+cohort.Tick)
	now := f.store.Sum(where, end-cohort.Hour, end)
	before := f.store.Sum(where, l.onset-cohort.Hour, l.onset)
	if before.Users == 0 || now.Users == 0 {
		return 1
	}
	return float64(now.Users) / float64(before.Users)
}
