package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

const (
	freshFor  = 4 * cohort.Hour  // a value that appeared no longer than this before an onset came with it
	likeHours = 24 * cohort.Hour // one that was there for less has no like hours of its own to be held against
)

// baseline returns what the scope drew in like hours before the onset: the mean of the same hours of the up to seven days
// before, or of all hours before where there is no day of history, scaled to the incident's length so far. A value that did
// not exist before is held against the rest of its cohort, user for user.
func (f *fleet) baseline(l *live) verdict.Period {
	where, fresh := f.before(l)
	hours, history := f.past(l, where)
	var base verdict.Period
	l.each(func(h int64, part float64) {
		like := f.like(hours, h, history, l.onset)
		base = base.Plus(like.Scale(part))
	})
	if l.now() < 2*cohort.Hour && base.Users > 0 {
		// The users of less than some hours do not scale with time: take the last full hour's.
		l.hit.Users = base.Users * f.usersRatio(l, where)
	}
	if fresh && base.Users > 0 && l.hit.Users > 0 {
		base = base.Scale(l.hit.Users / base.Users)
	}
	return base
}

// each calls fn with each hour of the incident so far, and what part of it lies in it.
func (l *live) each(fn func(h int64, part float64)) {
	end := max(l.lastHit+1, l.onset+cohort.Tick)
	for h := l.onset - l.onset%cohort.Hour; h < end; h += cohort.Hour {
		fn(h, float64(min(end, h+cohort.Hour)-max(l.onset, h))/float64(cohort.Hour))
	}
}

// past returns the hours of a scope before the onset, and from when on they count. They are kept with the incident, which may outlive
// the store's.
func (f *fleet) past(l *live, where cohort.Where) (hours map[int64]*verdict.Period, history int64) {
	history = max(f.first, l.onset-7*24*cohort.Hour)
	if len(where) == 0 {
		return f.hours, history
	}
	if l.hours != nil && l.hoursOf.Equal(where) && l.hoursTo == l.onset {
		return l.hours, history
	}
	hours = f.hoursOf(where, history-history%cohort.Hour, l.onset-l.onset%cohort.Hour)
	l.hours, l.hoursOf, l.hoursTo = hours, where, l.onset
	return hours, history
}

// hoursOf returns what a scope drew, by hour, over [from, to).
func (f *fleet) hoursOf(where cohort.Where, from, to int64) map[int64]*verdict.Period {
	hours := map[int64]*verdict.Period{}
	f.store.Hourly(where, from, to, func(h int64, _ *cohort.Leaf, c *cohort.Cell) {
		p := hours[h]
		if p == nil {
			p = &verdict.Period{}
			hours[h] = p
		}
		p.Add(c, 1)
	})
	return hours
}

// appeared says whether the scope names a value that can come anew, and was not there so long before the onset.
func (f *fleet) appeared(l *live, within int64) bool {
	first := f.store.First(l.where)
	return first >= l.onset-within && first >= f.first+cohort.Hour &&
		slices.ContainsFunc(l.where, func(c cohort.Cond) bool { return slices.Contains(adoptable, c.Dim) })
}

// before returns the scope as it was before the incident: a value without like hours gives way to whatever else all of the scope's
// rows share, such as the model that a price list is for.
func (f *fleet) before(l *live) (where cohort.Where, fresh bool) {
	where = l.where
	if !f.appeared(l, likeHours) {
		return where, false
	}
	for _, d := range adoptable {
		where = where.Without(d)
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
	at, n := f.likeHours(hours, h, history, onset)
	for _, at := range at {
		s = s.Plus(*hours[at])
	}
	if n == 0 {
		return s
	}
	return s.Scale(1 / n)
}

// likeHours returns the hours with rows that are like h, and of how many they are the sum.
func (f *fleet) likeHours(hours map[int64]*verdict.Period, h, history, onset int64) (like []int64, n float64) {
	for k := int64(1); k <= 7+(h-onset)/(24*cohort.Hour)+1; k++ {
		at := h - k*24*cohort.Hour
		if at < history-cohort.Hour+1 || at+cohort.Hour > onset {
			continue
		}
		n++
		if hours[at] != nil {
			like = append(like, at)
		}
	}
	if n > 0 {
		return like, n
	}
	// Less than a day of history: all the hours there are, the first one left out as it is seldom whole.
	for _, at := range sortedKeys(hours) {
		if at >= history || len(hours) == 1 {
			n++
			like = append(like, at)
		}
	}
	return like, n
}

// alike returns what the scope drew, up to a day long as the incident, at the same times of the days before; where those are few,
// in the stretches before, whatever their time of the day. Of one user it is what booking tells.
func (f *fleet) alike(l *live) []verdict.Period {
	if l.compared && l.user != "" {
		return l.like
	}
	if l.user != "" || l.drawn != nil || l.onset == 0 {
		return nil
	}
	where, _ := f.before(l)
	hours, history := f.past(l, where)
	from := l.onset - l.onset%cohort.Hour
	span := min((max(l.lastHit, l.onset)-from)/cohort.Hour+1, 24) * cohort.Hour
	step := 24 * cohort.Hour
	if l.onset-history < 3*step {
		step = span
	}
	var like []verdict.Period
	for at := from - step; at >= history; at -= step {
		var s verdict.Period
		for h := at; h < min(at+span, from); h += cohort.Hour {
			if p := hours[h]; p != nil {
				s = s.Plus(*p)
			}
		}
		like = append(like, s)
	}
	return like
}

// stretches returns by how much an active ten minutes of a user differs of itself from the user's own past, as a root mean square over all
// users, of each factor that is measured so.
func (f *fleet) stretches(turns bool) map[string]float64 {
	usual := map[string]float64{}
	for _, x := range []struct {
		factor string
		of     cohort.Measure
	}{{"turns", cohort.Turns}, {"requests", cohort.RequestsPerTurn}, {"tokens", cohort.InputPerRequest}, {"cache", cohort.Uncached}} {
		switch m := f.store.All.Base(x.of); {
		case m.N <= 0:
		case x.of == cohort.Turns && !turns:
			usual["requests"] = math.Sqrt(m.Squares / m.N) // which are taken for turns
		case x.of != cohort.RequestsPerTurn || turns:
			usual[x.factor] = math.Sqrt(m.Squares / m.N)
		}
	}
	return usual
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
