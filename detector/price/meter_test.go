package price

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

var day = time.Date(2026, 6, 25, 0, 0, 0, 0, time.UTC)

// credits reads a decimal, so that tables show prices as people write them.
func credits(s string) event.Credits {
	c, err := event.ParseCredits(s)
	if err != nil {
		panic(err)
	}
	return c
}

// prices are a model's list prices, and codex those of most tests here: cached input costs a tenth.
type prices struct{ input, cached, cacheWrite, output string }

var codex = prices{"1.25", "0.125", "1.5", "10"}

func (p prices) entry(round string) Entry {
	return Entry{Input: credits(p.input), Cached: credits(p.cached), CacheWrite: credits(p.cacheWrite), Output: credits(p.output), Round: credits(round)}
}

// bill is the oracle: what e costs by these prices, over exact rationals, rounded by the definitions of the modes.
func bill(p prices, e *event.Event, round event.Credits, how Rounding) event.Credits {
	c := p.entry("0")
	total := new(big.Rat)
	add := func(tokens int64, price event.Credits) {
		total.Add(total, new(big.Rat).Mul(new(big.Rat).SetInt64(tokens), new(big.Rat).SetFrac64(int64(price), 1_000_000)))
	}
	write := min(e.CacheWrite, e.Input-e.Cached)
	add(e.Input-e.Cached-write, c.Input)
	add(e.Cached, c.Cached)
	add(write, c.CacheWrite)
	add(e.Output, c.Output)
	return rounded(total, round, how)
}

// rounded returns nano-credits x rounded to a multiple of unit.
func rounded(x *big.Rat, unit event.Credits, how Rounding) event.Credits {
	unit = max(unit, 1)
	units := new(big.Rat).Quo(x, new(big.Rat).SetInt64(int64(unit)))
	n, rem := new(big.Int).DivMod(units.Num(), units.Denom(), new(big.Int))
	up := false
	switch half := new(big.Int).Lsh(rem, 1).Cmp(units.Denom()); how {
	case HalfUp:
		up = half >= 0
	case HalfEven:
		up = half > 0 || half == 0 && n.Bit(0) == 1
	case Up:
		up = rem.Sign() > 0
	}
	if up {
		n.Add(n, big.NewInt(1))
	}
	n.Mul(n, big.NewInt(int64(unit)))
	if !n.IsInt64() {
		return math.MaxInt64
	}
	return event.Credits(n.Int64())
}

// meter makes the rows that a service would charge.
type meter struct {
	*rand.Rand
	prices
	round    event.Credits
	how      Rounding
	writes   bool // some rows write to the cache
	users, n int
}

func newMeter(seed uint64) *meter {
	return &meter{Rand: rand.New(rand.NewPCG(seed, 7)), prices: codex, round: 1000, users: 8}
}

// row returns one row, priced right: contexts are log-normal, three in four hit the cache.
func (m *meter) row() *event.Event {
	e := &event.Event{HasTokens: true, User: fmt.Sprintf("u%d", m.n%m.users), Time: day.UnixNano() + int64(m.n)*1e9}
	m.n++
	e.Dims[event.Model] = "codex"
	e.Input = 200 + int64(math.Exp(8+1.2*m.NormFloat64()))
	if m.Float64() < 0.75 {
		e.Cached = int64(float64(e.Input) * m.Float64() * 0.95)
	}
	if m.writes && m.Float64() < 0.4 {
		e.CacheWrite = int64(float64(e.Input-e.Cached) * m.Float64())
	}
	e.Output = 20 + int64(math.Exp(5.5+m.NormFloat64()))
	e.Credits = bill(m.prices, e, m.round, m.how)
	return e
}

// teach gives b n rows, of which spoil changes those that it likes.
func (m *meter) teach(b *Book, n int, spoil func(i int, e *event.Event)) {
	for i := range n {
		e := m.row()
		if spoil != nil {
			spoil(i, e)
		}
		b.Observe(e)
	}
}

// exact fails unless b quotes fresh rows of the meter to the last digit.
func (m *meter) exact(t *testing.T, b *Book) {
	t.Helper()
	for range 500 {
		e := m.row()
		q := b.Quote(e)
		if !q.Known || q.Expected != e.Credits {
			t.Fatalf("input %d (cached %d, written %d), output %d: quote %v (known %v), charged %v", e.Input, e.Cached, e.CacheWrite, e.Output, q.Expected, q.Known, e.Credits)
		}
		if q.Off(e.Credits) {
			t.Fatalf("a charge of %v is off the quote %+v", e.Credits, q)
		}
	}
}
