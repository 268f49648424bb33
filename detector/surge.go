package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// A surge is people doing more: the turns (requests, where no turns are sent) of two hours over those of like hours before, of everybody
// or of a cohort. It is recorded so that the war room finds the day explained, and wakes nobody.
const (
	surgeSpan   = 2 * cohort.Hour
	surgeLong   = 12 * cohort.Hour      // over which a cohort is looked at that is too few for two hours
	surgeBack   = surgeLong + surgeSpan // how far back its first hour may lie when it is seen
	surgeStart  = 2.2
	surgeEnd    = 1.4
	surgePeople = 20 // at work, below which it is no crowd
	surgeHours  = 10 // usual user-hours without it, after which it is over
)

// watchConsumption looks, every hour, at who does more, or draws more for as much, and now and then at who has for long.
func (f *fleet) watchConsumption() {
	for _, l := range f.lives {
		switch {
		case !l.open() || l.silentTo != 0:
		case l.by == bySurge:
			f.followSurge(l)
		case l.by == byCost:
			f.followCost(l)
		}
	}
	_, to := f.lastHours()
	for _, span := range []int64{surgeSpan, surgeLong} {
		if span == surgeLong && to%(surgeLong/2) != 0 {
			continue
		}
		dear := f.dearness(to-span, to)
		draws := f.draws(to-span, to, dear)
		if len(draws) == 0 {
			continue
		}
		f.watchCost(draws, dear, to-span, to)
		if x, ok := f.surging(draws, to-span, surgeStart, nil); ok {
			f.surge(x)
		}
	}
}

// lastHours returns the whole hours that a surge is seen in.
func (f *fleet) lastHours() (from, to int64) {
	to = f.now - f.now%cohort.Hour
	return to - surgeSpan, to
}

// surging returns the scope whose people did at least times as much in whole hours since from, less what surges but own account for.
func (f *fleet) surging(draws []*draw, from int64, times float64, own *live) (jump, bool) {
	draws = slices.DeleteFunc(draws, func(d *draw) bool {
		return slices.ContainsFunc(f.lives, func(l *live) bool {
			return l != own && l.by == bySurge && l.open() && l.where.Matches(&d.leaf.Values)
		})
	})
	if len(draws) == 0 {
		return jump{}, false
	}
	var now, like verdict.Period
	for _, d := range draws {
		now, like = now.Plus(d.now.Period), like.Plus(d.mean().Period)
	}
	turns := now.Turns > 0 && like.Turns > 0
	amounts := make([]amount, len(draws))
	for i, d := range draws {
		mean := d.mean()
		amounts[i] = amount{draw: d, now: busy(d.now.Period, turns), expected: busy(mean.Period, turns), people: d.now.people, before: mean.people}
		for _, p := range d.like {
			amounts[i].like = append(amounts[i].like, busy(p.Period, turns))
		}
	}
	return f.jumped(amounts, whoDims, times, func(x jump) bool {
		return !f.says(verdict.Blamed, f.blamed(x.where, turns)) && !f.says(verdict.Crowded, !f.crowd(&x, from, turns))
	})
}

// surge opens the surge of a scope, or widens the narrower ones that it turns out to be, the oldest of which stays.
func (f *fleet) surge(x jump) {
	var host *live
	for _, l := range f.lives {
		switch {
		case l.by != bySurge || !l.where.Covers(x.where) && !x.where.Covers(l.where):
		case l.open() && host != nil:
			f.merge(l, host)
		case l.open() || l.MergedInto == "" && f.now-l.endedAt < reopenAfter && l.where.Equal(x.where):
			host = l
		}
	}
	if host != nil {
		if x.where.Covers(host.where) {
			host.where, host.finding.Over = x.where, false
			f.followSurge(host)
		}
		return
	}
	from, _ := f.lastHours()
	l := f.surgeOf(x.where, from)
	l.openedAt, l.gain = f.now, x.gain
	l.onset = f.surgedFrom(l, x.times)
	l.finding.StartedAt = l.onset
	f.resum(l)
	f.judge(l, verdict.Surge)
	if f.expected(l, verdict.Surge, 1) || f.expected(l, verdict.RequestLoop, 1) { // it wakes nobody, however much it is
		f.sparedCohort(RuleMeasures, l, "planned", "the calendar expects it: %q", f.planned(l))
		return
	}
	f.adopt(l)
}

