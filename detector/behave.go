package detector

import (
	"math"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// Thresholds of the watch over behaviour. A user's buckets within an hour tell one story, and hours of a session tell
// nearly one: measures count per user and hour, and a little less.
const (
	measureNats  = 16
	measureShift = 0.22 // ln 1.25: what is smaller is not worth waking anybody for
	session      = 1.2
	measureBase  = 150 // users' buckets that the quiet mean of a measure has to stand on
	broadNats    = 8   // for more of a cohort's users being above their past than usual: a busy few speak for nobody else
)

// clientDims are the dimensions that a client fault may lie along; the rest belong to the row, not to its client.
var notClient = []event.Dim{event.Origin, event.PriceID, event.Pool}

// watchBehaviour looks, every five minutes, for values whose users do more, each against their own past, than they used to.
func (f *fleet) watchBehaviour() {
	if !f.warm {
		return
	}
	for _, b := range verdict.Behaviours {
		for range 3 {
			from, ok := f.shifted(b.Measure)
			if !ok || !f.localiseMeasure(b, from) {
				break
			}
		}
	}
}

// normal returns the quiet mean and variance of a measure in a value.
func (f *fleet) normal(v *cohort.Value, m cohort.Measure) (mean, variance float64) {
	all := f.store.All.Base(m)
	mean, variance = all.Mean(), all.Variance()
	if b := v.Base(m); b.N >= 400 && !f.young(v) {
		mean = b.Mean()
	}
	return mean, max(variance, 0.05)
}

// young says whether a value appeared too lately to have a past of its own: a release would teach its own fault.
func (f *fleet) young(v *cohort.Value) bool {
	return slices.Contains(adoptable, v.Dim) && v.First >= f.first+cohort.Hour && f.now-v.First < 7*24*cohort.Hour
}

// evidence returns the nats for a shift of m upwards, over a stretch of a value.
func (f *fleet) evidence(v *cohort.Value, m cohort.Measure, w cohort.Moment) (nats, shift float64) {
	if !f.broad(m, w.Up, w.Days) {
		return 0, 0
	}
	mean, variance := f.normal(v, m)
	shift = w.Mean() - mean
	if shift < measureShift {
		return 0, shift
	}
	cluster := max(1, w.N/w.Users) * session
	return w.N / cluster * shift * shift / (2 * variance), shift
}

// broad says whether more users stand above their own past than usually do.
func (f *fleet) broad(m cohort.Measure, up, users float64) bool {
	b := f.store.All.Base(m)
	usual := (b.Up + 3) / (b.Days + 10)
	return up >= float64(f.rules.MinUsers) && localise.Binomial(usual, 1)(localise.Sums{up, users}) >= broadNats
}

func (f *fleet) shifted(m cohort.Measure) (from int64, ok bool) {
	need := measureNats + math.Log(float64(1+len(f.store.Values)))
	spans := windows[1:2]
	if f.now >= f.halfAt {
		spans = windows[1:] // the long look is for slow faults: every half hour will do
	}
	for _, w := range spans {
		for _, v := range append([]*cohort.Value{f.store.All}, f.store.Values...) {
			if v.Dim != event.NumDims && !mayName(v.Dim) {
				continue
			}
			if nats, _ := f.evidence(v, m, v.MomentSince(m, f.now-w)); nats > need {
				return f.now - w, true
			}
		}
	}
	for _, v := range f.store.Values {
		if !f.young(v) || f.now-v.First > cohort.EarlyFor {
			continue
		}
		if nats, _ := f.evidence(v, m, v.Early(m)); nats > need {
			return v.First, true
		}
	}
	return 0, false
}

func mayName(d event.Dim) bool {
	return !slices.Contains(notClient, d)
}

// momentTable lists the leaves' moments since from, less what open incidents explain.
func (f *fleet) momentTable(m cohort.Measure, from int64, own *live) *coded {
	c := newCoded()
	f.store.Each(from, f.now+cohort.Tick, func(leaf *cohort.Leaf, cell *cohort.Cell) {
		if cell.Moments == nil || cell.Moments[m].N == 0 {
			return
		}
		for _, l := range f.lives {
			if l != own && l.open() && l.hides().Measures&(1<<m) != 0 && l.where.Matches(&leaf.Values) {
				return
			}
		}
		x := cell.Moments[m]
		c.add(leaf, localise.Sums{x.N, x.Sum, x.Up, x.Days})
	})
	return c.done(f.o.Dimensions, notClient...)
}

// perHour returns how many buckets a user's hour holds.
func (f *fleet) perHour(m cohort.Measure) float64 {
	w := f.store.All.MomentSince(m, f.now-cohort.KeepFives)
	return w.N / max(w.Users, 1)
}

func (f *fleet) localiseMeasure(b verdict.Behaviour, from int64) bool {
	cluster := session * max(1, f.perHour(b.Measure))
	t := f.momentTable(b.Measure, from, nil)
	mean, variance := f.normal(f.store.All, b.Measure)
	cuts := f.worthy(localise.Search(t.Table, localise.Shift(mean, variance, 1, 1/cluster), 2))
	for len(cuts) > 0 && (cuts[0].Sums[1]/cuts[0].Sums[0]-mean < measureShift || !f.broad(b.Measure, cuts[0].Sums[2], cuts[0].Sums[3])) {
		cuts = cuts[1:]
	}
	if len(cuts) == 0 || cuts[0].Score < measureNats {
		return false
	}
	best, loser := f.choose(cuts, t, from)
	l := &live{
		by: byMeasure, measure: b.Measure, where: f.where(best, t), gain: best.Score, cluster: cluster, base: mean,
		shift: best.Sums[1]/best.Sums[0] - mean, refinedAt: f.now,
	}
	if loser != nil {
		l.loser = f.where(*loser, t).String()
	}
	f.dateMeasure(l, from)
	cause := f.causeOf(b, l)
	if b.Measure == cohort.OutputPerRequest && !f.metered(l.where) {
		return false // a model that writes longer answers, or users who ask for them, are nobody's fault
	}
	if f.denied(l) || cause == verdict.RequestLoop && l.inside.Turns == 0 && !namesClient(l.where) {
		return false // without turns, everybody's requests are a busy hour
	}
	if to := f.expected(l, cause); to > 0 {
		l.silentTo = to
		f.lives = append(f.lives, l)
		f.explain(l, 1)
		return true
	}
	if old := f.closedTwin(l); old != nil {
		f.reopen(old, l)
		return true
	}
	f.judge(l, cause)
	if l.inside.Moments != nil {
		l.finding.Users = int(l.inside.Moments[b.Measure].Days)
	}
	l.finding.Severity = f.rules.Severity(&l.finding, f.now <= f.quietTo)
	l.Incident = incident.Open(l.finding, f.head)
	f.adopt(l)
	f.absorb(l)
	return true
}

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

// causeOf settles what a shift comes to: the measure that stands furthest above its baseline in the scope's own sums. Tokens
// that grow along no client at all, or output and input alike, are the meter's counting: no client has a say in its answers.
func (f *fleet) causeOf(b verdict.Behaviour, l *live) verdict.Cause {
	base, now := f.baseline(l), period(&l.inside)
	above := func(m cohort.Measure) float64 {
		x := math.Log(now.Level(m) / base.Level(m))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return 0
		}
		return x
	}
	best := b
	for _, x := range verdict.Behaviours {
		if x.Measure != cohort.OutputPerRequest && above(x.Measure) > measureShift && above(x.Measure) > 1.25*max(above(best.Measure), measureShift) {
			best = x
		}
	}
	if best.Measure == cohort.InputPerRequest {
		output := math.Log(now.Output / now.Rows / (base.Output / base.Rows))
		if !namesClient(l.where) || output > above(cohort.InputPerRequest)/2 {
			return verdict.TokenCount
		}
	}
	return best.Cause
}

