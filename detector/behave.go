package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// Thresholds of the watch over behaviour. A user's buckets within an hour tell one story, and hours of a session tell
// nearly one: measures count per user and hour, and a little less.
const (
	measureNats  = 16
	measureShift = 0.22 // ln 1.25: what is smaller is not worth waking anybody for
	session      = 1.2
	measureBase  = 130 // users' hours that the quiet mean of a measure in a value has to stand on
	briefWindow  = cohort.BriefSpan - cohort.Five
	broadNats    = 8 // for more of a cohort's users being above their past than usual: a busy few speak for nobody else
	oldNats      = 8 // of the same where nothing in it is new, beyond the logarithm of how many values there are
)

// clientDims are the dimensions that a client fault may lie along; the rest belong to the row, not to its client.
var notClient = []event.Dim{event.Origin, event.PriceID, event.Pool}

// watchBehaviour looks, every five minutes, for values whose users do more, each against their own past, than they used to.
func (f *fleet) watchBehaviour() {
	if !f.warm {
		return
	}
	for _, b := range verdict.Behaviours {
		if f.store.All.Base(b.Measure).Users < measureBase || !f.o.Hearing.Hears(verdict.SignalOfMeasure(b.Measure)) {
			continue // nobody knows yet how people usually differ from their own past
		}
		spans := windows[1:2]
		if f.now >= f.halfAt {
			spans = windows[1:] // the long look is for slow faults: every half hour will do
		}
		if b.Measure.OfRequest() {
			f.watchMeasure(b, []int64{briefWindow}) // by itself: what it passes may be too little for a scope, and the hour's not
		}
		f.watchMeasure(b, spans)
	}
}

// watchMeasure opens the incidents that a measure shows over some stretches of time; several causes may stand at once.
func (f *fleet) watchMeasure(b verdict.Behaviour, spans []int64) {
	for range 3 {
		from, ok := f.shifted(b.Measure, spans)
		if !ok || !f.says(verdict.SignalOfMeasure(b.Measure), f.localiseMeasure(b, from)) {
			return
		}
	}
}

// normal returns the quiet mean and variance of a measure in a value.
func (f *fleet) normal(v *cohort.Value, m cohort.Measure) (mean, variance float64) {
	all := f.store.All.Base(m)
	mean, variance = all.Mean(), all.Variance()
	if b := v.Base(m); b.Users >= measureBase && !f.young(v) {
		mean = b.Mean()
	}
	return mean, max(variance, 0.05)
}

// reference returns what a measure has to stand above, given its quiet mean. Who never had a request that nobody asked for stands at
// 0 of Background, and who had some stands below it most of the time: a value with more of the former than others have stands
// above everybody's mean without a request more. So nothing below 0 is above it there.
func reference(m cohort.Measure, mean float64) float64 {
	if m == cohort.Background {
		return max(mean, 0)
	}
	return mean
}

// young says whether a value appeared too lately to have a past of its own: a release would teach its own fault.
func (f *fleet) young(v *cohort.Value) bool {
	return slices.Contains(adoptable, v.Dim) && v.First >= f.first+cohort.Hour && f.now-v.First < 7*24*cohort.Hour
}

// evidence returns the nats for a shift of m upwards, over a stretch of a value that is brief or not.
func (f *fleet) evidence(v *cohort.Value, m cohort.Measure, w cohort.Moment, brief bool) (nats, shift float64) {
	mean, variance := f.normal(v, m)
	shift = w.Mean() - reference(m, mean)
	if shift < measureShift {
		return 0, shift
	}
	each := w.N / w.Users
	if brief {
		each = w.N / w.Brief // those who began within the hour are fewer than those who are at work
	}
	nats = shiftNats(m, w.N, each, shift, variance)
	if up, users := counted(&w, brief); !f.broad(m, up, users, brief) && (nats <= f.nats(RuleMeasures) || f.says(verdict.Breadth, true)) {
		return 0, shift
	}
	return nats, shift
}

// alike is how alike the requests of a user's hour are: the share of the variance that the hour accounts for, and then some,
// since what a person works on changes by the day. In the simulator it is .2 to .4 for the input, and below .05 else.
var alike = map[cohort.Measure]float64{cohort.InputPerRequest: 0.5, cohort.OutputPerRequest: 0.25, cohort.Uncached: 0.25, cohort.Uncounted: 0.5}

// clusterOf returns how many observations tell as much as one would that is independent of all others, of each said of a
// user's hour: the design effect 1 + (each − 1)·ρ of requests (Kish, Survey Sampling, 1965, section 5.4); of buckets all of them.
func clusterOf(m cohort.Measure, each float64) float64 {
	if m.OfRequest() {
		return 1 + max(each-1, 0)*alike[m]
	}
	return max(1, each) * session
}

