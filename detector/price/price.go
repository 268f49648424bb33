package price

import (
	"math"
	"math/bits"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Entry is one line of a rate card: what a million tokens of a model cost, in credits, from a moment on.
// The most specific entry that fits a row prices it: the one with the most conditions in Where, then the latest From.
type Entry struct {
	Model                             string               // "" fits every model
	Where                             map[event.Dim]string // further conditions; nil is none
	From                              time.Time            // zero is always
	Input, Cached, CacheWrite, Output event.Credits        // credits per million tokens
	Round                             event.Credits        // what a row's charge is rounded to; 0 is 1e-9
}

// vector holds list prices in nano-credits per million tokens.
type vector struct {
	input, cached, cacheWrite, output int64
}

// wide is an unsigned sum of products in 128 bits: nano-credits times 1e6.
type wide struct{ hi, lo uint64 }

func (w *wide) addProduct(n, p int64) {
	hi, lo := bits.Mul64(uint64(n), uint64(p))
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, lo, 0)
	w.hi += hi + carry
}

// list returns the exact list value of e's tokens, in nano-credits × 1e6. full prices cached input as if it were not cached.
func (v vector) list(e *event.Event, full bool) wide {
	var w wide
	cached := v.cached
	if full {
		cached = v.input
	}
	plain := e.Input - e.Cached - e.CacheWrite
	if plain < 0 {
		// Cached and cache-write parts that overlap: what exceeds the input is priced as cached only.
		w.addProduct(e.Cached, cached)
		w.addProduct(e.Input-e.Cached, v.cacheWrite)
	} else {
		w.addProduct(plain, v.input)
		w.addProduct(e.Cached, cached)
		w.addProduct(e.CacheWrite, v.cacheWrite)
	}
	w.addProduct(e.Output, v.output)
	return w
}

// output1 returns the value of e's output, in nano-credits.
func (v vector) output1(e *event.Event) event.Credits {
	var w wide
	w.addProduct(e.Output, v.output)
	return w.round(1, HalfUp)
}

// Rounding is how a meter rounds half units.
type Rounding uint8

// The ways to round that meters were seen to use.
const (
	HalfUp Rounding = iota
	HalfEven
	Down
	Up
	numRoundings
)

// round returns w in nano-credits, rounded to a multiple of unit.
func (w wide) round(unit event.Credits, how Rounding) event.Credits {
	if unit < 1 {
		unit = 1
	}
	d := uint64(unit) * 1_000_000
	if w.hi >= d { // beyond 9.2 billion credits: no row can be charged that much
		return math.MaxInt64
	}
	q, r := bits.Div64(w.hi, w.lo, d)
	if q > math.MaxInt64 { // and one more must not wrap round to nothing
		return math.MaxInt64
	}
	switch how {
	case HalfUp:
		if r >= d-r {
			q++
		}
	case HalfEven:
		if r > d-r || r == d-r && q&1 == 1 {
			q++
		}
	case Up:
		if r > 0 {
			q++
		}
	case Down, numRoundings:
	}
	hi, lo := bits.Mul64(q, uint64(unit))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return event.Credits(lo)
}
