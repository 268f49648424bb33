package detector

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// date finds the onset of a scope and sums it from there. The onset is where the likelihood of the flag's quiet rate up to
// there and its present rate from there on is greatest, over five-minute buckets; in that bucket, the first affected row.
func (f *fleet) date(l *live) {
	was := l.onset
	type five struct {
		stretch
		last int64
	}
	fives := map[int64]*five{}
	from, mixed := max(f.now-cohort.KeepFives, f.first), f.mixed(l)
	f.store.Fives(l.where, from, f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		off, n, ok := f.own(l, mixed, leaf, at, c)
		if !ok {
			return // whose fault is another incident's
		}
		x := fives[at]
		if x == nil {
			x = &five{stretch: stretch{at: at, end: at + cohort.Five}}
			fives[at] = x
		}
		x.add(off, n)
		x.last = max(x.last, off.Last)
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
	f.lookBack(l, was)
	l.cleanHit = max(l.cleanHit, l.lastHit)
	f.resum(l)
	ordered := make([]stretch, len(at))
	for i, t := range at {
		ordered[i] = fives[t].stretch
	}
	f.bracket(l, ordered)
}

// begin sets the first affected row. It moves forward only when the scope became narrower: what was said of the same rows, or
// of fewer, stands.
func (f *fleet) begin(l *live, first int64) {
	if l.onset == 0 || first < l.finding.StartedAt || !l.where.Covers(l.dated) {
		l.onset, l.finding.StartedAt, l.dated, l.bracketed = first-first%cohort.Tick, first, l.where, false
	}
}

// lookBack moves the onset of a fault that came slowly to before what is kept by five minutes: hour by hour, while rows that bear a flag
// which quiet times do not know have fewer than six hours between them whose rows are right. Hours without rows say nothing. Those since
// the onset that the incident had in another scope are its own, whatever nights lie between.
func (f *fleet) lookBack(l *live, was int64) {
	if l.base > cleanBase && !f.usedToBeClean(l) {
		return
	}
	known := l.onset
	if was > 0 && was < known {
		known = was - was%cohort.Hour
	}
	for f.lookBackDay(l, known) {
	}
}

// lookBackDay does so for a day before the onset, or since known, and says whether it moved.
func (f *fleet) lookBackDay(l *live, known int64) (moved bool) {
	first, rows, mixed := map[int64]int64{}, map[int64][2]float64{}, f.mixed(l)
	f.store.Hourly(l.where, min(l.onset-24*cohort.Hour, known), l.onset, func(h int64, leaf *cohort.Leaf, c *cohort.Cell) {
		off, could, ok := f.own(l, mixed, leaf, h, c)
		if !ok {
			return
		}
		n := rows[h]
		rows[h] = [2]float64{n[0] + float64(off.Rows), n[1] + float64(could)}
		if off.Rows > 0 && (first[h] == 0 || off.First < first[h]) {
			first[h] = off.First
		}
	})
	right := 0 // hours since the last affected row whose rows could have been affected
	for _, h := range slices.Backward(sortedKeys(rows)) {
		if first[h] == 0 {
			right += min(int(rows[h][1]), 1)
			continue
		}
		if h < known && (right >= 6 || rows[h][0] < l.rate/10*rows[h][1]) {
			return moved
		}
		right = 0
		if was := l.onset; first[h] < was {
			f.begin(l, first[h])
			moved = moved || l.onset < was
		}
	}
	return moved
}

// cleanDays is on how many of the days before its onset an incident's scope must have had rows that could bear its flag, to say how it was.
const cleanDays = 3

// usedToBeClean says whether hardly a row of a scope bore its flag on most of the days before its onset: what a fault that came slowly has
// taught since, before anybody knew of it, quiet times did not know.
func (f *fleet) usedToBeClean(l *live) bool {
	if l.flag.Estimated() {
		return false // some always seem to lack something, and on no day as many
	}
	days := map[int64][2]float64{}
	f.store.Hourly(l.where, max(f.first, l.onset-7*day), l.onset, func(h int64, _ *cohort.Leaf, c *cohort.Cell) {
		d := days[(l.onset-h)/day]
		days[(l.onset-h)/day] = [2]float64{d[0] + float64(c.Flagged(l.flag).Rows), d[1] + float64(c.Opportunities(l.flag))}
	})
	clean, all := 0, 0
	for _, d := range days {
		if d[1] > 0 {
			all++
			if d[0] <= cleanBase*d[1] {
				clean++
			}
		}
	}
	return all >= cleanDays && 2*clean > all
}

// resum sums the scope and the rest since the onset. Where neither has changed, add has kept the sums to the tick, and what
// the store still holds of so long ago is coarser.
func (f *fleet) resum(l *live) {
	if l.by == byFlag && l.summedFrom == l.onset && l.summed.Equal(l.where) {
		return
	}
	l.summedFrom, l.summed = l.onset, l.where
	f.sumTo(l, f.now+cohort.Tick)
	hit := f.store.Sum(l.where, l.onset, max(l.lastHit, l.onset)+1)
	l.hit = period(&hit)
}

// sumTo sums the scope and the rest from the onset to an instant.
func (f *fleet) sumTo(l *live, to int64) {
	l.inside, l.outside = cohort.Cell{}, cohort.Cell{}
	if l.fault != nil {
		f.store.Cells(nil, l.onset, to, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) { f.sumCell(l, leaf, at, c) })
		return
	}
	f.store.Each(l.onset, to, func(leaf *cohort.Leaf, c *cohort.Cell) { f.sumCell(l, leaf, l.onset, c) })
}

func period(c *cohort.Cell) verdict.Period {
	var p verdict.Period
	p.Add(c, 1)
	return p
}

func (f *fleet) redate(l *live) {
	if l.by == byMeasure {
		f.dateMeasure(l, l.onset)
		return
	}
	f.date(l)
}
