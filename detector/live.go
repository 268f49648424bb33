package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// live is an incident together with what the fleet needs to follow it.
type live struct {
	incident.Incident
	finding incident.Finding // as it would be said now

	// What it is seen by: a flag of rows, a measure of behaviour, or a user's own evidence.
	by      seenBy
	flag    cohort.Flag
	measure cohort.Measure
	where   cohort.Where
	fault   *cohort.Fault // what multiplies the charges of its rows, if they are charged too much and one fault explains them
	user    string
	drawn   *profile.Finding // what the one user draws

	openedAt  int64        // tick
	onset     int64        // start of the tick of the first affected row
	dated     cohort.Where // the scope that the onset was found for
	refinedAt int64
	rate      float64 // of the flag inside, per opportunity
	base      float64 // of the flag in quiet times
	cluster   float64 // affected rows an affected user: how much rows overstate the evidence
	gain      float64
	shift     float64 // of the measure
	elsewhere float64
	loser     string
	hours     map[int64]*verdict.Period // the scope before the onset
	hoursOf   cohort.Where
	hoursTo   int64

	inside      cohort.Cell // sums of the scope since the onset
	outside     cohort.Cell // sums of everything else since the onset
	summedFrom  int64       // the onset and the scope that those are of
	summed      cohort.Where
	hit         verdict.Period // of inside, as of the last affected row
	tick        tickHits
	bracketed   bool             // booking has told the onset to the row
	compared    bool             // booking has held the users against themselves:
	then        verdict.Period   // in the incident
	before      verdict.Period   // and before it came to them, scaled to the same time
	unasked     verdict.Period   // what of then nobody asked for, where it is about that
	blends      [2]verdict.Blend // of before and then
	like        []verdict.Period // and what stretches like it drew before, of one user
	left        verdict.Left     // and of requests that go missing has told how many are there
	lastHit     int64            // event time of the last affected row
	outsideAt   int64            // when the scope last had rows
	outsideRows int64            // rows outside since the onset, as of then
	outsideUse  int64            // and user-hours
	clean       float64          // nats for recovery
	hits        float64          // affected rows so far
	chances     float64          // opportunities so far
	gap         float64          // opportunities since the last affected row
	widest      float64          // the most that lay between two affected rows
	cleanHit    int64            // last affected row before the recovery began
	spared      [24]int64        // user-hours since the last affected row, by hour of the day
	day         *hitDay          // what it does at which hours
	silentTo    int64            // explained by the calendar, not to be looked at until then, and never said
	endedAt     int64            // tick at which it resolved
	righted     int64            // when one user's rows were last seen to be right after a run of those that were not
	told        []told           // what it was said to be about before
}

// tickHits counts what one tick did to a flag in a scope.
type tickHits struct{ hits, opportunities, users, last int64 }

// add adds a cell of the tick that begins at an instant. A gauge is judged at its user's next row, which may come the next morning: what
// that says of long ago is neither a hit of now nor a chance that was missed.
func (t *tickHits) add(c *cohort.Cell, l *live, at int64) {
	if l.by != byFlag {
		t.opportunities += c.Rows
		return
	}
	off := c.Flagged(l.flag)
	t.users += c.Users
	t.opportunities += c.Opportunities(l.flag)
	t.last = max(t.last, off.Last)
	if off.Last < at-recoverAfter {
		t.opportunities -= off.Rows
		return
	}
	t.hits += off.Rows
}

type seenBy uint8

const (
	byFlag seenBy = iota
	byMeasure
	byUser
	byLinks
	bySurge
	byCost
)

// open says whether it still explains its scope.
func (l *live) open() bool {
	return l.silentTo != 0 || l.Status == incident.Firing && l.MergedInto == ""
}

// hides returns what the incident explains of its scope's leaves.
func (l *live) hides() cohort.Hidden {
	switch {
	case l.user != "":
		// One user's fault explains nothing of the others on the same leaf.
	case l.by == byFlag:
		f := cohort.Flags(0).With(l.flag)
		if l.flag == cohort.Over {
			f = f.With(cohort.CacheLost)
		}
		return cohort.Hidden{Flags: f}
	case l.by == byMeasure && (len(l.where) == 0 || l.silentTo != 0):
		return cohort.Hidden{Measures: 1 << l.measure}
	case l.by == byMeasure:
		// A client's fault moves more than the measure it was found by.
		all := uint16(0)
		for _, b := range verdict.Behaviours {
			all |= 1 << b.Measure
		}
		return cohort.Hidden{Measures: all}
	}
	return cohort.Hidden{}
}

// recoverNats is the evidence for recovery that resolves an incident, and recoverAfter the least time since the last
// affected row. Silence is not recovery: only rows that could have been hit and were not count.
const (
	recoverNats  = 14
	recoverGap   = 3    // times the widest gap so far
	recoverMean  = 20   // times the mean gap
	recoverMost  = 150  // times the mean gap: no burst of other users is that long
	cleanBase    = 1e-3 // below this quiet rate every row that bears the flag is the incident's
	recoverAfter = 10 * 60 * int64(1e9)
	recoverLast  = 24 * cohort.Hour // after so long, rows alone decide: like hours have come and gone
)

// odds returns the log-likelihood of k affected rows of n under the present rate over the quiet one, with its sign turned for
// a CUSUM that falls while the flag stands.
func (l *live) odds(k, n float64) float64 {
	n = max(n, k)
	rate := l.rate
	if l.chances > 0 {
		rate = min(rate, (l.hits+1)/(l.chances+2)) // of few rows that were all affected, the next need not be
	}
	p1, p0 := min(max(rate, 1e-6), 1-1e-6), min(max(l.base, 1e-6), 1-1e-6)
	if p1 <= p0 {
		p1 = min(2*p0, 1-1e-6)
	}
	return ((n-k)*math.Log((1-p1)/(1-p0)) + k*math.Log(p1/p0)) / min(max(l.cluster, 1), 3)
}

// observe folds the tick at an instant: how many of the scope's rows bore the flag, of how many that could.
func (l *live) observe(t tickHits, at int64) {
	l.clean = max(0, l.clean-l.odds(float64(t.hits), float64(t.opportunities)))
	l.chances += float64(t.opportunities)
	l.gap += float64(t.opportunities)
	l.lastHit = max(l.lastHit, t.last)
	if t.hits == 0 {
		l.spared[at%(24*cohort.Hour)/cohort.Hour] += t.users
		if l.base <= cleanBase {
			l.cleanHit = l.lastHit
		}
		return
	}
	l.spared = [24]int64{}
	l.widest = max(l.widest, l.gap-float64(t.hits))
	l.hits, l.gap = l.hits+float64(t.hits), 0
	if l.clean == 0 || l.base <= cleanBase {
		l.cleanHit = l.lastHit
	}
}
