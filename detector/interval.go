package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/changepoint"
)

// What an interval of an onset stands on.
const (
	nearlyAll   = 0.98 // of the rows since the onset: from here on each is evidence by itself
	comers      = 8    // users by whose coming what is new is dated back
	pearsonOver = 6    // counts before an onset that say how much they vary
)

// stretch is what a scope's rows did over some time.
type stretch struct {
	at, end int64
	k, n    float64 // affected rows, and those that could have been
	first   int64   // event time of the first affected one, 0 if there is none
}

// bracket states between when and when a flag's fault began: as far as the likelihood of one step in the share of affected rows
// reaches, over ticks where they are kept, else five minutes. It is refined with the incident's scope, and by booking to the row.
func (f *fleet) bracket(l *live, fives []stretch) {
	if l.bracketed {
		return // to the row
	}
	s := f.finely(l, fives)
	if l.finding.Onset.Known() && (len(s) == 0 || l.finding.StartedAt < s[0].at+cohort.Hour && s[0].at > f.first+cohort.Five) {
		return // too little is kept of what was before the onset: what was said stands
	}
	hits, trials := make([]float64, len(s)), make([]float64, len(s))
	phi := f.clustered(l)
	for i, x := range s {
		hits[i], trials[i] = x.k/phi, max(x.n, x.k)/phi
	}
	o, err := changepoint.Binomial(hits, trials, l.chance(), l.level())
	if err != nil {
		return
	}
	to := s[o.High].end - 1
	if s[o.High].first != 0 && l.base <= cleanBase {
		to = s[o.High].first
	}
	span := incident.Interval{From: l.finding.StartedAt, To: max(to, l.finding.StartedAt)}
	switch {
	case l.keptGauges():
		span.From = f.came(l, l.finding.StartedAt) // only rows after a window's end can tell, and nobody counts those
	case o.Low > 0:
		span.From = s[o.Low-1].at
	default:
		span.From = f.wasRight(l, s[0].at)
	}
	span = span.Holding(l.finding.StartedAt)
	if was := l.finding.Onset; was.Known() && was.Holding(l.finding.StartedAt) == was && l.dated.Equal(l.where) &&
		l.finding.StartedAt < f.ticksFrom() && span.To-span.From >= was.To-was.From {
		return // it was told from ticks, of which the first are gone
	}
	l.finding.Onset = span
}

// ticksFrom returns from when on ticks are kept: the end of the five minutes in which those that were dropped last began.
func (f *fleet) ticksFrom() int64 {
	kept := f.halfAt - halfHour - cohort.KeepTicks
	return kept - (kept%cohort.Five+cohort.Five)%cohort.Five + cohort.Five
}

// clustered returns how many affected rows tell as much as one: as many as a user has, three at most as for recovery, unless the scope's
// own counts vary by less.
func (f *fleet) clustered(l *live) float64 {
	if l.rate >= nearlyAll {
		return 1
	}
	return max(min(l.cluster, 3, f.dispersion(l.flag, []cohort.Where{l.where}, l.onset, f.now+cohort.Tick)), 1)
}

// chance returns the quiet rate of the flag, as one that a likelihood can be taken of.
func (l *live) chance() float64 { return min(max(l.base, 1e-6), 0.5) }

// level returns the level to ask of an interval with two sides, which is missed on each with a chance of 1 − √level. Where the flag is next to
// unknown in quiet times nothing lies beyond the first affected row, and all that may be missed is on one side.
func (l *live) level() float64 {
	if l.base <= cleanBase {
		return cleanLevel
	}
	return incident.OnsetLevel
}

// cleanLevel is the level of an interval that can be missed on one side only.
const cleanLevel = incident.OnsetLevel * incident.OnsetLevel

// odds returns what the rows about the first affected one are judged by.
func (f *fleet) odds(l *live) ledger.Odds {
	return ledger.Odds{Quiet: l.chance(), Alike: f.clustered(l), Level: l.level(), Clean: l.base <= cleanBase}
}

// hindsight returns the odds of rows that tell of those before them: how often quiet ones show what they should not, those of the past
// say, and each is taken by itself.
func hindsight(past [2]int64) ledger.Odds {
	o := ledger.Odds{Quiet: (float64(past[0]) + 0.5) / (float64(past[1]) + 1), Alike: 1, Level: incident.OnsetLevel}
	if o.Clean = o.Quiet <= threadRate; o.Clean {
		o.Level = cleanLevel
	}
	return o
}

