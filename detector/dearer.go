package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Who draws more for as much, from dearer models, is charged rightly, and by no client's or meter's fault that rows could show: people may
// have chosen them, or something chose for them. It is recorded where the model has just come, and else said as what it is: unknown.
const (
	dearerStart = 2.5
	dearerEnd   = 1.5
	dearerMoved = 0.3 // of the users' hours that have to begin with other models than before: a few speak for nobody else
)

// dearer returns the scope whose users' hours begin with dearer models, and how dear those were that they used to begin with.
func (f *fleet) dearer(draws []*draw, from, to int64) (x jump, usual float64, ok bool) {
	before := usually(draws)
	var all drawn
	days := make([]float64, len(draws[0].like))
	for _, d := range draws {
		all.Users += d.now.Users
		for k, p := range d.like {
			days[k] += p.Users
		}
	}
	amounts := make([]amount, len(draws))
	for i, d := range draws {
		amounts[i] = amount{draw: d, now: d.now.dear, expected: before(d) * d.now.Users, people: d.now.Users, before: d.mean().Users}
		for k, p := range d.like {
			amounts[i].like = append(amounts[i].like, p.dear*all.Users/max(days[k], 1))
		}
	}
	x, ok = f.jumped(amounts, withDims, dearerStart, func(x jump) bool {
		return !f.says(verdict.Blamed, f.explainedBy(x.where)) && !f.says(verdict.Crowded, f.rerouted(x.where, from, to) < dearerMoved)
	})
	expected, hours := 0.0, 0.0
	for i, d := range draws {
		if x.where.Matches(&d.leaf.Values) {
			expected, hours = expected+amounts[i].expected, hours+d.now.Users
		}
	}
	return x, expected / max(hours, 1), ok
}

// dearness returns what a row of each model costs at list price, over what a row costs, as of the last day.
func (f *fleet) dearness(from, to int64) map[string]float64 {
	list, rows, all := map[string]float64{}, map[string]float64{}, verdict.Period{}
	for h := from - 24*cohort.Hour; h < to; h += cohort.Hour {
		for _, x := range f.hour(h) {
			list[x.model], rows[x.model] = list[x.model]+x.List, rows[x.model]+x.Rows
			all = all.Plus(x.Period)
		}
	}
	for model := range list {
		if list[model] /= max(rows[model], 1) * all.List / max(all.Rows, 1); !(list[model] < math.Inf(1)) {
			list[model] = 0 // nothing has a price
		}
	}
	return list
}

// usually returns how dear the models were that a combination's hours began with on the days before; where they are few, less by
// themselves than by its client, and there than by everybody. What is rolled out has no past of its own.
func usually(draws []*draw) func(*draw) float64 {
	const few = 20 // hours for which the wider figure counts
	byClient, byWho, all := map[string]drawn{}, map[[event.NumDims]string]drawn{}, drawn{}
	who := func(d *draw) [event.NumDims]string {
		values := d.leaf.Values
		for _, k := range adoptable {
			values[k] = ""
		}
		return values
	}
	for _, d := range draws {
		client := d.leaf.Values[event.Client]
		for _, p := range d.like {
			all, byClient[client], byWho[who(d)] = all.plus(p), byClient[client].plus(p), byWho[who(d)].plus(p)
		}
	}
	within := func(s drawn, wider float64) float64 { return (s.dear + few*wider) / (s.Users + few) }
	return func(d *draw) float64 {
		return within(byWho[who(d)], within(byClient[d.leaf.Values[event.Client]], all.dear/max(all.Users, 1)))
	}
}

// explainedBy says whether an open incident has to do with rows of a scope.
func (f *fleet) explainedBy(where cohort.Where) bool {
	return slices.ContainsFunc(f.lives, func(l *live) bool {
		return l.open() && l.user == "" && (l.by == byFlag || l.by == byMeasure || l.by == byCost) && !l.where.Excludes(where)
	})
}

// models returns with which models what share of a scope's users' hours began over some whole hours, and how many hours there were.
func (f *fleet) models(where cohort.Where, from, to int64) (shares map[string]float64, hours float64) {
	shares = map[string]float64{}
	f.store.Hourly(where, from, to, func(_ int64, leaf *cohort.Leaf, c *cohort.Cell) {
		shares[leaf.Values[event.Model]] += float64(c.Users)
		hours += float64(c.Users)
	})
	hours = max(hours, 1)
	for name := range shares {
		shares[name] /= hours
	}
	return shares, hours
}

