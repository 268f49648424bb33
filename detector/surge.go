package detector

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// A surge is people doing more: the turns (requests, where no turns are sent) of two hours over those of like hours before.
// It is recorded so that the war room finds the day explained, and wakes nobody.
const (
	surgeSpan  = 2 * cohort.Hour
	surgeStart = 2.2
	surgeEnd   = 1.4
	surgeUsers = 50 // active user-hours below which like hours are no measure
)

// watchSurge looks, every hour, at everybody.
func (f *fleet) watchSurge() {
	if f.now-f.first >= 24*cohort.Hour {
		f.surge(nil)
	}
}

// surge opens, keeps or resolves the surge of a scope.
func (f *fleet) surge(where cohort.Where) {
	var l *live
	for _, x := range f.lives {
		if x.by == bySurge && x.open() && x.where.Equal(where) {
			l = x
		}
	}
	probe := &live{where: where, onset: f.now - surgeSpan, lastHit: min(f.now-1, f.head)}
	for h := probe.onset; h < f.now; h += cohort.Hour {
		if p := f.hours[h]; p != nil {
			probe.hit = probe.hit.Plus(*p)
		}
	}
	base := f.baseline(probe)
	ratio := busy(probe.hit) / max(busy(base), 1)
	if f.says(verdict.Blamed, f.blamed()) {
		ratio = 0 // what a client's fault does to everybody's requests is not people's doing
	}
	switch {
	case l == nil && ratio >= surgeStart && base.Users >= surgeUsers && probe.hit.Users >= surgeUsers && !f.says(verdict.Crowded, !f.crowd()):
		probe.by, probe.openedAt = bySurge, f.now
		probe.finding.StartedAt, probe.finding.Users = probe.onset, int(probe.hit.Users)
		f.judge(probe, verdict.Surge)
		if f.expected(probe, verdict.Surge) != 0 || f.expected(probe, verdict.RequestLoop) != 0 {
			f.sparedCohort(RuleMeasures, probe, "planned", "the calendar expects it: %q", f.planned(probe))
			return
		}
		f.adopt(probe)
		return
	case l == nil:
		return
	}
	if ratio >= surgeEnd {
		l.lastHit = min(f.now-1, f.head)
	}
	f.resum(l)
	l.finding.Users = max(l.finding.Users, int(probe.hit.Users))
	f.judge(l, verdict.Surge)
	l.finding.Over = ratio < surgeEnd
	f.update(l)
}

// blamed says whether a client's incident stands that moves what a surge is seen by.
func (f *fleet) blamed() bool {
	for _, l := range f.lives {
		if l.by == byMeasure && l.open() && (l.Cause == verdict.RequestLoop && l.inside.Turns == 0 || l.Cause == verdict.BackgroundWork && l.inside.Turns == 0) {
			return true
		}
	}
	return false
}

// crowd says whether it is many who do more, rather than a few who do much.
func (f *fleet) crowd() bool {
	m := f.store.All.MomentSince(cohort.Turns, f.now-surgeSpan)
	return f.broad(cohort.Turns, m.Up, m.Days, false)
}

func busy(p verdict.Period) float64 {
	if p.Turns > 0 {
		return p.Turns
	}
	return p.Requests
}
