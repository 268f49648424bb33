package price

import (
	"fmt"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// spoilers are ways in which rows are wrong; three in ten are spoiled.
var spoilers = map[string]func(m *meter, e *event.Event){
	"none":          nil,
	"one factor":    func(_ *meter, e *event.Event) { e.Credits *= 12 },
	"its own each":  func(m *meter, e *event.Event) { e.Credits = e.Credits / 1000 * event.Credits(1500+m.IntN(20000)) },
	"lost discount": func(m *meter, e *event.Event) { e.Credits += event.Credits(e.Cached) * 1125 / 1000 * 1000 },
	"given away":    func(_ *meter, e *event.Event) { e.Credits = 1000 },
}

func TestLearnsExactPricesFromOneHundredRows(t *testing.T) {
	for name, spoil := range spoilers {
		for seed := range uint64(40) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				m := newMeter(seed)
				m.writes = seed%2 == 1
				b := NewBook(nil, nil)
				m.teach(b, 100, func(_ int, e *event.Event) {
					if spoil != nil && m.Float64() < 0.3 {
						spoil(m, e)
					}
				})
				m.exact(t, b)
				if q := b.Quote(m.row()); q.Card {
					t.Error("a learned price passes for the rate card's")
				}
			})
		}
	}
}

// Partitions learn from other rows, and must say the same of the next.
func TestDisjointHalvesLearnTheSame(t *testing.T) {
	for seed := range uint64(20) {
		m := newMeter(seed)
		m.users = 16
		half := [2]*Book{NewBook(nil, nil), NewBook(nil, nil)}
		for i := range 1000 {
			e := m.row()
			if m.Float64() < 0.3 {
				e.Credits *= 12
			}
			half[i/8%2].Observe(e)
		}
		a, b := half[0].learned["codex"].whole, half[1].learned["codex"].whole
		if a == nil || b == nil || a.vector != b.vector || a.round != b.round || a.spread != b.spread || half[0].rounding != half[1].rounding {
			t.Errorf("seed %d: %+v and %+v", seed, a, b)
		}
	}
}

func TestSplitByPlan(t *testing.T) {
	m := newMeter(3)
	m.users = 9 // so that each user is on both plans
	pro, business := m.prices, prices{"1", "0.1", "1.2", "8"}
	next := func() *event.Event {
		m.prices = pro
		plan := "pro"
		if m.n%2 == 1 {
			m.prices, plan = business, "business"
		}
		e := m.row()
		e.Dims[event.Plan] = plan
		return e
	}
	b := NewBook(nil, nil)
	right := func(rows int) (known int) {
		for range rows {
			e := next()
			q := b.Quote(e)
			if q.Known {
				known++
			}
			if q.Known && q.Expected != e.Credits {
				t.Fatalf("plan %s, %d written: %v, charged %v", e.Dims[event.Plan], e.CacheWrite, q.Expected, e.Credits)
			}
		}
		return known
	}
	for range 200 {
		b.Observe(next())
	}
	if l := b.learned["codex"]; l.by != event.Plan || len(l.parts) != 1 { // the other obeys the whole
		t.Fatalf("split by %v into %d parts", l.by, len(l.parts))
	}
	if n := right(200); n != 200 {
		t.Errorf("%d of 200 rows are priced", n)
	}
	frozen := b.Frozen()

	// A kind of token that comes later is learned plan by plan as well.
	m.writes = true
	if n := right(200); n == 200 {
		t.Error("what was never seen is priced")
	}
	for range 1000 {
		b.Observe(next())
	}
	if n := right(200); n != 200 {
		t.Errorf("%d of 200 rows are priced once all kinds have been seen", n)
	}
	b = frozen
	if n := right(200); n == 200 {
		t.Error("frozen, it learned from the book it was copied of")
	}
}

// A new meter, price list or arm would teach its own fault, so they never split.
func TestNeverSplitsByWhatCarriesFaults(t *testing.T) {
	for _, d := range []event.Dim{event.Meter, event.PriceID, event.Experiment, event.Client, event.ClientVersion, event.Origin} {
		m := newMeter(4)
		b := NewBook(nil, nil)
		m.teach(b, 400, func(i int, e *event.Event) {
			if i%10 < 4 {
				e.Dims[d] = "new"
				e.Credits *= 12
			}
		})
		e := m.row()
		e.Dims[d] = "new"
		if q := b.Quote(e); q.Expected != e.Credits || !q.Off(12*e.Credits) {
			t.Errorf("%v: %+v for a row of %v", d, q, e.Credits)
		}
	}
}

