package detector

import (
	"maps"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// Whose consumption is looked at: who people are and what they work with, and of the latter also what is rolled out. What a row was
// asked of or charged by says nothing of them.
var (
	whoDims  = []event.Dim{event.Plan, event.Client, event.Region, event.Surface, event.Org}
	withDims = append(slices.Clone(whoDims), event.ClientVersion, event.Meter, event.Experiment)
)

const (
	likeDays  = 7 // that a stretch is held against
	leastDays = 3 // of history, below which nobody knows how days differ
)

// draw is what one combination of withDims drew in a stretch of time, and in the same stretch of each day before.
type draw struct {
	leaf *cohort.Leaf
	now  drawn
	like []drawn
}

// drawn is what was drawn, and by how many people: of those with a past, who count again every cohort.SpanHours.
type drawn struct {
	verdict.Period
	people float64
	dear   float64 // the users' hours, each by how dear the model is that it began with
}

// plus returns d + x.
func (d drawn) plus(x drawn) drawn {
	return drawn{d.Plus(x.Period), d.people + x.people, d.dear + x.dear}
}

// drawnOf is what a combination of withDims drew of a model in an hour.
type drawnOf struct {
	leaf  *cohort.Leaf
	model string
	drawn
}

// drawnHours keeps what the store says of whole hours, put together by what consumption is looked at by: it is asked for the same hours over
// and over. It is no state: what comes late to an hour, or is dropped, makes it be put together anew.
type drawnHours struct {
	leaves map[[event.NumDims]string]*cohort.Leaf
	hours  map[int64][]drawnOf
}

// late forgets the hour of a cell that has just come.
func (d *drawnHours) late(at int64) { delete(d.hours, at-at%cohort.Hour) }

// hour returns what was drawn in the hour that starts at h.
func (f *fleet) hour(h int64) []drawnOf {
	d := &f.drawn
	if hour, ok := d.hours[h]; ok {
		return hour
	}
	if d.hours == nil {
		d.hours, d.leaves = map[int64][]drawnOf{}, map[[event.NumDims]string]*cohort.Leaf{}
	}
	type key struct {
		leaf  *cohort.Leaf
		model string
	}
	at := map[key]int{}
	var hour []drawnOf
	f.store.Hourly(nil, h, h+cohort.Hour, func(_ int64, leaf *cohort.Leaf, c *cohort.Cell) {
		var values [event.NumDims]string
		for _, k := range withDims {
			if slices.Contains(f.o.Dimensions, k) {
				values[k] = leaf.Values[k]
			}
		}
		if d.leaves[values] == nil {
			d.leaves[values] = &cohort.Leaf{Values: values}
		}
		k := key{d.leaves[values], leaf.Values[event.Model]}
		i, ok := at[k]
		if !ok {
			i, at[k] = len(hour), len(hour)
			hour = append(hour, drawnOf{leaf: k.leaf, model: k.model})
		}
		x := &hour[i]
		x.Add(c, 1)
		if c.Moments != nil {
			x.people += c.Moments[cohort.Turns].Days
		}
	})
	d.hours[h] = hour
	maps.DeleteFunc(d.hours, func(h int64, _ []drawnOf) bool { return h < f.now-cohort.KeepHours })
	return hour
}

// draws returns what each combination of withDims drew in [from, to) and in the same hours of the days before, latest first, in order of
// first appearance, and nothing where history is too short. from and to are whole hours; dear says how dear which model is.
func (f *fleet) draws(from, to int64, dear map[string]float64) (out []*draw) {
	byLeaf := map[*cohort.Leaf]*draw{}
	add := func(shift int64, part func(*draw) *drawn) {
		for h := from - shift; h < to-shift; h += cohort.Hour {
			hour := f.hour(h)
			for i := range hour {
				x := &hour[i]
				d := byLeaf[x.leaf]
				if d == nil {
					d = &draw{leaf: x.leaf, like: make([]drawn, likeDays)}
					byLeaf[x.leaf] = d
					out = append(out, d)
				}
				sum := part(d)
				*sum = sum.plus(drawn{x.Period, x.people, x.Users * dear[x.model]})
			}
		}
	}
	add(0, func(d *draw) *drawn { return &d.now })
	days := 0
	for ; days < likeDays && from-int64(days+1)*day >= f.first; days++ {
		add(int64(days+1)*day, func(d *draw) *drawn { return &d.like[days] })
	}
	if days < leastDays {
		return nil
	}
	for _, d := range out {
		d.like = d.like[:days]
	}
	return out
}

// mean returns what a combination drew in a like stretch.
func (d *draw) mean() (m drawn) {
	for _, x := range d.like {
		m = m.plus(x)
	}
	n := float64(len(d.like))
	return drawn{m.Scale(1 / n), m.people / n, m.dear / n}
}

// amount is what is looked at of a combination: what it came to now, what was to be expected, of how many people
// now and before, and what it came to on the days before.
type amount struct {
	*draw
	now, expected  float64
	people, before float64
	like           []float64
}

// jump is a scope that draws several times as much as it used to, by so many times the people.
type jump struct {
	where         cohort.Where
	times, people float64
	gain          float64 // nats for it
}

// jumped returns the scope whose amount jumped most evidently, to at least times what was expected of it, if any did that is worth it:
// by enough users, higher than on the days before. Users' hours come in sessions, so amounts vary by more than independent units do:
// by how much, the days before tell, of the combinations and of the scope as a part of everybody.
func (f *fleet) jumped(amounts []amount, named []event.Dim, times float64, worth func(jump) bool) (out jump, ok bool) {
	t := newCoded()
	sum, n := 0.0, 0.0
	for _, a := range amounts {
		t.add(a.leaf, localise.Sums{a.now, a.expected, a.people, a.before})
		if x, free := dispersion(a.like); free > 0 {
			sum, n = sum+x*free, n+free
		}
	}
	each := max(sum/max(n, 1), 1)
	t.done(slices.DeleteFunc(slices.Clone(named), func(d event.Dim) bool { return !slices.Contains(f.o.Dimensions, d) }))
	everybody := total(amounts, nil)
	var narrower []localise.Cut
	for _, c := range localise.Search(t.Table, localise.Poisson(1/each), 2) {
		out = jump{f.where(c, t), c.Sums[0] / c.Sums[1], c.Sums[2] / c.Sums[3], c.Score}
		days := total(amounts, out.where)
		all, _ := dispersion(trimmed(level(days, everybody)))
		switch {
		case c.Score < f.nats(RuleMeasures) || !(c.Score*each/max(all, each) >= f.nats(RuleMeasures)) || c.Sums[0] < times*c.Sums[1]:
		case c.Sums[2] < surgePeople || c.Sums[3] < surgePeople/2:
		case c.Sums[0] < surgeEnd*slices.Max(trimmed(days)):
		case !without(t, c, narrower, times):
		case worth(out):
			return out, true
		}
		narrower = append(narrower, c)
	}
	return jump{}, false
}

// without says whether a cut jumped also without those that jumped more evidently, but by too few to tell: what is theirs is not everybody's.
func without(t *coded, c localise.Cut, others []localise.Cut, times float64) bool {
	gone := map[int]bool{}
	for _, o := range others {
		for _, i := range t.RowsOf(o) {
			gone[i] = true
		}
	}
	now, expected := 0.0, 0.0
	for _, i := range t.RowsOf(c) {
		if !gone[i] {
			now, expected = now+t.Rows[i][0], expected+t.Rows[i][1]
		}
	}
	return now > 0 && now >= times*expected
}

// dispersion returns how many times more than independent units amounts of like stretches vary: Pearson's statistic over its degrees of
// freedom, 0 where they tell nothing.
func dispersion(like []float64) (x, free float64) {
	mean, variance := stat.MeanVariance(like, nil)
	if !(mean > 0) || len(like) < 2 {
		return 0, 0
	}
	return variance / mean, float64(len(like) - 1)
}

// total returns what a scope's amounts came to on each of the days before.
func total(amounts []amount, where cohort.Where) (days []float64) {
	for _, a := range amounts {
		if !where.Matches(&a.leaf.Values) {
			continue
		}
		if days == nil {
			days = make([]float64, len(a.like))
		}
		floats.Add(days, a.like)
	}
	return days
}

// level returns what days came to, were they all alike for everybody: weekends are.
func level(days, everybody []float64) []float64 {
	out := slices.Clone(days)
	floats.Div(out, everybody)
	floats.Scale(stat.Mean(everybody, nil), out)
	return out
}

// trimmed returns days in order, without the highest of four or more: yesterday may have been of the same kind as today.
func trimmed(days []float64) []float64 {
	out := slices.Sorted(slices.Values(days))
	return out[:len(out)-len(out)/4]
}
