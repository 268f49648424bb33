package price

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/stats"
)

const (
	maxPlans       = 64  // plans of a model that are looked at apart
	maxModels      = 512 // models whose price is learned; more are left unpriced
	sampleMax      = 480 // rows that a price is learned from at most
	sampleUserMax  = 40  // of them, rows of one user
	sampleMin      = 96  // first attempt
	sampleMinUsers = 8
	alike          = 0.995 // of the rows that obey one price, above which none is looked for apart
	apart          = 0.05  // of a value's rows may obey the whole's price where it has its own
	roughly        = 0.03  // relative error of a price that more rows should mend
	roughSpread    = 0.25  // what counts as noise about a price that is known no better
	fitShare       = 0.9   // of the rows that one price vector has to explain before a split is tried
)

// SplitBy are the dimensions by which list prices may differ by design; never meter, price list, experiment or client.
var SplitBy = []event.Dim{event.Plan, event.Pool, event.Surface, event.Region, event.Org}

// fit is one learned price vector.
type fit struct {
	vector
	known  [4]bool // input, cached, cache write, output: kinds that the sample held
	round  event.Credits
	spread float64       // relative error that is still noise
	abs    event.Credits // absolute error that is still noise
	rough  bool          // the sample does not tell the prices closely yet
	rows   int
}

// keeps says whether f holds every price that old holds.
func (f *fit) keeps(old *fit) bool {
	is, was := f.prices(), old.prices()
	for k, known := range old.known {
		if known && (!f.known[k] || is[k] != was[k]) {
			return false
		}
	}
	return true
}

func (f *fit) prices() [4]int64 { return [4]int64{f.input, f.cached, f.cacheWrite, f.output} }

func (f *fit) covers(e *event.Event) bool {
	return (f.known[0] || e.Input-e.Cached-e.CacheWrite <= 0) && (f.known[1] || e.Cached == 0) &&
		(f.known[2] || e.CacheWrite == 0) && (f.known[3] || e.Output == 0)
}

// learner collects a sample of one model's rows and fits it.
type learner struct {
	sample []event.Event
	users  map[string]int
	next   int // sample size at which to try again
	whole  *fit
	full   bool      // the sample has been full once: what is learned is learned
	stale  stale     // what the last full sample told, if it taught nothing
	by     event.Dim // split dimension, NumDims if none
	parts  map[string]*fit
	thin   map[string][]event.Event // rows of plans that the sample held too few of
	tried  map[string]bool          // plans that hold to what is known of the whole, or were given up; never changed in place
}

func newLearner() *learner {
	return &learner{users: map[string]int{}, next: sampleMin, by: event.NumDims}
}

func (l *learner) pick(e *event.Event) *fit {
	if l.by < event.NumDims {
		if f := l.parts[e.Dims[l.by]]; f != nil {
			return f
		}
	}
	return l.whole
}

func (l *learner) observe(e *event.Event) {
	n := l.users[e.User]
	if n >= sampleUserMax {
		return
	}
	if len(l.sample) >= sampleMax {
		// Full and still unexplained: begin again, so that a bad first sample is not kept for ever.
		l.sample, l.users, l.next = l.sample[:0], map[string]int{}, sampleMin
		n = 0
	}
	l.users[strings.Clone(e.User)] = n + 1
	l.sample = append(l.sample, keep(e))
	if len(l.sample) < l.next {
		return
	}
	l.next += sampleMin
	if len(l.users) < sampleMinUsers && len(l.sample) < sampleMax || l.full && !l.news() {
		return
	}
	l.learn()
}

// keep returns what a sample keeps of a row.
func keep(e *event.Event) event.Event {
	kept := event.Event{Credits: e.Credits, Input: e.Input, Cached: e.Cached, CacheWrite: e.CacheWrite, Output: e.Output, HasTokens: true}
	for _, d := range SplitBy {
		kept.Dims[d] = strings.Clone(e.Dims[d])
	}
	return kept
}