func TestUnseenTokenKindStaysUnpriced(t *testing.T) {
	m := newMeter(5)
	b := NewBook(nil, nil)
	m.teach(b, 100, nil)
	e := m.row()
	if !b.Quote(e).Known {
		t.Fatal("nothing was learned")
	}
	e.CacheWrite = 1
	e.Cached = min(e.Cached, e.Input-1)
	if q := b.Quote(e); q.Known {
		t.Errorf("a kind of token that was never seen has a price: %+v", q)
	}
	other := m.row()
	other.Dims[event.Model] = "mini"
	if q := b.Quote(other); q.Known {
		t.Errorf("a model that was never seen has a price: %+v", q)
	}
	m.writes = true
	m.teach(b, 1000, nil)
	m.exact(t, b)
}

// Where all that is not read from the cache is written to it, nobody is ever charged for plain input: cached input without its
// discount is what is written.
func TestLostDiscountWhereAllInputIsWritten(t *testing.T) {
	m := newMeter(8)
	b := NewBook(nil, nil)
	written := func(_ int, e *event.Event) {
		e.CacheWrite = e.Input - e.Cached
		e.Credits = bill(m.prices, e, m.round, m.how)
	}
	m.teach(b, 480, written)
	lost := 0
	for range 300 {
		e := m.row()
		written(0, e)
		if e.Cached < e.Input/2 {
			continue
		}
		right := b.Quote(e)
		if right.LostDiscount(e.Credits) {
			t.Errorf("charged right: %+v", right)
		}
		full := *e
		full.Cached, full.CacheWrite = 0, e.Input
		if right.LostDiscount(bill(m.prices, &full, m.round, m.how)) {
			lost++
		}
	}
	if lost < 50 {
		t.Errorf("%d rows are charged without their discount, want all", lost)
	}
	if q := b.Quote(m.row()); q.Known {
		t.Errorf("plain input, which was never seen, has a price: %+v", q)
	}
}

// A kind of token that appears with a faulty meter teaches at most its own price. These seeds lost theirs once.
func TestLearnedPriceIsNeverUnlearned(t *testing.T) {
	for _, seed := range []uint64{4, 6, 9, 53, 84, 131} {
		m := newMeter(seed)
		b := NewBook(nil, nil)
		m.teach(b, 100, nil)
		bad := *m
		bad.writes, bad.users = true, 60
		bad.teach(b, 6000, func(_ int, e *event.Event) { e.Credits *= 12 })
		m.exact(t, b)
	}
}

func TestOverlapOfCachedAndWritten(t *testing.T) {
	m := newMeter(7)
	b := NewBook(nil, nil)
	overlap := func(_ int, e *event.Event) {
		if e.Cached > 0 && m.Float64() < 0.7 {
			e.CacheWrite = e.Input - e.Cached + int64(m.Float64()*float64(e.Cached))
			e.Credits = bill(codex, e, m.round, m.how)
		}
	}
	m.teach(b, 480, overlap)
	for range 300 {
		e := m.row()
		overlap(0, e)
		if q := b.Quote(e); !q.Known || q.Expected != e.Credits {
			t.Fatalf("input %d, cached %d, written %d: %v (known %v), charged %v", e.Input, e.Cached, e.CacheWrite, q.Expected, q.Known, e.Credits)
		}
	}
}

func TestQuantum(t *testing.T) {
	charges := func(n int, unit event.Credits, odd int) []event.Event {
		rows := make([]event.Event, n)
		for i := range rows {
			rows[i].Credits = event.Credits(7+i) * unit
			if i < odd {
				rows[i].Credits += 1
			}
		}
		return rows
	}
	for _, c := range []struct {
		why  string
		rows []event.Event
		want event.Credits
	}{
		{"micro-credits", charges(100, 1000, 0), 1000},
		{"no common unit", charges(100, 1, 0), 1},
		{"five in a hundred may be off it", charges(100, 1000, 5), 1000},
		{"six may not", charges(100, 1000, 6), 1},
		{"the largest unit that is looked for", charges(100, 1e7, 0), 1e7},
		{"whole credits have hundredths too", charges(100, 1e9, 0), 1e7},
		{"units are powers of ten", charges(100, 25_000, 0), 1000},
	} {
		if got := quantum(c.rows); got != c.want {
			t.Errorf("%s: %d, want %d", c.why, int64(got), int64(c.want))
		}
	}
}

func TestLearnsWhatTheMeterRoundsTo(t *testing.T) {
	for _, unit := range []string{"0.000000001", "0.0000001", "0.000001", "0.00001", "0.0001"} {
		m := newMeter(8)
		m.round = credits(unit)
		b := NewBook(nil, nil)
		m.teach(b, 200, nil)
		if f := b.learned["codex"].whole; f == nil || f.round != m.round {
			t.Errorf("%s: %+v", unit, f)
			continue
		}
		m.exact(t, b)
	}
}