// expected returns until when the calendar explains a change of behaviour, 0 if it does not: an entry for the scope that
// names the factor, or none.
func (f *fleet) expected(l *live, cause verdict.Cause) int64 {
	for _, p := range f.o.Calendar {
		where := whereOf(p.Where)
		if l.onset < p.From.Add(-time.Hour).UnixNano() || l.onset >= p.To.UnixNano() || !where.Covers(l.where) && !l.where.Covers(where) {
			continue
		}
		if _, ok := p.Expect[cause.Factor]; ok || len(p.Expect) == 0 {
			return p.To.UnixNano()
		}
	}
	return 0
}

// dateMeasure finds the onset of a shift: the release that appeared, or where the mean began to stand above the quiet one.
func (f *fleet) dateMeasure(l *live, from int64) {
	l.onset = from
	sums := map[int64]*cohort.Moment{}
	f.store.Fives(l.where, max(f.now-cohort.KeepFives, f.first), f.now+cohort.Tick, func(at int64, c *cohort.Cell) {
		if c.Moments == nil {
			return
		}
		if sums[at] == nil {
			sums[at] = &cohort.Moment{}
		}
		sums[at].Merge(c.Moments[l.measure])
	})
	// Least squares for one step from the quiet mean to the present one: the prefix sum of (x − base − shift/2) is least there.
	sum, best := 0.0, 0.0
	for _, at := range sortedKeys(sums) {
		m := sums[at]
		if sum <= best {
			// A bucket's measure is said when it ends.
			best, l.onset = sum, at-2*cohort.Five
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
		if early.N < 20 && l.onset-first < 6*cohort.Hour || early.N >= 20 && early.Mean()-l.base > l.shift/2 {
			l.onset = first
		}
	}
	l.onset = max(l.onset, f.first)
	l.finding.StartedAt = l.onset
	l.lastHit, l.cleanHit = f.now, f.now
	f.resum(l)
	l.elsewhere = f.elsewhere(l)
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
	if !l.finding.Over && f.now-l.openedAt > cohort.Hour && f.denied(l) {
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
		f.refineMeasure(l)
	}
	if !l.open() {
		return
	}
	over := l.finding.Over
	f.judge(l, l.Cause)
	l.finding.Over = over
	f.update(l)
}

// denied says whether the scope's own sums deny the shift: its measure as a whole stands where it stood. A scope that is new
// has no such past.
func (f *fleet) denied(l *live) bool {
	if _, fresh := f.before(l); fresh {
		return false
	}
	base := f.baseline(l)
	now := period(&l.inside)
	was, is := base.Level(l.measure), now.Level(l.measure)
	return was > 0 && is > 0 && math.Log(is/was) < measureShift/2
}

// settled says whether the scope is back: over some hours its measure stands less than a quarter as far above its baseline as
// over the incident. The users' own pasts cannot tell, for they learn the fault within days.
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
	return math.Log(now.Level(l.measure)/base.Level(l.measure)) < above/4
}