func (l *learner) learn() {
	before := *l
	defer func() { l.learned(&before) }()
	whole, explained := fitSample(l.sample)
	switch {
	case l.whole != nil && !l.whole.rough:
		l.extend(whole)
	case whole != nil && l.whole != nil && share(l.whole.vector, l.sample, l.whole.round, 0) >= share(whole.vector, l.sample, whole.round, 0):
		l.whole.rough = l.whole.rough && len(l.sample) < sampleMax // more rows say nothing better
	case whole != nil:
		l.whole = whole
		l.whole.rough = whole.rough && len(l.sample) < sampleMax
	}
	if l.whole != nil && l.by == event.NumDims && explained < alike {
		l.split(explained)
	}
	if l.whole != nil {
		for i := range l.sample {
			l.try(&l.sample[i])
		}
	}
	l.full = l.full || len(l.sample) >= sampleMax
}

// extend takes the prices of token kinds that were not seen before, and none other: what appeared with a faulty meter must
// not change a price that was learned without it. Copies that Frozen returned are left as they are.
func (l *learner) extend(whole *fit) {
	if l.by != event.NumDims {
		rest := slices.DeleteFunc(slices.Clone(l.sample), func(e event.Event) bool { return l.parts[e.Dims[l.by]] != nil })
		whole, _ = fitSample(rest)
	}
	if whole != nil && whole.keeps(l.whole) {
		l.whole = whole
	}
	if l.by == event.NumDims {
		return
	}
	parts := maps.Clone(l.parts)
	for v, rows := range l.groups(l.by) {
		if f, _ := fitSample(rows); f != nil && parts[v] != nil && f.keeps(parts[v]) {
			parts[v] = f
		}
	}
	l.parts = parts
}

// groups returns the sample by the values of d.
func (l *learner) groups(d event.Dim) map[string][]event.Event {
	groups := map[string][]event.Event{}
	for _, e := range l.sample {
		groups[e.Dims[d]] = append(groups[e.Dims[d]], e)
	}
	return groups
}

// split looks for the dimension whose values, where they have a price of their own, explain most of the sample. A value has
// one when hardly any of its rows, from the first on, obey the whole's: what obeyed it before is not priced apart but wrong.
func (l *learner) split(share float64) {
	best := share + 0.02
	for _, d := range SplitBy {
		groups := l.groups(d)
		if len(groups) < 2 {
			continue
		}
		parts, explained := map[string]*fit{}, 0.0
		for v, rows := range groups {
			obey := l.whole.share(rows)
			if f, s := fitSample(rows); f != nil && s >= fitShare && len(rows) >= partRows && obey < apart {
				parts[v] = f
				obey = s
			}
			explained += obey * float64(len(rows))
		}
		if x := explained / float64(len(l.sample)); len(parts) > 0 && x > best {
			best, l.by, l.parts = x, d, parts
		}
	}
}

// share returns the share of rows that obey f.
func (f *fit) share(rows []event.Event) float64 {
	n := 0
	for i := range rows {
		if f.obeyed(&rows[i]) {
			n++
		}
	}
	return float64(n) / float64(len(rows))
}

func (f *fit) obeyed(e *event.Event) bool {
	want := f.list(e, false).round(f.round, HalfUp)
	d := e.Credits - want
	return max(d, -d) <= f.slack(want)
}

// slack returns the difference from a charge that is still noise.
func (f *fit) slack(want event.Credits) event.Credits {
	return max(event.Credits(float64(want)*max(Tolerance, f.spread)), f.abs, f.round, 1)
}

// fitSample returns the price vector that explains most of the rows, and the share that it explains.
func fitSample(rows []event.Event) (*fit, float64) {
	if len(rows) < 12 {
		return nil, 0
	}
	x, y := columns(rows)
	round := quantum(rows)
	var slack []float64
	law := func(tol float64) (stats.Fit, bool) {
		slack = slacks(y, tol, round)
		f, err := stats.RobustLinear(x, y, slack, rand.New(rand.NewPCG(1, uint64(len(rows)))))
		return f, err == nil && f.Share >= 0.5
	}
	for _, tol := range []float64{0.003, 0.02, 0.08} {
		f, ok := law(tol)
		if !ok {
			continue
		}
		share := f.Share
		var obey []event.Event
		for i, e := range rows {
			if math.Abs(y[i]-f.Predict(x[i])) <= slack[i] {
				obey = append(obey, e)
			}
		}
		// Rows that are off by little pull the law; where most rows obey one far more closely, it is theirs.
		if g, ok := law(tol / 10); ok {
			f = g
		}
		out := &fit{round: quantum(obey), rows: len(rows), spread: 3 * tol}
		if tol == 0.003 {
			out.spread = 0
		}
		for k := range out.known {
			out.known[k] = f.Identified[k]
		}
		out.vector = snapped(f.Coef, out.known, rows, out.round, tol)
		if out.known[2] && !out.known[0] {
			out.input = out.cacheWrite // all that is not read from the cache is written to it: the nearest to a price without discount
		}
		for k, c := range f.Coef {
			if out.known[k] && c > 0 && f.Err[k]/c > roughly {
				out.rough = true
				out.spread = roughSpread
			}
		}
		out.abs = scatter(out.vector, obey, out.round)
		return out, share
	}
	return nil, 0
}