// finely returns the stretches of a scope, those of the ticks that are kept in place of the five minutes that hold them.
func (f *fleet) finely(l *live, fives []stretch) []stretch {
	kept := f.ticksFrom()
	ticks, mixed := map[int64]*stretch{}, f.mixed(l)
	f.store.Ticks(l.where, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		off, n, ok := f.own(l, mixed, leaf, at, c)
		if at < kept || !ok {
			return
		}
		x := ticks[at]
		if x == nil {
			x = &stretch{at: at, end: at + cohort.Tick}
			ticks[at] = x
		}
		x.add(off, n)
	})
	var out []stretch
	for _, x := range fives {
		if x.at < kept && x.n+x.k > 0 {
			out = append(out, x)
		}
	}
	for _, at := range sortedKeys(ticks) {
		if x := ticks[at]; x.n+x.k > 0 {
			out = append(out, *x)
		}
	}
	return out
}

func (x *stretch) add(off cohort.Off, n int64) {
	x.n += float64(n)
	x.k += float64(off.Rows)
	if off.Rows > 0 && (x.first == 0 || off.First < x.first) {
		x.first = off.First
	}
}

// wasRight returns the start of the last hour before an instant in which a row of the scope could have been affected and was not;
// of a scope that is new, when it may have come; or else when the history began.
func (f *fleet) wasRight(l *live, before int64) int64 {
	last := int64(0)
	f.store.Hourly(l.where, 0, before, func(h int64, _ *cohort.Leaf, c *cohort.Cell) {
		if c.Opportunities(l.flag) > c.Flagged(l.flag).Rows {
			last = max(last, h)
		}
	})
	if last > 0 {
		return last
	}
	return f.came(l, l.finding.StartedAt)
}

// came returns when what first showed itself in a scope at an instant may have come at the earliest: users come upon a release when they
// have adopted it and next sit down, so at a rate that grows in proportion to the time since, at most.
func (f *fleet) came(l *live, first int64) int64 {
	type arrival struct{ at, users int64 }
	var seen []arrival
	note := func(at, size int64, c *cohort.Cell) {
		n := c.Users
		if l.by == byFlag {
			n = c.Flagged(l.flag).DayUsers
		}
		if n > 0 && at+size > first {
			seen = append(seen, arrival{at + size, n})
		}
	}
	if first >= f.now-cohort.KeepFives+cohort.Five {
		f.store.Fives(l.where, first-cohort.Five, f.now+cohort.Tick, func(at int64, _ *cohort.Leaf, c *cohort.Cell) { note(at, cohort.Five, c) })
	} else {
		f.store.Hourly(l.where, first-cohort.Hour, f.now+cohort.Tick, func(at int64, _ *cohort.Leaf, c *cohort.Cell) { note(at, cohort.Hour, c) })
	}
	byTime := map[int64]int64{}
	for _, a := range seen {
		byTime[a.at] += a.users
	}
	users, end := int64(0), first
	for _, at := range sortedKeys(byTime) {
		users, end = users+byTime[at], at
		if users >= comers {
			break
		}
	}
	return max(first-waited(users, end-first), f.first)
}

// waited returns how long nobody may have come, where n came within the time that followed on the first of them. Where the rate is
// proportional to the time since, the squares of the times at which the others came are uniform up to that of the last, and so
//
//	P(T₁/Tₙ > q) = (1 − q²)^(n−1),
//
// whatever the rate; a constant one waits for less. Few users say little: of two the bound is 38 times what lay between them.
func waited(n, within int64) int64 {
	if n < 2 {
		return 24 * cohort.Hour
	}
	q := math.Sqrt(1 - math.Pow(1-incident.OnsetLevel, 1/float64(min(n, comers)-1)))
	return int64(float64(within) * q / (1 - q))
}

// tellOnset returns between when and when a fault began, as far as the rows about the first affected one tell; to 0 says that they do
// not, from 0 that it was before them.
func tellOnset(about *ledger.About, odds ledger.Odds) (from, to int64) {
	hits, trials := make([]float64, len(about.Rows)), make([]float64, len(about.Rows))
	k, since := 0.0, 0.0 // rows affected, and all from the first of them on
	for i, c := range about.Rows {
		trials[i] = 1 / odds.Alike
		if c.Hit {
			hits[i] = trials[i]
			k++
		}
		if k > 0 {
			since++
		}
	}
	if k == 0 || about.Wider && k+float64(about.Hits) < nearlyAll*(since+float64(about.Trials)) {
		return 0, 0 // what is new spreads: its first row says little of when it came
	}
	hits, trials = append(hits, float64(about.Hits)/odds.Alike), append(trials, float64(about.Trials)/odds.Alike)
	o, err := changepoint.Binomial(hits, trials, odds.Quiet, odds.Level)
	if err != nil || o.High == len(about.Rows) {
		return 0, 0 // the rows that tell are not among them
	}
	if odds.Clean {
		return switchedOn(about.Rows, o.High), about.Rows[o.High].At
	}
	if o.Low > 0 {
		from = about.Rows[o.Low-1].At
	}
	return from, about.Rows[o.High].At
}