// shiftNats returns the nats for a shift of the mean of n observations, so many each of a user's hour, of a known variance.
func shiftNats(m cohort.Measure, n, each, shift, variance float64) float64 {
	return n / clusterOf(m, each) * shift * shift / (2 * variance)
}

// counted returns how many users a moment counts, and how many of them above their past.
func counted(w *cohort.Moment, brief bool) (up, users float64) {
	if brief {
		return w.BriefUp, w.Brief
	}
	return w.Up, w.Days
}

// broad says whether more users stand above their own past than usually do.
func (f *fleet) broad(m cohort.Measure, up, users float64, brief bool) bool {
	return up >= float64(f.rules.MinUsers) && f.breadth(m, up, users, brief) >= broadNats
}

// breadth returns the nats for more users standing above their own past than usually do.
func (f *fleet) breadth(m cohort.Measure, up, users float64, brief bool) float64 {
	b := f.store.All.Base(m)
	usualUp, usualUsers := counted(&b, brief)
	return localise.Binomial((usualUp+3)/(usualUsers+10), 1)(localise.Sums{up, users})
}

// byChance says whether it is no wonder that so many users of a scope stand above their past since an instant, of all the values that
// there are: seven of fifteen, where one in fourteen is usual, are found somewhere in most fortnights. Who counts again in the next span
// says nothing new. A release is one of few, and has a reason.
func (f *fleet) byChance(m cohort.Measure, up, users float64, from int64) bool {
	brief := f.brief(m, from)
	return f.breadth(m, up, users, brief)/f.spansSince(from, brief) < oldNats+math.Log(float64(1+len(f.store.Values)))
}

func (f *fleet) shifted(m cohort.Measure, spans []int64) (from int64, ok bool) {
	values := math.Log(float64(1 + len(f.store.Values)))
	need, best := f.nats(RuleMeasures)+values, 0.0
	passes := func(nats float64, since int64) (enough bool) {
		best = max(best, nats)
		if nats > need && !ok {
			from, ok = since, true
		}
		return ok && f.o.Observe == nil
	}
	defer func() {
		if f.o.Observe != nil {
			f.score(RuleMeasures, "", best-values)
		}
	}()
	for _, w := range spans {
		for _, v := range append([]*cohort.Value{f.store.All}, f.store.Values...) {
			if v.Dim != event.NumDims && !mayName(v.Dim) {
				continue
			}
			if nats, _ := f.evidence(v, m, v.MomentSince(m, f.now-w), w == briefWindow); passes(nats, f.now-w) {
				return from, ok
			}
		}
	}
	for _, v := range f.store.Values {
		if !f.young(v) || f.now-v.First > cohort.EarlyFor {
			continue
		}
		if nats, _ := f.evidence(v, m, v.Early(m), false); passes(nats, v.First) {
			return from, ok
		}
	}
	return from, ok
}

func mayName(d event.Dim) bool {
	return !slices.Contains(notClient, d)
}

// momentTable lists the leaves' moments since from, less what open incidents explain: of each as many observations as tell as much, for the
// hundredth request of one user's hour is no news of where a fault lies.
// What plans expect of a leaf is taken off.
func (f *fleet) momentTable(m cohort.Measure, from int64, own *live, plans []plan) *coded {
	c, brief := newCoded(), f.brief(m, from)
	f.store.Each(from, f.now+cohort.Tick, func(leaf *cohort.Leaf, cell *cohort.Cell) {
		if cell.Moments == nil || cell.Moments[m].N == 0 {
			return
		}
		for _, l := range f.lives {
			if l != own && l.open() && (l.silentTo == 0 || len(plans) == 0) && l.hides().Measures&(1<<m) != 0 && l.where.Matches(&leaf.Values) {
				return
			}
		}
		x, planned := cell.Moments[m], foreseen(plans, leaf)
		if math.IsInf(planned, 1) {
			if own == nil {
				return
			}
			planned = 0 // who was told of before says no less now
		}
		up, users := counted(&x, brief)
		each := clusterOf(m, x.N/max(x.Users, x.Brief, 1))
		c.add(leaf, localise.Sums{x.N / each, (x.Sum - x.N*planned) / each, up, users})
	})
	return c.done(f.o.Dimensions, notClient...)
}

// brief says whether what has gone on since from is counted by brief spans.
func (f *fleet) brief(m cohort.Measure, from int64) bool {
	return m.OfRequest() && f.now-from < 2*briefWindow
}

// perHour returns how many observations a user's hour holds.
func (f *fleet) perHour(m cohort.Measure) float64 {
	w := f.store.All.MomentSince(m, f.now-cohort.KeepFives)
	return w.N / max(w.Users, 1)
}

