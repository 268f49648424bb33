package cohort

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/event"
)

// drawCell draws a cell; about half of them carry flags, shapes and moments.
func drawCell(t *rapid.T) *Cell {
	n := func(most int64) int64 { return rapid.Int64Range(0, most).Draw(t, "n") }
	c := &Cell{
		Rows: n(1000), Requests: n(1000), Background: n(10), Turns: n(100), Users: n(50), Budgeted: n(50), Dry: n(9), Failures: n(20), CachedRows: n(500),
		PricedRows: n(900), Gauged: n(300), Input: n(1e12), Cached: n(1e12), CacheWrite: n(1e9), Output: n(1e9),
	}
	for _, s := range []*event.Sum{&c.Credits, &c.Usage, &c.Priced, &c.List, &c.Full} {
		s.Add(event.Credits(n(math.MaxInt64))) // two of them leave 64 bits
	}
	if rapid.Bool().Draw(t, "off") {
		for f := range NumFlags {
			o := c.OffOf(f)
			if o.Rows = n(5); o.Rows > 0 {
				o.Users, o.DayUsers = n(5), n(5)
				o.Charged.Add(event.Credits(n(math.MaxInt64)))
				o.Expected.Add(event.Credits(n(1e9)))
				o.Seen(1 + n(1e6))
				o.Seen(1 + n(1e6))
			}
		}
	}
	x := rapid.Float64Range(-5, 5)
	if rapid.Bool().Draw(t, "shape") {
		c.Shape = new(Shape)
		c.Shape.Observe(x.Draw(t, "input"), x.Draw(t, "discount"), x.Draw(t, "charge"))
	}
	if rapid.Bool().Draw(t, "gauge") {
		c.Gauge = &Gauge{Fast: n(9), Slow: n(9), Kept: n(9), Shown: n(1e9), Due: n(1e9)}
	}
	if rapid.Bool().Draw(t, "moments") {
		c.Moments = new([NumMoments]Moment)
		for m := range c.Moments {
			c.Moments[m].Observe(x.Draw(t, "x"), rapid.Bool().Draw(t, "hour"), rapid.Bool().Draw(t, "day"))
		}
	}
	return c
}

func sumOf(cells ...*Cell) *Cell {
	sum := new(Cell)
	for _, c := range cells {
		sum.Add(c)
	}
	return sum
}

// sameCell compares what is counted exactly and what is measured within rounding.
func sameCell(t interface{ Fatalf(string, ...any) }, what string, a, b *Cell) {
	for f := range NumFlags {
		if a.Flagged(f) != b.Flagged(f) {
			t.Fatalf("%s: %v: %+v and %+v", what, f, a.Flagged(f), b.Flagged(f))
		}
	}
	var shapes [2]Shape
	var gauges [2]Gauge
	var moments [2][NumMoments]Moment
	x, y := *a, *b
	for i, c := range []*Cell{&x, &y} {
		if c.Shape != nil {
			shapes[i] = *c.Shape
		}
		if c.Moments != nil {
			moments[i] = *c.Moments
		}
		if c.Gauge != nil {
			gauges[i] = *c.Gauge
		}
		c.Off, c.Shape, c.Gauge, c.Moments = nil, nil, nil, nil
	}
	if x != y || gauges[0] != gauges[1] {
		t.Fatalf("%s: %+v and %+v", what, x, y)
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(a)) }
	for i, p := range shapes[0].fields() {
		if !near(*p, *shapes[1].fields()[i]) {
			t.Fatalf("%s: shapes %+v and %+v", what, shapes[0], shapes[1])
		}
	}
	for m := range NumMoments {
		if !sameMoment(moments[0][m], moments[1][m]) {
			t.Fatalf("%s: %v: %+v and %+v", what, m, moments[0][m], moments[1][m])
		}
	}
}

func sameMoment(p, q Moment) bool {
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(a)) }
	return near(p.N, q.N) && near(p.Users, q.Users) && near(p.Days, q.Days) && near(p.Up, q.Up) && near(p.Sum, q.Sum) && near(p.Squares, q.Squares)
}

// Cells of partitions add up in any order and any grouping.
func TestCellAddIsCommutativeAndAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawCell(t), drawCell(t), drawCell(t)
		sameCell(t, "a+b and b+a", sumOf(a, b), sumOf(b, a))
		sameCell(t, "(a+b)+c and a+(b+c)", sumOf(sumOf(a, b), c), sumOf(a, sumOf(b, c)))
		sameCell(t, "a+0 and a", sumOf(a, new(Cell)), a)
	})
}

// A sum owns what it holds: adding to it later leaves the parts as they were.
func TestCellAddKeepsItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawCell(t), drawCell(t)
		before := sumOf(a)
		sumOf(a, b).OffOf(Over).Rows++
		s := sumOf(a)
		s.Add(b)
		s.Add(b)
		sameCell(t, "a before and after", before, a)
	})
}

func TestOffSpansItsRows(t *testing.T) {
	var o Off
	for _, at := range []int64{50, 20, 90, 60} {
		o.Seen(at)
	}
	if o.First != 20 || o.Last != 90 {
		t.Errorf("from %d to %d, want 20 to 90", o.First, o.Last)
	}
	empty := Off{}
	o.add(&empty)
	if o.First != 20 || o.Last != 90 {
		t.Errorf("nothing added: from %d to %d", o.First, o.Last)
	}
}

// Opportunities are never fewer than what was found, or a rate would exceed one.
func TestOpportunities(t *testing.T) {
	c := &Cell{Rows: 100, Failures: 9, CachedRows: 40, PricedRows: 80, Gauged: 25}
	c.OffOf(Penalised).Rows = 7
	for f, want := range map[Flag]int64{
		Over: 80, Under: 80, CacheLost: 40, FailureCharged: 9, Duplicate: 100, Copy: 100, NoTokens: 100,
		Penalised: 107, // a penalty is a row of its own
		GaugeOff:  25,
	} {
		if got := c.Opportunities(f); got != want {
			t.Errorf("%v: %d, want %d", f, got, want)
		}
	}
}

// One user's value is clipped, counts as a user where it is the first of an hour or day, and as up only beyond UpBy.
func TestMomentObserve(t *testing.T) {
	var m Moment
	m.Observe(100, true, true)
	m.Observe(-100, false, false)
	m.Observe(UpBy, true, true)
	m.Observe(0.5, false, true)
	want := Moment{N: 4, Sum: UpBy + 0.5, Squares: 2*Clip*Clip + UpBy*UpBy + 0.25, Users: 2, Days: 3, Up: 2}
	if !sameMoment(m, want) {
		t.Errorf("%+v, want %+v", m, want)
	}
	if mean := m.Mean(); math.Abs(mean-want.Sum/4) > 1e-12 {
		t.Errorf("mean %v", mean)
	}
	if v := m.Variance(); math.Abs(v-(want.Squares/4-m.Mean()*m.Mean())) > 1e-12 {
		t.Errorf("variance %v", v)
	}
	if (Moment{}).Mean() != 0 || (Moment{}).Variance() != 0 {
		t.Error("an empty moment has a mean or a variance")
	}
}

func TestNamesDiffer(t *testing.T) {
	seen := map[string]bool{"": true}
	for f := range NumFlags {
		if seen[f.String()] {
			t.Errorf("flag %d: name %q", f, f)
		}
		seen[f.String()] = true
	}
	for m := range NumMoments {
		if seen[m.String()] {
			t.Errorf("measure %d: name %q", m, m)
		}
		seen[m.String()] = true
	}
}