// endMeasure dates the end as the onset is dated: the prefix sum of what stands above half the shift is greatest there.
func (f *fleet) endMeasure(l *live) {
	sums := map[int64]*cohort.Moment{}
	f.store.Fives(l.where, f.now-cohort.KeepFives, f.now, func(at int64, c *cohort.Cell) {
		if c.Moments != nil {
			if sums[at] == nil {
				sums[at] = &cohort.Moment{}
			}
			sums[at].Merge(c.Moments[l.measure])
		}
	})
	sum, best, end := 0.0, 0.0, f.now-cohort.KeepFives
	for _, at := range sortedKeys(sums) {
		m := sums[at]
		if sum += m.Sum - m.N*(l.base+l.shift/2); sum > best {
			best, end = sum, at
		}
	}
	l.lastHit, l.cleanHit = end, end
	f.resum(l)
	l.inside, l.outside = cohort.Cell{}, cohort.Cell{}
	f.store.Each(l.onset, end, func(leaf *cohort.Leaf, c *cohort.Cell) {
		if l.where.Matches(&leaf.Values) {
			l.inside.Add(c)
		} else {
			l.outside.Add(c)
		}
	})
}

// settleMeasures resolves, at the end of the input, what has been over for hours.
func (f *fleet) settleMeasures() {
	for _, l := range f.lives {
		if l.by == byMeasure && l.open() && l.silentTo == 0 && f.settled(l) {
			l.finding.Over = true
			f.endMeasure(l)
			f.judge(l, l.Cause)
			f.update(l)
		}
	}
}

// refineMeasure searches the scope of a client's incident again with all that came since the onset.
func (f *fleet) refineMeasure(l *live) {
	t := f.momentTable(l.measure, l.onset, l)
	mean, variance := f.normal(f.store.All, l.measure)
	gain := localise.Shift(mean, variance, 1, 1/l.cluster)
	cuts := f.worthy(localise.Search(t.Table, gain, 2))
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
	if where.Equal(l.where) || best.Score < own+refineNats {
		return
	}
	f.explain(l, -1)
	l.where, l.gain = where, best.Score
	f.dateMeasure(l, l.onset)
	f.explain(l, 1)
	f.absorb(l)
}
