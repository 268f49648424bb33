package detector

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// host returns the oldest incident of a single user that a cohort's scope explains, over or not.
func (f *fleet) host(l *live) *live {
	for _, m := range f.lives {
		if f.explains(l, m) {
			return m
		}
	}
	return nil
}

// explains says whether m, of a single user, is what the cohort's incident l is about.
func (f *fleet) explains(l, m *live) bool {
	return m != l && m.by == byFlag && l.by == byFlag && m.user != "" && m.flag == l.flag && m.MergedInto == "" && m.finding.MergedInto == "" &&
		l.where.Covers(m.where) && m.finding.StartedAt >= l.onset-cohort.Hour
}

// widen turns what was said of one user into the cohort's incident, under the same id.
func (f *fleet) widen(host, l *live, cause verdict.Cause) {
	was := *host
	*host = *l
	host.Incident, host.openedAt = was.Incident, f.now
	if was.finding.StartedAt < l.onset {
		host.DetectedAt = f.head // what was said then was about something else
	}
	f.judge(host, cause)
	f.explain(host, 1)
	f.updateWith(host)
	f.absorb(host)
}

// absorb merges what turns out to be one incident: single users of the scope, and cohorts of which one covers the other. The
// older keeps its id, and the wider scope.
func (f *fleet) absorb(l *live) {
	for _, m := range f.lives {
		if f.explains(l, m) {
			f.merge(m, l)
			continue
		}
		if m == l || m.user != "" || !m.open() || m.silentTo != 0 || m.by != l.by || !f.sameKind(m, l) {
			continue
		}
		switch {
		case !l.where.Covers(m.where) && !m.where.Covers(l.where):
		case m.openedAt < l.openedAt:
			if l.where.Covers(m.where) && !l.where.Equal(m.where) {
				f.explain(m, -1)
				m.where, m.loser, m.gain = l.where, l.loser, l.gain
				f.redate(m)
				f.explain(m, 1)
				f.judge(m, m.Cause)
				f.update(m)
			}
			f.merge(l, m)
			return
		default:
			f.merge(m, l)
		}
	}
}

// sameKind says whether two incidents seen alike could be one.
func (f *fleet) sameKind(l, m *live) bool {
	return l.by == byMeasure || l.by == byFlag && l.flag == m.flag && !f.apart(l, m)
}

func (f *fleet) merge(young, old *live) {
	if young.open() {
		f.explain(young, -1)
	}
	young.finding.MergedInto = old.ID
	f.update(young)
	f.epoch++
}

// identify returns the identity of an incident that is about to be said. Another may have had it since it was found itself, and be about
// other rows by now.
func (f *fleet) identify(l *live) string {
	first := l.finding
	for {
		id := incident.Identify(first)
		if !slices.ContainsFunc(f.lives, func(m *live) bool { return m.ID == id }) {
			return id
		}
		first.StartedAt += cohort.Tick
	}
}

// merged says whether what is found is an incident that turned out to be another one: its id is used up.
func (f *fleet) merged(l *live) bool {
	id := incident.Identify(l.finding)
	return slices.ContainsFunc(f.lives, func(m *live) bool { return m.ID == id && m.MergedInto != "" })
}

// closedTwin returns the incident of the same scope and flag that resolved within a day.
func (f *fleet) closedTwin(l *live) *live {
	for _, m := range slices.Backward(f.lives) {
		if m.Status == incident.Resolved && m.MergedInto == "" && m.by == l.by && m.flag == l.flag && m.measure == l.measure &&
			m.user == l.user && (m.where.Covers(l.where) || l.where.Covers(m.where)) && f.now-m.endedAt < reopenAfter && !f.apart(l, m) {
			return m
		}
	}
	return nil
}

// again says whether rows of several users are affected that came after an incident had ended: what it left is no news.
func (f *fleet) again(old, l *live) bool {
	if l.lastHit <= old.lastHit {
		return false
	}
	since := f.store.Sum(l.where, old.lastHit+cohort.Tick, f.now+cohort.Tick).Off
	return since != nil && 2*max(since[l.flag].Users, since[l.flag].DayUsers) > int64(f.rules.MinUsers)
}

// reopen lets a resolved incident fire again under its id, with all that it did before.
func (f *fleet) reopen(old, l *live) {
	old.lastHit, old.cleanHit, old.clean, old.gap = l.lastHit, l.lastHit, 0, 0
	old.refinedAt, old.outsideAt = f.now, 0
	old.finding.Over = false
	since := old.onset
	old.onset = l.onset
	f.explain(old, 1)
	old.onset = since
	old.summedFrom = 0 // nothing was added while it was over
	f.resum(old)
	f.judge(old, old.Cause)
	f.updateWith(old)
	f.absorb(old)
}