func TestTooFewToLearnFrom(t *testing.T) {
	m := newMeter(9)
	b := NewBook(nil, nil)
	m.teach(b, sampleMin-1, nil)
	if b.Quote(m.row()).Known {
		t.Errorf("%d rows taught a price", sampleMin-1)
	}
	m = newMeter(9)
	m.users = sampleMinUsers - 1
	b = NewBook(nil, nil)
	m.teach(b, 5000, nil)
	if b.Quote(m.row()).Known {
		t.Errorf("%d users taught a price", m.users)
	}
}

// What tells nothing of the price is not looked at: rows without tokens or charge, or in a planned change of price.
func TestObserveIgnoresWhatTeachesNothing(t *testing.T) {
	change := Change{From: day, To: day.Add(24 * time.Hour), Factor: 2}
	for why, spoil := range map[string]func(*event.Event){
		"no token fields": func(e *event.Event) { e.HasTokens = false },
		"no tokens":       func(e *event.Event) { e.Input, e.Cached, e.Output = 0, 0, 0 },
		"nothing charged": func(e *event.Event) { e.Credits = 0 },
		"given back":      func(e *event.Event) { e.Credits = -e.Credits },
		"planned change":  func(e *event.Event) { e.Credits *= 2 },
	} {
		var changes []Change
		if why == "planned change" {
			changes = []Change{change}
		}
		m := newMeter(10)
		b := NewBook(nil, changes)
		m.teach(b, 600, func(_ int, e *event.Event) { spoil(e) })
		if len(b.learned) != 0 {
			t.Errorf("%s: such rows are kept to learn from", why)
		}
	}
	m := newMeter(10)
	b := NewBook(nil, []Change{change})
	m.teach(b, 600, func(_ int, e *event.Event) { e.Time += int64(48 * time.Hour) })
	e := m.row()
	if q := b.Quote(e); q.Expected != 2*e.Credits {
		t.Errorf("learned after the change, in it a row of %v should cost twice that: %+v", e.Credits, q)
	}
}

func TestModelsAreCapped(t *testing.T) {
	b := NewBook(nil, nil)
	e := rowOf(day)
	e.Credits = 1000
	for i := range 2 * maxModels {
		e.Dims[event.Model] = fmt.Sprint(i)
		b.Observe(e)
	}
	if len(b.learned) != maxModels {
		t.Errorf("%d models are held, want %d", len(b.learned), maxModels)
	}
}

func TestFrozen(t *testing.T) {
	m := newMeter(11)
	b := NewBook(nil, nil)
	m.teach(b, 100, nil)
	half := newMeter(12)
	half.teach(b, 50, func(_ int, e *event.Event) { e.Dims[event.Model] = "half" })
	f := b.Frozen()
	m.exact(t, f)

	// It learns no more: neither a model, nor one half learned, nor a token kind, nor a way of rounding.
	m.writes, m.how = true, Up
	m.teach(f, 500, nil)
	half.teach(f, 500, func(_ int, e *event.Event) { e.Dims[event.Model] = "half" })
	half.teach(f, 500, func(_ int, e *event.Event) { e.Dims[event.Model] = "new" })
	for _, model := range []string{"half", "new"} {
		e := m.row()
		e.Dims[event.Model] = model
		if f.Quote(e).Known {
			t.Errorf("frozen, it has learned %s", model)
		}
	}
	m.writes, m.how = false, HalfUp
	m.exact(t, f)

	// And the book that it was taken of goes on by itself.
	m.writes = true
	m.teach(b, 1000, nil)
	m.exact(t, b)
	e := m.row()
	e.Cached, e.CacheWrite = 0, e.Input
	if f.Quote(e).Known {
		t.Error("frozen, it took a price from the book it was copied of")
	}
}

// A plan with a price of its own, of which few rows come, is not judged by the price of the others; once a row of it was right, it is.
func TestFewRowsOfAPlanAreNoFault(t *testing.T) {
	m := newMeter(11)
	list, own := m.prices, prices{"0.625", "0.0625", "0.625", "5"}
	b := NewBook(nil, nil)
	next := func(plan string, p prices) *event.Event {
		m.prices = p
		e := m.row()
		e.Dims[event.Plan] = plan
		return e
	}
	judged := func(plan string, p prices, rows int) (known, off int) {
		for range rows {
			e := next(plan, p)
			if q := b.Quote(e); q.Known {
				known++
				if q.Off(e.Credits) {
					off++
				}
			}
			b.Observe(e)
		}
		return known, off
	}
	judged("pro", list, 2000)
	if known, _ := judged("edu", own, partRows-1); known != 0 {
		t.Errorf("%d rows of a plan that never held to the price of the others are judged by it", known)
	}
	if known, off := judged("edu", own, 100); known < 98 || off != 0 {
		t.Errorf("of 100 rows more %d are judged and %d off", known, off)
	}
	judged("team", list, 1)
	if known, off := judged("team", own, 10); known != 10 || off != 10 {
		t.Errorf("of 10 rows of a plan that held to the price before, %d are judged and %d off", known, off)
	}
}
