package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// How much clean traffic denies a fault that spares users: as surely as rows would, each hour of the day judged by what it
// showed before, to which the whole counts as so many user-hours more. What hits four of five user-hours spares nobody for long.
const (
	recoverBroad = 0.8
	recoverPrior = 5
)

// recovered says whether a cohort's incident is over: whether clean traffic denies it. The likelihood of the quiet rate
// decides; but where the flag is rare in quiet times every row that bears it is the incident's, and three times more rows than
// ever lay between two of them must have come without one: a fault that hits some users only has long gaps of others' rows.
// There many mean gaps will do, too.
func (f *fleet) recovered(l *live) bool {
	if f.now-l.cleanHit < recoverAfter {
		return false
	}
	if l.base > cleanBase {
		return l.clean >= recoverNats
	}
	mean := max(l.chances, float64(l.inside.Opportunities(l.flag))) / max(l.hits, float64(l.inside.Flagged(l.flag).Rows), 1)
	return (l.clean >= recoverNats || l.gap >= recoverMean*mean) && l.gap >= min(recoverGap*max(l.widest, 1), recoverMost*mean) && f.usersDeny(l)
}

// usersDeny says whether so many users were seen clean that it is no luck. Rows overstate it where a fault spares most users, for
// at night a few who are spared send all of them; and a fault that rests at some hours of the day is not over because it rests.
// So each user-hour counts for what it was worth before at that hour of the day, as far as that is known.
func (f *fleet) usersDeny(l *live) bool {
	if f.now-l.lastHit >= recoverLast || 2*l.inside.Opportunities(l.flag) < l.inside.Rows {
		return true
	}
	d := f.dayOf(l)
	if d.rate >= recoverBroad || d.rate == 0 {
		return true
	}
	nats := 0.0
	for h, users := range l.spared {
		nats -= float64(users) * math.Log1p(-min((d.hit[h]+recoverPrior*d.rate)/(d.all[h]+recoverPrior), 0.98))
	}
	return nats >= recoverNats
}

// hitDay is a fault by the hours of the day: user-hours in its scope, how many of them it hit, and the share of all.
type hitDay struct {
	hit, all [24]float64
	rate     float64
	where    cohort.Where
	from, to int64
}

// dayOf sums an incident's scope by the hours of the day, from its onset to its last affected row.
func (f *fleet) dayOf(l *live) *hitDay {
	if d := l.day; d != nil && d.from == l.onset && d.to == l.lastHit && d.where.Equal(l.where) {
		return d
	}
	d := &hitDay{where: l.where, from: l.onset, to: l.lastHit}
	l.day = d
	hit, all := 0.0, 0.0
	f.store.Hourly(l.where, l.onset-l.onset%cohort.Hour, l.lastHit+1, func(at int64, _ *cohort.Leaf, c *cohort.Cell) {
		k := float64(c.Flagged(l.flag).Users)
		n := max(float64(c.Users), k) // the first row of a user's hour may lie outside the scope
		hit, all = hit+k, all+n
		h := at / cohort.Hour % 24
		d.hit[h] += k
		d.all[h] += n
	})
	d.rate = hit / max(all, 1)
	return d
}
