package detector

import (
	"cmp"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// How an open incident is followed: looked at again after 20 s, then after a quarter of its age, at most every half hour;
// its scope is searched anew for six hours. Later, a release that everybody has adopted would drift to everybody.
const (
	lookFirst  = 20 * int64(1e9)
	lookAtMost = 30 * 60 * int64(1e9)
	refineFor  = 6 * cohort.Hour
	refineRows = 200 // affected rows up to which it goes on: a rare fault says in six hours where it is no better than in ten minutes

	singleQuiet = 12 * cohort.Hour // without an affected row, after which one user's incident is over, where right rows came,
	singleMost  = 72 * cohort.Hour // and where none did: a weekend is no recovery
)

// follow folds the tick into the open incidents: recovery, scope, impact.
func (f *fleet) follow() {
	f.lives = slices.DeleteFunc(f.lives, func(l *live) bool {
		over := l.silentTo != 0 && f.now >= l.silentTo
		if over {
			f.explain(l, -1)
		}
		return over
	})
	for _, l := range f.lives {
		if !l.open() || l.silentTo != 0 {
			continue
		}
		switch l.by {
		case byFlag:
			f.followFlag(l)
		case byMeasure:
			f.followMeasure(l)
		case byLinks:
			f.followFarm(l)
		case byUser, bySurge, byCost:
		}
	}
}

func (f *fleet) followFlag(l *live) {
	t := l.tick
	l.tick = tickHits{}
	l.observe(t, f.now-1)
	if t.hits > 0 {
		l.hit = period(&l.inside)
	}
	if l.user == "" && (f.recovered(l) || f.vanished(l, t)) {
		l.lastHit = l.cleanHit
		f.judge(l, l.Cause)
		l.finding.Over = true
		f.update(l)
		return
	}
	if quiet := f.now - l.lastHit; l.user != "" && (quiet > singleQuiet && l.righted > l.lastHit || quiet > singleMost) {
		l.finding.Over = true
		f.update(l)
		return
	}
	looked := l.refinedAt
	if !f.due(l) {
		return
	}
	if f.byClient(l) || l.user == "" && f.says(verdict.CountedAnew, f.countedAnew(l)) {
		f.judge(l, l.Cause)
		l.finding.Over = true
		f.update(l)
		return
	}
	others := func() {}
	if l.user == "" && (f.now-l.openedAt <= refineFor || l.inside.Flagged(l.flag).Rows < refineRows) {
		was := f.told(l)
		others = f.refine(l, looked)
		f.narrowed(l, was)
	}
	if !l.open() {
		return // it was absorbed
	}
	f.judge(l, l.Cause)
	f.update(l)
	others()
	f.residue(l)
}

// vanished says whether the scope's rows have ended while the others' go on, as when a meter is rolled back: fifty that used
// to come have not, of so many users that it is no luck, for two hours. What is not rolled out, or to few yet, may rest for an
// evening: there it takes a day.
func (f *fleet) vanished(l *live, t tickHits) bool {
	if t.opportunities > 0 || l.outsideAt == 0 {
		l.outsideAt, l.outsideRows, l.outsideUse = f.now, l.outside.Rows, l.outside.Users
		return false
	}
	rest := recoverLast
	if 2*float64(l.finding.Users) >= recoverNats && slices.ContainsFunc(l.where, func(c cohort.Cond) bool { return slices.Contains(adoptable, c.Dim) }) {
		rest = 2 * cohort.Hour
	}
	due := func(inside, before, now int64) float64 {
		return float64(inside) / float64(max(before, 1)) * float64(now-before)
	}
	return f.now-l.outsideAt >= rest && due(l.inside.Rows, l.outsideRows, l.outside.Rows) >= 50 &&
		due(l.inside.Users, l.outsideUse, l.outside.Users) >= recoverNats
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

// refine searches the scope again with all that came since the onset, unless no affected row came since it was last looked at. What came
// after the last one says nothing of where the fault was: it may be over, and then most rows that are right are of who works at other
// hours, or of the next release. Where several scopes explain the rows better than one, the incident keeps the one that has most of its
// own; others opens the rest, once that is said.
func (f *fleet) refine(l *live, looked int64) (others func()) {
	others = func() {}
	f.settle(l)
	to := f.lastOff(l)
	if to <= looked && looked > l.openedAt {
		return others
	}
	if l.base > cleanBase && l.clean >= refineNats {
		to = min(to, l.cleanHit+1)
	}
	t := f.table(l.flag, l.onset, to, l, l.fault)
	weight, fits := f.clusters(t, l.flag, l.base, l.cluster, l.onset, to)
	sharp := localise.Binomial(l.base, 1/weight)
	each := f.each(t, l.flag, l.base, weight, fits)
	t = slices.MaxFunc(each, func(a, b *coded) int {
		_, x := f.scoreOf(l.where, a, sharp)
		_, y := f.scoreOf(l.where, b, sharp)
		return cmp.Compare(x, y)
	})
	best, own, ok := f.refit(l, t, sharp, maxScope)
	if !ok {
		return others
	}
	switch where := f.where(best, t); {
	case slices.ContainsFunc(where, func(c cohort.Cond) bool {
		return l.flag.Estimated() && f.ofItsOwn(l.flag, c.Dim, c.Value, best.Sums, l.onset)
	}):
		l.finding.Over = true
	case where.Equal(l.where):
		l.gain = best.Score
		f.date(l)
	case best.Score >= own+refineNats || best.Score >= own-sameFit && len(best.Dims) <= len(l.where):
		f.move(l, where, best.Score)
		from := l.onset
		return func() {
			for _, own := range each {
				if own != t {
					x := &live{by: byFlag, flag: l.flag, gain: l.gain, cluster: l.cluster, base: l.base, refinedAt: f.now, fault: l.fault}
					f.open(x, l.Cause, own, sharp, from, nil)
				}
			}
		}
	}
	return others
}

// lastOff returns just after the last row since an incident's onset that bears its flag, in its scope or elsewhere, and is no other's.
func (f *fleet) lastOff(l *live) (last int64) {
	f.store.Cells(nil, l.onset, f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		if x := max(at, c.Flagged(l.flag).Last); c.Flagged(l.flag).Rows > 0 && x > last && !f.usualLeaf(leaf, l.flag) {
			if off, _, ok := f.part(leaf, at, c, l.flag, l, l.fault); ok && off.Rows > 0 {
				last = x
			}
		}
	})
	return last + 1
}

// refit returns the best scope in a table that holds at least half of what the present one does, and the present one's score.
func (f *fleet) refit(l *live, t *coded, gain localise.Gain, dims int) (best localise.Cut, own float64, ok bool) {
	cuts := f.aside(f.worthy(localise.Search(t.Table, gain, dims)), t, gain, l)
	own, held := f.scoreOf(l.where, t, gain)
	for len(cuts) > 0 && f.hitsIn(cuts[0], t, l.where) < held/2 {
		cuts = cuts[1:]
	}
	if len(cuts) == 0 {
		return localise.Cut{}, own, false
	}
	best, loser := f.choose(cuts, t, l.onset)
	l.loser = ""
	if loser != nil {
		l.loser = f.where(*loser, t).String()
	}
	return best, own, true
}

// move gives an incident another scope.
func (f *fleet) move(l *live, where cohort.Where, gain float64) {
	f.explain(l, -1)
	l.where, l.gain = where, gain
	f.redate(l)
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
		penalty += t.Penalty(int(c.Dim))
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
