package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// A fault in what is new came with it, unless what the scope did before the step that was found in it says otherwise, by so
// many nats; or there are fewer users' hours than that to say anything, and they are many hours.
const (
	denyRelease = 5
	earlyUsers  = 7
)

// dateMeasure finds the onset of a shift: the release that appeared, or where the mean began to stand above the quiet one.
func (f *fleet) dateMeasure(l *live, from int64) {
	l.onset = from
	sums := f.momentFives(l, max(f.now-cohort.KeepFives, f.first), f.now+cohort.Tick)
	// Least squares for one step from the quiet mean to the present one: the prefix sum of (x − base − shift/2) is least there.
	sum, best := 0.0, 0.0
	for _, at := range sortedKeys(sums) {
		m := sums[at]
		if sum <= best {
			best, l.onset = sum, at-saidAfter(l.measure)
		}
		sum += m.Sum - m.N*(l.base+l.shift/2)
	}
	if first := f.store.First(l.where); first > f.first+cohort.Hour && l.onset-first < cohort.EarlyFor {
		// A scope that is new: the fault came with it, unless what it did before the step says otherwise.
		var early cohort.Moment
		f.store.Each(first, max(l.onset, first+1), func(leaf *cohort.Leaf, c *cohort.Cell) {
			if c.Moments != nil && l.where.Matches(&leaf.Values) {
				early.Merge(c.Moments[l.measure])
			}
		})
		_, variance := f.normal(f.store.All, l.measure)
		nats := early.Users / session * (early.Mean() - l.base - l.shift/2) * l.shift / variance
		if nats > -denyRelease && (early.Users >= earlyUsers || l.onset-first < 6*cohort.Hour) {
			l.onset = first
		}
	}
	fresh := l.onset == f.store.First(l.where) && l.onset > f.first+cohort.Hour
	l.onset = max(l.onset, f.first)
	l.finding.StartedAt = l.onset
	l.lastHit, l.cleanHit = f.now, f.now
	f.resum(l)
	l.elsewhere = f.elsewhere(l)
	f.bracketMeasure(l, fresh)
}

// said returns the measure of a scope that is new since it came: by hours up to hourly, where five minutes are gone, and by those from then on.
func (f *fleet) said(l *live) (sums map[int64]cohort.Moment, hourly int64) {
	first, kept := f.store.First(l.where), max(f.now-cohort.KeepFives, f.first)
	hourly = kept + (cohort.Hour-kept%cohort.Hour)%cohort.Hour
	sums = f.momentFives(l, hourly, f.now+cohort.Tick)
	f.store.Hourly(l.where, first-first%cohort.Hour, hourly, func(h int64, _ *cohort.Leaf, c *cohort.Cell) { tally(sums, l.measure, h, c) })
	return sums, hourly
}

// saidAfter returns how long after it began a measure is said: at once of a request's tokens, else when the bucket ends.
func saidAfter(m cohort.Measure) int64 {
	if m.OfRequest() {
		return 0
	}
	return profile.Bucket
}

// momentFives returns the measure of the scope by five minutes.
func (f *fleet) momentFives(l *live, from, to int64) map[int64]cohort.Moment {
	sums := map[int64]cohort.Moment{}
	f.store.Fives(l.where, from, to, func(at int64, _ *cohort.Leaf, c *cohort.Cell) { tally(sums, l.measure, at, c) })
	return sums
}

// tally adds what a cell says of a measure.
func tally(sums map[int64]cohort.Moment, measure cohort.Measure, at int64, c *cohort.Cell) {
	if c.Moments != nil {
		m := sums[at]
		m.Merge(c.Moments[measure])
		sums[at] = m
	}
}

func (f *fleet) elsewhere(l *live) float64 {
	if l.outside.Moments == nil {
		return 0
	}
	return l.outside.Moments[l.measure].Mean() - l.base
}

