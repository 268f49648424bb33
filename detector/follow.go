package detector

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// How an open incident is followed: looked at again after 20 s, then after a quarter of its age, at most every half hour;
// its scope is searched anew for six hours. Later, a release that everybody has adopted would drift to everybody.
const (
	lookFirst  = 20 * int64(1e9)
	lookAtMost = 30 * 60 * int64(1e9)
	refineFor  = 6 * cohort.Hour

	singleQuiet = 12 * cohort.Hour // without an affected row, after which one user's incident is over
)

// follow folds the tick into the open incidents: recovery, scope, impact.
func (f *fleet) follow() {
	for _, l := range f.lives {
		if l.silentTo != 0 && f.now >= l.silentTo {
			l.silentTo = 0
			f.epoch++
		}
		if !l.open() || l.silentTo != 0 {
			continue
		}
		switch l.by {
		case byFlag:
			f.followFlag(l)
		case byMeasure:
			f.followMeasure(l)
		case byUser, byLinks, bySurge:
		}
	}
}

func (f *fleet) followFlag(l *live) {
	t := l.tick
	l.tick = tickHits{}
	l.observe(t)
	if t.hits > 0 {
		l.hit = period(&l.inside)
	}
	if l.user == "" && (l.recovered(f.now) || f.vanished(l, t)) {
		l.lastHit = l.cleanHit
		f.judge(l, l.Cause)
		l.finding.Over = true
		f.update(l)
		return
	}
	if l.user != "" && f.now-l.lastHit > singleQuiet {
		l.finding.Over = true
		f.update(l)
		return
	}
	if !f.due(l) {
		return
	}
	if l.user == "" && f.now-l.openedAt <= refineFor {
		f.refine(l)
	}
	if !l.open() {
		return // it was absorbed
	}
	f.judge(l, l.Cause)
	f.update(l)
}

// vanished says whether the scope's rows have ended while the others' go on, as when a meter is rolled back: fifty that used
// to come have not, for two hours.
func (f *fleet) vanished(l *live, t tickHits) bool {
	if t.opportunities > 0 || l.outsideAt == 0 {
		l.outsideAt, l.outsideRows = f.now, l.outside.Rows
		return false
	}
	used := float64(l.inside.Rows) / float64(max(l.outsideRows, 1))
	return f.now-l.outsideAt >= 2*cohort.Hour && float64(l.outside.Rows-l.outsideRows)*used >= 50
}

// due says whether the incident is to be looked at again.
func (f *fleet) due(l *live) bool {
	wait := min(max(lookFirst, (f.now-l.openedAt)/4), lookAtMost)
	if f.now-l.refinedAt < wait {
		return false
	}
	l.refinedAt = f.now
	return true
}

// refine searches the scope again with all that came since the onset.
func (f *fleet) refine(l *live) {
	t := f.table(l.flag, l.onset, l)
	gain := localise.Binomial(l.base, 1/max(1, l.cluster))
	cuts := f.worthy(localise.Search(t.Table, gain, maxScope))
	own, held := f.scoreOf(l.where, t, gain)
	for len(cuts) > 0 && f.hitsIn(cuts[0], t, l.where) < held/2 {
		cuts = cuts[1:]
	}
	if len(cuts) == 0 {
		return
	}
	best, loser := f.choose(cuts, t, l.onset)
	where := f.where(best, t)
	l.loser = ""
	if loser != nil {
		l.loser = f.where(*loser, t).String()
	}
	if where.Equal(l.where) {
		l.gain = best.Score
		f.date(l)
		return
	}
	if best.Score < own+refineNats && !(best.Score >= own-sameFit && len(best.Dims) <= len(l.where)) {
		return
	}
	f.explain(l, -1)
	l.where, l.gain = where, best.Score
	f.date(l)
	f.explain(l, 1)
	f.absorb(l)
}

// scoreOf returns how well where fits a table, and how many affected rows it holds.
func (f *fleet) scoreOf(where cohort.Where, t *coded, gain localise.Gain) (score, hits float64) {
	var cut localise.Cut
	penalty := 0.0
	for _, c := range where {
		code, ok := t.index[c.Dim][c.Value]
		if !ok {
			return 0, 0
		}
		cut.Dims = append(cut.Dims, int(c.Dim))
		cut.Values = append(cut.Values, code)
		penalty += localise.Penalty(len(t.Codes), t.Cards[c.Dim])
	}
	var sums localise.Sums
	for _, i := range t.RowsOf(cut) {
		for k := range sums {
			sums[k] += t.Rows[i][k]
		}
	}
	return gain(sums) - penalty, sums[0]
}

// hitsIn counts the affected rows of a cut that fulfil where.
func (f *fleet) hitsIn(c localise.Cut, t *coded, where cohort.Where) float64 {
	hits := 0.0
next:
	for _, i := range t.RowsOf(c) {
		for _, x := range where {
			if t.Codes[x.Dim][i] != t.index[x.Dim][x.Value] {
				continue next
			}
		}
		hits += t.Rows[i][0]
	}
	return hits
}