// atOnce returns how many of a scope's users stand above their past at one time: each counts anew in every span.
func (f *fleet) atOnce(l *live, from int64) float64 {
	if l.inside.Moments == nil {
		return 0
	}
	brief := f.brief(l.measure, from)
	up, _ := counted(&l.inside.Moments[l.measure], brief)
	return up / f.spansSince(l.onset, brief)
}

// spansSince returns in how many spans a user may have counted since an instant.
func (f *fleet) spansSince(at int64, brief bool) float64 {
	span := cohort.SpanHours * cohort.Hour
	if brief {
		span = cohort.BriefSpan
	}
	return math.Ceil(max(1, float64(f.now-at)/float64(span)))
}

// localiseMeasure opens the incident of a measure since from: of what stands above the calendar's plans, else of what they explain, which
// is not told.
func (f *fleet) localiseMeasure(b verdict.Behaviour, from int64) bool {
	plans := f.plannedOf(b, from, plannedSlack)
	return len(plans) > 0 && f.openMeasure(b, from, plans, nil) || f.openMeasure(b, from, nil, plans)
}

// openMeasure opens the incident of a measure since from beyond some plans. What others explain, beyond which there is nothing, is not told.
func (f *fleet) openMeasure(b verdict.Behaviour, from int64, plans, explained []plan) bool {
	cluster := clusterOf(b.Measure, f.perHour(b.Measure))
	t := f.momentTable(b.Measure, from, nil, plans)
	mean, variance := f.normal(f.store.All, b.Measure)
	least := reference(b.Measure, mean)
	cuts := f.worthy(localise.Search(t.Table, localise.Shift(least, variance, 1, 1), 2))
	for len(cuts) > 0 && (cuts[0].Sums[1]/cuts[0].Sums[0]-least < measureShift || f.says(verdict.Breadth, !f.broad(b.Measure, cuts[0].Sums[2], cuts[0].Sums[3], f.brief(b.Measure, from)))) {
		cuts = cuts[1:]
	}
	if len(cuts) == 0 || cuts[0].Score < f.nats(RuleMeasures) {
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
	if len(plans) > 0 {
		sum := f.store.Sum(l.where, from, f.now+cohort.Tick)
		l.shift = sum.Moments[b.Measure].Mean() - mean // all of it: what is planned is no past
	}
	f.dateMeasure(l, from)
	cause := f.causeOf(b, l)
	if ofMeters(b.Measure) && f.says(verdict.NotMetered, !f.metered(l.where)) {
		return false // a model that writes longer answers, or users who ask for them or say less, are nobody's fault
	}
	if b.Measure == cohort.Uncounted && f.says(verdict.NotMetered, !f.uncounted(l)) {
		f.sparedCohort(RuleMeasures, l, "shorter", "%s of %s: prompts are shorter, answers are not, and it is no new meter's", b.Measure, l.where)
		return false
	}
	if f.says(verdict.Denied, f.denied(l) || f.asked(l)) {
		f.sparedCohort(RuleMeasures, l, "nobody_elses", "%s of %s: what was asked, or the scope as a whole, does not bear it out", b.Measure, l.where)
		return false
	}
	if few := f.atOnce(l, from) < float64(f.rules.MinUsers) || f.byChance(b.Measure, best.Sums[2], best.Sums[3], from); f.says(verdict.FewAtOnce, f.adoptedIn(l) == "" && few) {
		// What is not new does not begin to fail for one user now and for another tonight: those are people's own loops and programs.
		f.sparedCohort(RuleMeasures, l, "few_at_once", "%s of %s: nothing in it is new, and %.0f of %.0f users stand above their past, %.1f at a time", b.Measure, l.where, best.Sums[2], best.Sums[3], f.atOnce(l, from))
		return false
	}
	f.judge(l, cause)
	if f.says(verdict.Planned, f.touches(explained, l)) || len(plans) == 0 && f.expected(l, cause, l.times()) {
		f.sparedCohort(RuleMeasures, l, "planned", "the calendar expects it of %s: %q", l.where, f.planned(l))
		l.silentTo = f.now + plannedRelook
		f.lives = append(f.lives, l)
		f.explain(l, 1)
		return true
	}
	if old := f.closedTwin(l); old != nil {
		f.reopen(old, l)
		return true
	}
	if l.inside.Moments != nil {
		_, users := counted(&l.inside.Moments[b.Measure], f.brief(b.Measure, from))
		l.finding.Users = int(users)
	}
	l.finding.Severity = f.rules.Severity(&l.finding, f.now <= f.quietTo)
	f.adopt(l)
	f.absorb(l)
	return true
}
