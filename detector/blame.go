package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// lateRate is the share of rows beyond the lateness from which on their order tells nothing.
const lateRate = 0.01

// clientDims are the dimensions that a client's own fault lies along.
var clientDims = []event.Dim{event.Client, event.ClientVersion, event.Surface, event.Experiment}

// namesClient says whether a scope names a client, or a part of one.
func namesClient(w cohort.Where) bool {
	for _, d := range clientDims {
		if _, ok := w.Value(d); ok {
			return true
		}
	}
	return false
}

// metered says whether a scope lies along what counts and charges, rather than along who asks what of which model.
func (f *fleet) metered(w cohort.Where) bool {
	for _, c := range w {
		switch c.Dim {
		case event.Meter, event.PriceID, event.Region, event.Plan, event.Pool:
		default:
			return false
		}
	}
	return len(w) > 0
}

// ofMeters says whether a measure moves by a fault only along what counts and charges.
func ofMeters(m cohort.Measure) bool { return m == cohort.OutputPerRequest || m == cohort.Uncounted }

// causeOf settles what a shift comes to. Input that grows along no client at all, or output with it, is the meter's counting: no client
// has a say in its answers. Where rows name no client, and it does not grow along what meters, nobody can tell who counts and who sends.
// Input that is read from the cache no more is the meter's counting, too, where a meter is named, or where it is longer by that, as where
// cached input counts once as that and once as new: prompts are no longer for a cache that they miss.
func (f *fleet) causeOf(b verdict.Behaviour, l *live) verdict.Cause {
	switch b.Measure {
	case cohort.InputPerRequest:
		base, now := f.baseline(l), period(&l.inside)
		above := func(m cohort.Measure) float64 { return math.Log(now.Level(m) / base.Level(m)) }
		answers := above(cohort.OutputPerRequest) > above(cohort.InputPerRequest)/2
		switch {
		case !f.says(verdict.MeterCounts, !namesClient(l.where) || answers):
			return b.Cause
		case !answers && !f.metered(l.where) && f.clientless(l):
			return verdict.Unexplained
		}
		return verdict.TokenCount
	case cohort.Uncached:
		_, meter := l.where.Value(event.Meter)
		if f.says(verdict.MeterCounts, !namesClient(l.where) && (meter || f.longer(l) && (f.metered(l.where) || !f.clientless(l)))) {
			return verdict.TokenCount
		}
	default:
	}
	return b.Cause
}

// longer says whether a scope's prompts are longer than its users' used to be. Where cached input counts twice no user's are twice as long, so
// it goes by their mean.
func (f *fleet) longer(l *live) bool {
	shift, nats := f.shiftOf(l, cohort.InputPerRequest)
	return shift >= measureShift && nats >= broadNats
}

// shiftOf returns how far a measure of requests stands above everybody's quiet mean in a scope, and the nats for that; 0 where none was measured.
func (f *fleet) shiftOf(l *live, m cohort.Measure) (shift, nats float64) {
	if l.inside.Moments == nil {
		return 0, 0
	}
	w := l.inside.Moments[m]
	mean, variance := f.normal(f.store.All, m)
	shift = w.Mean() - mean
	return shift, shiftNats(m, w.N, w.N/w.Users, shift, variance)
}

// uncounted says whether shorter prompts are a meter's doing: one that has just come, or answers are shorter too, over which no client has a
// say. Where prompts were too long before, or what is missing is told already, it is not.
func (f *fleet) uncounted(l *live) bool {
	for _, m := range f.lives {
		if m.user == "" && !m.where.Excludes(l.where) && (m.by == byMeasure && m.measure == cohort.InputPerRequest || m.open() && m.Cause == verdict.FewTokens) {
			return false
		}
	}
	if f.adoptedIn(l) != "" {
		return true
	}
	shift, nats := f.shiftOf(l, cohort.OutputPerRequest)
	return -shift >= measureShift/2 && nats >= broadNats
}

// denied says whether the scope's own sums deny the shift: its measure as a whole stands where it stood. A scope that is new
// has no such past.
func (f *fleet) denied(l *live) bool {
	if f.appeared(l, freshFor) {
		return false
	}
	base := f.baseline(l)
	now := period(&l.inside)
	was, is := base.Level(l.measure), now.Level(l.measure)
	return was > 0 && is > 0 && math.Log(is/was) < measureShift/2
}

// asked says whether longer inputs come with as many more requests, of each user too, and with answers as long as ever, where nothing is
// new. Who works more at a sitting sends longer contexts; no meter has a say in how much is asked.
func (f *fleet) asked(l *live) bool {
	if l.measure != cohort.InputPerRequest || f.adoptedIn(l) != "" || f.appeared(l, freshFor) {
		return false
	}
	base, now := f.baseline(l), period(&l.inside)
	all := math.Log(now.Requests / base.Requests)
	each := all - math.Log(now.Users/base.Users)
	answers := math.Log(now.Level(cohort.OutputPerRequest) / base.Level(cohort.OutputPerRequest))
	return all > l.shift && each > l.shift/2 && answers < 0.75*l.shift
}

// longAnswers says whether a scope's answers are longer than they used to be: then what repeats them seems too short, and too much is
// counted there rather than too little. A scope may be wider than that yet, so those count, too, of where the rows are that seem too short.
func (f *fleet) longAnswers(l *live) bool {
	long := func(now, base verdict.Period) bool {
		return math.Log(now.Level(cohort.OutputPerRequest)/base.Level(cohort.OutputPerRequest)) > measureShift
	}
	if base := f.baseline(l); long(period(&l.inside), base) {
		return true
	}
	bear, now, base := map[[event.NumDims]string]bool{}, verdict.Period{}, verdict.Period{}
	f.store.Cells(l.where, l.onset, f.now+cohort.Tick, func(_ int64, leaf *cohort.Leaf, c *cohort.Cell) {
		bear[leaf.Values] = bear[leaf.Values] || c.Flagged(l.flag).Rows > 0
	})
	f.store.Cells(l.where, l.onset, f.now+cohort.Tick, func(_ int64, leaf *cohort.Leaf, c *cohort.Cell) {
		if bear[leaf.Values] {
			now.Add(c, 1)
		}
	})
	f.store.Hourly(l.where, f.first, l.onset-l.onset%cohort.Hour, func(_ int64, leaf *cohort.Leaf, c *cohort.Cell) {
		if bear[leaf.Values] {
			base.Add(c, 1)
		}
	})
	return long(now, base)
}

// farLeast is the least share, of requests that seem to follow a missing one, of those whose distance from it no count explains, where some
// are missing: half of a region's in lost-rows (tuning seed 1) has 0.37 of what caches alone tell.
const farLeast = 0.2

// countedAnew says whether what seems to be missing is the answer before, as the next request repeats it: where input alone is counted too
// high, so is what is read from the cache, and longer than what was sent, whose answer is counted right. By so much it is longer, and by no
// more; what is missing has a length of its own.
func (f *fleet) countedAnew(l *live) bool {
	return l.flag == cohort.Gap && float64(l.inside.Far) < farLeast*float64(l.inside.Flagged(cohort.Gap).Rows)
}

// ordered says whether hardly any row comes later than the lateness: what follows from what, in a session or on a gauge, is not
// told by rows that come in any order.
func (f *fleet) ordered() bool {
	var rows, late int64
	for _, p := range f.parts {
		rows, late = rows+p.rows, late+p.late
	}
	return float64(late) <= lateRate*float64(rows)
}