// surgeOf returns what a scope did from then up to now, as an incident that is not adopted.
func (f *fleet) surgeOf(where cohort.Where, from int64) *live {
	_, to := f.lastHours()
	l := &live{by: bySurge, where: where, onset: from, lastHit: min(to-1, f.head)}
	sum := f.store.Sum(where, from, to)
	l.hit = period(&sum)
	l.finding.Users = int(l.hit.Users)
	return l
}

// surgedFrom returns the hour from which on up to now it is likeliest that a surge's scope did so many times as much as before.
func (f *fleet) surgedFrom(l *live, times float64) (onset int64) {
	_, to := f.lastHours()
	hours := f.hoursOf(l.where, f.first-f.first%cohort.Hour, to)
	sum, best := 0.0, math.Inf(-1)
	for h := to - cohort.Hour; h >= l.openedAt-surgeBack; h -= cohort.Hour {
		like := f.like(hours, h, f.first, h)
		if turns := like.Turns > 0; hours[h] != nil {
			sum += busy(*hours[h], turns) * math.Log(times)
			sum -= busy(like, turns) * (times - 1)
		}
		if sum > best {
			onset, best = h, sum
		}
	}
	return onset
}

// followSurge keeps or resolves a surge.
func (f *fleet) followSurge(l *live) {
	from, to := f.lastHours()
	if f.now-l.openedAt <= surgeLong {
		since := max(l.onset, to-24*cohort.Hour)
		if x, ok := f.surging(f.draws(since, to, nil), since, surgeEnd, l); ok && !x.where.Excludes(l.where) {
			l.where = x.where
			l.onset = f.surgedFrom(l, x.times)
			l.finding.StartedAt = l.onset
		}
	}
	probe := f.surgeOf(l.where, min(from, l.lastHit+1))
	base := f.baseline(probe)
	turns := probe.hit.Turns > 0 && base.Turns > 0
	ratio := busy(probe.hit, turns) / max(busy(base, turns), 1)
	if f.says(verdict.Blamed, f.blamed(l.where, turns)) {
		ratio = 0
	}
	switch {
	case ratio >= surgeEnd:
		l.lastHit = probe.lastHit
	case base.Users < surgeHours:
		return // at night a cohort is too few to tell
	}
	f.resum(l)
	l.finding.Users = max(l.finding.Users, probe.finding.Users)
	f.judge(l, l.Cause)
	l.finding.Over = ratio < surgeEnd
	f.update(l)
}

// blamed says whether an incident stands that moves what a surge of a scope is seen by: a client's that makes requests which no turn
// tells from people's; where no turns are sent, any that adds rows.
func (f *fleet) blamed(where cohort.Where, turns bool) bool {
	return slices.ContainsFunc(f.lives, func(l *live) bool {
		switch {
		case !l.open() || l.user != "" || l.where.Excludes(where):
			return false
		case l.by == byMeasure:
			return (l.Cause == verdict.RequestLoop || l.Cause == verdict.BackgroundWork) && l.inside.Turns == 0
		}
		return l.by == byFlag && len(where) > 0 && !turns
	})
}

// crowd says whether it is many who do more, rather than a few who do much: more are at work, or more stand above their own past. Requests
// that no turn tells from a program's own are people's only if they are about as many more people's.
func (f *fleet) crowd(x *jump, from int64, turns bool) bool {
	share := 0.5
	if !turns {
		share = 0.8
	}
	if math.Log(x.people) > share*math.Log(x.times) {
		return true
	}
	sum := f.store.Sum(x.where, from, f.now+cohort.Tick)
	return turns && sum.Moments != nil && f.broad(cohort.Turns, sum.Moments[cohort.Turns].Up, sum.Moments[cohort.Turns].Days, false)
}

func busy(p verdict.Period, turns bool) float64 {
	if turns {
		return p.Turns
	}
	return p.Requests
}