// columns returns what a law is fitted to: millions of tokens of each kind, as vector.list prices them, and charges.
func columns(rows []event.Event) (x [][]float64, y []float64) {
	x, y = make([][]float64, len(rows)), make([]float64, len(rows))
	kinds := make([][4]float64, len(rows))
	for i := range rows {
		e := &rows[i]
		written := min(e.CacheWrite, e.Input-e.Cached)
		kinds[i] = [4]float64{float64(e.Input-e.Cached-written) / 1e6, float64(e.Cached) / 1e6, float64(written) / 1e6, float64(e.Output) / 1e6}
		x[i], y[i] = kinds[i][:], e.Credits.Float64()
	}
	return x, y
}

// slacks returns by how much charges y may be off a law that holds to tol, rounded as they are.
func slacks(y []float64, tol float64, round event.Credits) []float64 {
	s := make([]float64, len(y))
	for i := range s {
		s[i] = tol*y[i] + 2*round.Float64()
	}
	return s
}

// scatter returns how far charges lie from the law in credits, where that is more than the rounding seen: a meter may round
// what it then marks up, or to a unit that is no power of ten. It is half as much again as 98% of the rows that obey.
func scatter(v vector, rows []event.Event, round event.Credits) event.Credits {
	if len(rows) == 0 {
		return 0
	}
	off := make([]event.Credits, len(rows))
	for i := range rows {
		d := rows[i].Credits - v.list(&rows[i], false).round(round, HalfUp)
		off[i] = max(d, -d)
	}
	slices.Sort(off)
	return off[len(off)*98/100] * 3 / 2
}

// quantum returns the largest power of ten, in nano-credits up to a hundredth of a credit, of which 95% of the charges are multiples.
func quantum(rows []event.Event) event.Credits {
	for q := event.Credits(10_000_000); q > 1; q /= 10 {
		n := 0
		for _, e := range rows {
			if e.Credits%q == 0 {
				n++
			}
		}
		if n*20 >= len(rows)*19 {
			return q
		}
	}
	return 1
}

// snapped returns coef as prices with the fewest digits that explain as many rows as more digits do: price lists are written
// by people, and two partitions that each learned from other rows then agree to the last digit.
func snapped(coef []float64, known [4]bool, rows []event.Event, round event.Credits, tol float64) vector {
	best := vector{nano(coef[0]), nano(coef[1]), nano(coef[2]), nano(coef[3])}
	most := share(best, rows, round, tol/10)
	for digits := 6; digits >= 2; digits-- {
		var p [4]int64
		ok := true
		for k, c := range coef {
			if !known[k] || c <= 0 {
				continue
			}
			scale := math.Pow(10, float64(digits)-1-math.Floor(math.Log10(c)))
			s := math.Round(c*scale) / scale
			if math.Abs(s-c) > max(tol, 0.003)*c {
				ok = false
				break
			}
			p[k] = int64(math.Round(s * 1e9))
		}
		if !ok {
			break
		}
		v := vector{p[0], p[1], p[2], p[3]}
		// Less than half is noise, which fewer digits fit as well as any.
		if n := share(v, rows, round, tol/10); n >= 0.5 && n >= most-0.02 {
			best, most = v, max(most, n)
		}
	}
	return best
}

func nano(c float64) int64 { return int64(math.Round(max(c, 0) * 1e9)) }

func share(v vector, rows []event.Event, round event.Credits, tol float64) float64 {
	n := 0
	for i := range rows {
		want := v.list(&rows[i], false).round(round, HalfUp)
		if d := rows[i].Credits - want; math.Abs(float64(d)) <= float64(want)*tol+float64(round) {
			n++
		}
	}
	return float64(n) / float64(len(rows))
}