// bracketRows states the interval to the row, which booking has read again; what lies before its rows was said before.
func (f *fleet) bracketRows(l *live, from, to int64) {
	if from == 0 {
		from = l.finding.Onset.From
	}
	if from == 0 {
		from = f.first
	}
	l.finding.Onset, l.bracketed = incident.Interval{From: from, To: to}.Holding(l.finding.StartedAt), true
}

// bracketMeasure states between when and when a client's fault began: in what is new where its users rose above their pasts, and else where
// the counts that the measure is a quotient of stepped up, over five minutes.
func (f *fleet) bracketMeasure(l *live, fresh bool) {
	l.finding.Onset = incident.Interval{}
	if first := f.store.First(l.where); fresh || first > f.first+cohort.Hour && l.onset-first < cohort.EarlyFor {
		from, to := f.risen(l)
		if fresh || from == 0 {
			from = f.came(l, first) // with its users, long before the first was seen at it maybe
		}
		l.finding.Onset = incident.Interval{From: from, To: max(to, l.onset+cohort.Tick)}.Holding(l.finding.StartedAt)
		return
	}
	base := f.baseline(l)
	level := base.Level(l.measure)
	if level <= 0 {
		return
	}
	fives := map[int64]*verdict.Period{}
	f.store.Fives(l.where, max(f.now-cohort.KeepFives, f.first), f.now+cohort.Tick, func(at int64, _ *cohort.Leaf, c *cohort.Cell) {
		p := fives[at]
		if p == nil {
			p = &verdict.Period{}
			fives[at] = p
		}
		p.Add(c, 1)
	})
	at := sortedKeys(fives)
	counts, expected := make([]float64, len(at)), make([]float64, len(at))
	before, excess := 0.0, 0.0
	for i, t := range at {
		n, d := fives[t].Parts(l.measure)
		counts[i], expected[i] = max(n, 0), max(level*d, 1e-9)
		if t+cohort.Five <= l.onset-saidAfter(l.measure) && d > 0 {
			before++
			excess += float64((counts[i]-expected[i])*(counts[i]-expected[i])) / expected[i]
		}
	}
	if before < pearsonOver {
		return
	}
	phi := max(excess/before, 1) // Pearson's statistic: requests of one turn, and tokens of one request, are no independent counts
	for i := range counts {
		counts[i], expected[i] = counts[i]/phi, expected[i]/phi
	}
	o, err := changepoint.Poisson(counts, expected, incident.OnsetLevel)
	if err != nil || o.Effect <= 1 {
		return
	}
	span := incident.Interval{From: f.first, To: at[o.High] + cohort.Five}
	if o.Low > 0 {
		span.From = at[o.Low-1]
	}
	l.finding.Onset = span.Holding(l.finding.StartedAt)
}

// risen returns between when and when the users of what is new rose above what they used to do, as far as what was said of them tells: from 0
// says that it may have been before they came, to 0 that nothing does.
func (f *fleet) risen(l *live) (from, to int64) {
	moments, hourly := f.said(l)
	_, variance := f.normal(f.store.All, l.measure)
	var all cohort.Moment
	var at []int64
	var sums, weights []float64
	for _, t := range sortedKeys(moments) {
		if m := moments[t]; m.N > 0 {
			all.Merge(m)
			at, sums, weights = append(at, t), append(sums, (m.Sum-float64(m.N*l.base))/math.Sqrt(variance)), append(weights, m.N)
		}
	}
	alike := clusterOf(l.measure, all.N/max(all.Users, 1))
	for i := range sums {
		sums[i], weights[i] = sums[i]/alike, weights[i]/alike
	}
	o, err := changepoint.Gaussian(sums, weights, incident.OnsetLevel)
	if err != nil || o.Effect <= 0 {
		return 0, 0
	}
	if o.Low > 0 {
		from = at[o.Low-1] - saidAfter(l.measure)
	}
	if to = at[o.High] + cohort.Five; at[o.High] < hourly {
		to = at[o.High] + cohort.Hour
	}
	return from, to
}

// tells says whether booking is to state the interval to the row: while the incident is young, and once if it never has.
func (f *fleet) tells(l *live) bool {
	return !l.bracketed || f.now-l.openedAt <= refineFor
}

// keptGauges says whether most of what is wrong with a scope's gauges is that they were not reset.
func (l *live) keptGauges() bool {
	g := l.inside.Gauge
	return l.flag == cohort.GaugeOff && g != nil && g.Kept > g.Fast+g.Slow
}