// gained returns what share of a scope's users' hours begins with other models than before, and how much of it with those that were not
// there at all.
func gained(now, before map[string]float64) (moved, fresh float64) {
	for _, name := range sortedKeys(now) {
		x := max(now[name]-before[name], 0)
		if moved += x; before[name] == 0 {
			fresh += x
		}
	}
	return moved, fresh
}

// rerouted returns the share of a scope's users' hours that began with other models than on the days before.
func (f *fleet) rerouted(where cohort.Where, from, to int64) float64 {
	now, _ := f.models(where, from, to)
	before, _ := f.models(where, from-likeDays*24*cohort.Hour, from)
	moved, _ := gained(now, before)
	return moved
}

// chosen says whether most of what moved went to models that nobody had a day before, and not along a release: people try what is new.
func (f *fleet) chosen(l *live, from, to int64) bool {
	now, _ := f.models(l.where, from, to)
	before, _ := f.models(nil, from-likeDays*24*cohort.Hour, from-24*cohort.Hour)
	moved, fresh := gained(now, before)
	return fresh > moved/2 && f.adoptedIn(l) == ""
}

// watchCost opens the incident of those whose turns cost more.
func (f *fleet) watchCost(draws []*draw, dear map[string]float64, from, to int64) {
	x, usual, ok := f.dearer(draws, from, to)
	if !ok {
		return
	}
	for _, l := range f.lives {
		if l.by == byCost && l.Status == incident.Resolved && f.now-l.endedAt < reopenAfter && l.where.Equal(x.where) {
			f.followCost(l)
			return
		}
	}
	l := f.surgeOf(x.where, from)
	l.by, l.base, l.gain, l.openedAt = byCost, usual, x.gain, f.now
	l.onset = f.dearerFrom(l, dear, x.times)
	l.finding.StartedAt = l.onset
	f.resum(l)
	cause := verdict.Unexplained
	if f.chosen(l, from, to) {
		cause = verdict.Surge
	}
	f.judge(l, cause)
	switch {
	case math.Log(l.finding.Verdict.Factor(verdict.Unexplained.Factor)) < math.Log(x.times)/2:
		return // their requests, tokens or cache moved, of which others speak
	case f.expected(l, cause, x.times):
		f.sparedCohort(RuleMeasures, l, "planned", "the calendar expects it: %q", f.planned(l))
		return
	}
	f.adopt(l)
}

// dearerFrom returns the five minutes, or the hour where those are kept no more, from which on it is likeliest that a scope's hours began
// with models so many times as dear.
func (f *fleet) dearerFrom(l *live, dear map[string]float64, times float64) (onset int64) {
	fives := map[int64]*drawn{}
	add := func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		if fives[at] == nil {
			fives[at] = &drawn{}
		}
		fives[at].Users += float64(c.Users)
		fives[at].dear += float64(c.Users) * dear[leaf.Values[event.Model]]
	}
	kept := f.now - f.now%cohort.Hour - cohort.KeepFives + cohort.Hour
	f.store.Hourly(l.where, f.now-surgeBack, kept, add)
	f.store.Fives(l.where, kept, f.now, add)
	sum, best := 0.0, math.Inf(-1)
	for _, at := range slices.Backward(sortedKeys(fives)) {
		sum += fives[at].dear*math.Log(times) - l.base*fives[at].Users*(times-1)
		if sum > best {
			onset, best = at, sum
		}
	}
	return onset
}

// followCost keeps on record that a scope's hours begin with dearer models than before it, or resolves it.
func (f *fleet) followCost(l *live) {
	from, to := f.lastHours()
	from = min(from, l.lastHit+1)
	onset := l.onset - l.onset%cohort.Hour
	dear := f.dearness(onset, to)
	level := func(where cohort.Where, from, to int64) (level, hours float64) {
		models, n := f.models(where, from-from%cohort.Hour, to)
		for _, name := range sortedKeys(models) {
			level += models[name] * dear[name]
		}
		return level, n
	}
	where, _ := f.before(l)
	now, n := level(l.where, from, to)
	before, _ := level(where, onset-likeDays*day, onset)
	switch {
	case n < surgeHours:
		return
	case now >= dearerEnd*before:
		l.lastHit, l.finding.Over = min(to-1, f.head), false
	default:
		l.finding.Over = true
	}
	f.resum(l)
	l.finding.Users = max(l.finding.Users, int(n))
	f.judge(l, l.Cause)
	f.update(l)
}