// date finds the onset of a scope and sums it from there. The onset is where the likelihood of the flag's quiet rate up to
// there and its present rate from there on is greatest, over five-minute buckets; in that bucket, the first affected row.
func (f *fleet) date(l *live) {
	type five struct {
		n, k        float64
		first, last int64
	}
	fives := map[int64]*five{}
	from := max(f.now-cohort.KeepFives, f.first)
	f.store.Fives(l.where, from, f.now+cohort.Tick, func(at int64, c *cohort.Cell) {
		x := fives[at]
		if x == nil {
			x = &five{}
			fives[at] = x
		}
		off := c.Flagged(l.flag)
		x.n += float64(c.Opportunities(l.flag))
		x.k += float64(off.Rows)
		if off.Rows > 0 {
			if x.first == 0 || off.First < x.first {
				x.first = off.First
			}
			x.last = max(x.last, off.Last)
		}
	})
	at := sortedKeys(fives)
	k, n := 0.0, 0.0
	for i := max(len(at)-3, 0); i < len(at); i++ {
		k, n = k+fives[at[i]].k, n+fives[at[i]].n
	}
	probe := live{rate: k / max(n, k, 1), base: l.base, cluster: 1}
	sum, best, onset := 0.0, 0.0, -1
	for i, t := range at {
		if sum <= best {
			best, onset = sum, i
		}
		sum += probe.odds(fives[t].k, fives[t].n)
	}
	l.rate = probe.rate
	if onset > 0 {
		// The bucket before holds the onset if what follows its first affected row looks like the fault.
		x := fives[at[onset-1]]
		if left := float64(at[onset-1]+cohort.Five-x.first) / float64(cohort.Five); x.k > 0 && probe.odds(x.k, max(x.k, x.n*left)) > 0 {
			onset--
		}
	}
	for i := max(onset, 0); i < len(at); i++ {
		if x := fives[at[i]]; x.k > 0 {
			f.begin(l, x.first)
			break
		}
	}
	for _, t := range at {
		l.lastHit = max(l.lastHit, fives[t].last)
	}
	f.lookBack(l)
	l.cleanHit = max(l.cleanHit, l.lastHit)
	f.resum(l)
}

// begin sets the first affected row. It moves forward only when the scope became narrower: what was said of the same rows, or
// of fewer, stands.
func (f *fleet) begin(l *live, first int64) {
	if l.onset == 0 || first < l.finding.StartedAt || !l.where.Covers(l.dated) {
		l.onset, l.finding.StartedAt, l.dated = first-first%cohort.Tick, first, l.where
	}
}

// lookBack moves the onset of a fault that came slowly to before what is kept by five minutes: hour by hour, while rows that
// bear a flag which quiet times do not know are no more than six hours apart.
func (f *fleet) lookBack(l *live) {
	if l.base > cleanBase {
		return
	}
	first, rows := map[int64]int64{}, map[int64][2]float64{}
	f.store.Hourly(l.where, l.onset-24*cohort.Hour, l.onset, func(h int64, _ *cohort.Leaf, c *cohort.Cell) {
		off := c.Flagged(l.flag)
		n := rows[h]
		rows[h] = [2]float64{n[0] + float64(off.Rows), n[1] + float64(c.Opportunities(l.flag))}
		if off.Rows > 0 && (first[h] == 0 || off.First < first[h]) {
			first[h] = off.First
		}
	})
	for _, h := range slices.Backward(sortedKeys(first)) {
		if l.onset-h > 6*cohort.Hour || rows[h][0] < l.rate/10*rows[h][1] {
			return
		}
		if first[h] < l.onset {
			f.begin(l, first[h])
		}
	}
}

// resum sums the scope and the rest since the onset.
func (f *fleet) resum(l *live) {
	l.inside, l.outside = cohort.Cell{}, cohort.Cell{}
	f.store.Each(l.onset, f.now+cohort.Tick, func(leaf *cohort.Leaf, c *cohort.Cell) {
		if l.where.Matches(&leaf.Values) {
			l.inside.Add(c)
		} else {
			l.outside.Add(c)
		}
	})
	var hit cohort.Cell
	f.store.Each(l.onset, max(l.lastHit, l.onset)+1, func(leaf *cohort.Leaf, c *cohort.Cell) {
		if l.where.Matches(&leaf.Values) {
			hit.Add(c)
		}
	})
	l.hit = period(&hit)
}

func period(c *cohort.Cell) verdict.Period {
	var p verdict.Period
	p.Add(c, 1)
	return p
}

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
	f.update(host)
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
		if m == l || m.user != "" || !m.open() || m.silentTo != 0 || m.by != l.by || !m.sameKind(l) {
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
func (l *live) sameKind(m *live) bool {
	return l.by == byMeasure || l.by == byFlag && l.flag == m.flag
}

func (f *fleet) redate(l *live) {
	if l.by == byMeasure {
		f.dateMeasure(l, l.onset)
		return
	}
	f.date(l)
}

func (f *fleet) merge(young, old *live) {
	if young.open() {
		f.explain(young, -1)
	}
	young.finding.MergedInto = old.ID
	f.update(young)
	f.epoch++
}

// closedTwin returns the incident of the same scope and flag that resolved within a day.
func (f *fleet) closedTwin(l *live) *live {
	for _, m := range slices.Backward(f.lives) {
		if m.Status == incident.Resolved && m.MergedInto == "" && m.by == l.by && m.flag == l.flag && m.measure == l.measure &&
			m.user == l.user && (m.where.Covers(l.where) || l.where.Covers(m.where)) && f.now-m.endedAt < reopenAfter {
			return m
		}
	}
	return nil
}

// reopen lets a resolved incident fire again under its id, with all that it did before.
func (f *fleet) reopen(old, l *live) {
	old.lastHit, old.cleanHit, old.clean, old.gap = l.lastHit, l.lastHit, 0, 0
	old.refinedAt, old.outsideAt = f.now, 0
	old.finding.Over, old.silentTo = false, 0
	since := old.onset
	old.onset = l.onset
	f.explain(old, 1)
	old.onset = since
	f.resum(old)
	f.judge(old, old.Cause)
	f.update(old)
	f.absorb(old)
}
