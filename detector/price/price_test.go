package price

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/event"
)

func TestRoundTable(t *testing.T) {
	for _, c := range []struct {
		name                       string
		tokens                     int64 // at 1 nano-credit a million tokens, so in millionths of a nano-credit
		unit                       event.Credits
		halfUp, halfEven, down, up event.Credits
	}{
		{"nothing", 0, 10, 0, 0, 0, 0},
		{"on the unit nobody rounds", 30e6, 10, 30, 30, 30, 30},
		{"a hair above the unit", 30e6 + 1, 10, 30, 30, 30, 40},
		{"a hair below the half", 35e6 - 1, 10, 30, 30, 30, 40},
		{"half over an odd unit", 35e6, 10, 40, 40, 30, 40},
		{"half over an even unit", 45e6, 10, 50, 40, 40, 50},
		{"a hair above the half", 45e6 + 1, 10, 50, 50, 40, 50},
		{"a hair below the next unit", 50e6 - 1, 10, 50, 50, 40, 50},
		{"half a nano-credit, no unit given", 5e5, 0, 1, 0, 0, 1},
		{"a unit below a nano-credit is one", 15e5, -3, 2, 2, 1, 2},
		{"odd unit has no exact half in whole nano-credits", 45e5, 3, 6, 6, 3, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w wide
			w.addProduct(c.tokens, 1)
			for how, want := range map[Rounding]event.Credits{HalfUp: c.halfUp, HalfEven: c.halfEven, Down: c.down, Up: c.up} {
				if got := w.round(c.unit, how); got != want {
					t.Errorf("mode %d: %d, want %d", how, int64(got), int64(want))
				}
			}
		})
	}
}

// Oracle: exact rationals of math/big. Nothing may differ by a nano-credit, for all tokens, prices and units a row can carry.
func TestListValueIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := func(name string, most int64) int64 {
			return rapid.OneOf(rapid.Int64Range(0, min(most, 2_000_000)), rapid.Int64Range(0, most)).Draw(t, name)
		}
		price := func(name string) event.Credits {
			return event.Credits(rapid.OneOf(rapid.Int64Range(0, 200e9), rapid.Int64Range(0, math.MaxInt64)).Draw(t, name))
		}
		e := &event.Event{Input: tokens("input", 1<<53), Output: tokens("output", 1<<53), HasTokens: true}
		e.Cached, e.CacheWrite = tokens("cached", e.Input), tokens("cache write", e.Input)
		v := vector{int64(price("input price")), int64(price("cached price")), int64(price("write price")), int64(price("output price"))}
		unit := event.Credits(rapid.SampledFrom([]int64{0, 1, 3, 1000, 1e6, 25e7, 1e9}).Draw(t, "unit"))

		for _, full := range []bool{false, true} {
			cached := v.cached
			if full {
				cached = v.input
			}
			write := min(e.CacheWrite, e.Input-e.Cached)
			sum := new(big.Int)
			for _, p := range [][2]int64{{e.Input - e.Cached - write, v.input}, {e.Cached, cached}, {write, v.cacheWrite}, {e.Output, v.output}} {
				sum.Add(sum, new(big.Int).Mul(big.NewInt(p[0]), big.NewInt(p[1])))
			}
			nano := new(big.Rat).SetFrac(sum, big.NewInt(1_000_000))
			for how := range numRoundings {
				if got, want := v.list(e, full).round(unit, how), rounded(nano, unit, how); got != want {
					t.Fatalf("full %v, mode %d: %d, want %d", full, how, int64(got), int64(want))
				}
			}
		}
	})
}

// What no row can be charged is a price that every charge is below, not one that has wrapped round to nearly nothing.
func TestListValueBeyondAllMoneySaturates(t *testing.T) {
	e := &event.Event{Input: math.MaxInt64, Output: math.MaxInt64, HasTokens: true}
	for _, p := range []int64{2e6, 1_000_000, math.MaxInt64} {
		for how := range numRoundings {
			v := vector{input: p, output: p}
			if got := v.list(e, false).round(1, how); got != math.MaxInt64 {
				t.Errorf("price %d, mode %d: %v, want the greatest amount", p, how, got)
			}
		}
	}
	// The greatest quotient of 64 bits, and a remainder that rounds up: one more is zero again.
	w := wide{hi: 999_999, lo: math.MaxUint64}
	for how := range numRoundings {
		if got := w.round(1, how); got != math.MaxInt64 {
			t.Errorf("mode %d: %v, want the greatest amount", how, got)
		}
	}
}

func TestQuoteOff(t *testing.T) {
	q := Quote{Expected: 1000, Slack: 20, Known: true}
	for c, want := range map[event.Credits]bool{979: true, 980: false, 1000: false, 1020: false, 1021: true, 0: true, math.MaxInt64: true} {
		if q.Off(c) != want {
			t.Errorf("a charge of %d against 1000 ± 20: off is %v, want %v", c, !want, want)
		}
	}
}

func TestQuoteLostDiscount(t *testing.T) {
	for _, c := range []struct {
		why            string
		expected, full event.Credits
		charge         event.Credits
		want           bool
	}{
		{"exactly the price without the discount", 1000, 5000, 5000, true},
		{"within a hundredth of it: noise", 1000, 5000, 5050, true},
		{"further away it is another fault", 1000, 5000, 5051, false},
		{"as much below", 1000, 5000, 4949, false},
		{"the right price", 1000, 5000, 1000, false},
		{"a flat multiple that is not the lost discount", 1000, 5000, 12000, false},
		{"no cached input: both prices are one", 1000, 1000, 1000, false},
		{"a discount inside the noise cannot be told from it", 1000, 1040, 1040, false},
		{"a discount just outside", 1000, 1041, 1041, true},
	} {
		q := Quote{Expected: c.expected, Full: c.full, Slack: 20, Known: true}
		if got := q.LostDiscount(c.charge); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}