// followMeasure keeps a client's incident up to date.
func (f *fleet) followMeasure(l *live) {
	t := l.tick
	l.tick = tickHits{}
	if t.opportunities > 0 {
		l.lastHit, l.cleanHit = f.now, f.now
	}
	if f.vanished(l, t) {
		l.finding.Over = true
	} else if !f.due(l) {
		return
	}
	l.hit = period(&l.inside)
	if !l.finding.Over && f.now-l.openedAt > cohort.Hour && f.says(verdict.Denied, f.denied(l)) {
		l.finding.Over = true // it stands where it stood: the sums take back what the users' pasts seemed to say
	}
	if !l.finding.Over && f.settled(l) {
		l.finding.Over = true
		f.endMeasure(l)
	}
	if l.inside.Moments != nil {
		if m := l.inside.Moments[l.measure]; m.N > 0 {
			l.shift = m.Mean() - l.base
			l.finding.Users = max(l.finding.Users, int(m.Days))
		}
		l.elsewhere = f.elsewhere(l)
	}
	if !l.finding.Over && f.now-l.openedAt <= refineFor {
		was := f.told(l)
		f.refineMeasure(l)
		f.narrowed(l, was)
	}
	if !l.open() {
		return
	}
	over, cause := l.finding.Over, l.Cause
	if cause == verdict.CacheMiss { // that prompts are longer too may take a while to show
		cause = f.causeOf(verdict.Behaviour{Measure: l.measure, Cause: cause}, l)
	}
	f.judge(l, cause)
	l.finding.Over = over
	f.update(l)
}

// settled says whether the scope is back: over some hours its measure stands less than a quarter as far above its baseline as
// over the incident. The users' own pasts alone cannot tell, for they learn the fault within days.
func (f *fleet) settled(l *live) bool {
	const span, least = 3 * cohort.Hour, 100
	recent := f.store.Sum(l.where, f.now-span, f.now)
	if f.now-l.openedAt < span || recent.Rows < least {
		return false
	}
	base := f.baseline(l)
	now := period(&recent)
	above := math.Log(l.hit.Level(l.measure) / base.Level(l.measure))
	if !(above > measureShift/2) || math.IsInf(above, 0) {
		return false
	}
	// One account that does much of something else sways the sums, not the mean of users. Where those have had a day to learn the fault,
	// or are few, they do not have to say that it is over, but not that it stands.
	if nats, young := f.back(l, &recent), f.now-l.onset < 24*cohort.Hour; young && nats < refineNats || nats < 0 {
		return false
	}
	return math.Log(now.Level(l.measure)/base.Level(l.measure)) < above/4
}

// back returns by how many nats the mean of users speaks for the quiet one against that of the incident.
func (f *fleet) back(l *live, recent *cohort.Cell) float64 {
	if recent.Moments == nil {
		return 0
	}
	m := recent.Moments[l.measure]
	_, variance := f.normal(f.store.All, l.measure)
	return (float64(m.N*(l.base+l.shift/2)) - m.Sum) * l.shift / (l.cluster * variance)
}

// endMeasure dates the end as the onset is dated: the prefix sum of what stands above half the shift is greatest there.
func (f *fleet) endMeasure(l *live) {
	sums := f.momentFives(l, f.now-cohort.KeepFives, f.now)
	sum, best, end := 0.0, 0.0, f.now-cohort.KeepFives
	for _, at := range sortedKeys(sums) {
		m := sums[at]
		if sum += m.Sum - m.N*(l.base+l.shift/2); sum > best {
			best, end = sum, at
		}
	}
	l.lastHit, l.cleanHit = end, end
	f.resum(l)
	f.sumTo(l, end)
}

// settleEnds resolves, at the end of the input, what has been over for hours, and one user's fault that has been for one: no row can show
// any more that it was not.
func (f *fleet) settleEnds() {
	for _, l := range f.lives {
		switch {
		case !l.open() || l.silentTo != 0:
		case l.by == byMeasure && f.settled(l):
			l.finding.Over = true
			f.endMeasure(l)
			f.judge(l, l.Cause)
			f.update(l)
		case l.by == byFlag && l.user != "" && l.righted > l.lastHit && f.now-l.lastHit > cohort.Hour:
			l.finding.Over = true
			f.update(l)
		}
	}
}

// refineMeasure searches the scope of a client's incident again with all that came since the onset.
func (f *fleet) refineMeasure(l *live) {
	t := f.momentTable(l.measure, l.onset, l, f.plannedOf(verdict.Behaviour{Measure: l.measure, Cause: l.Cause}, l.onset, 1))
	mean, variance := f.normal(f.store.All, l.measure)
	best, own, ok := f.refit(l, t, localise.Shift(reference(l.measure, mean), variance, 1, 1), 2)
	where := f.where(best, t)
	if !ok || where.Equal(l.where) || best.Score < own+refineNats || ofMeters(l.measure) && f.says(verdict.NotMetered, !f.metered(where)) {
		return
	}
	f.move(l, where, best.Score)
}
