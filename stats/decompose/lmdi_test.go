package decompose_test

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/decompose"
)

var nan, inf = math.NaN(), math.Inf(1)

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func TestLogMean(t *testing.T) {
	for _, c := range []struct {
		name       string
		u, v, want float64
	}{
		{"equal", 3, 3, 3},
		{"with zero", 3, 0, 0},
		{"both zero", 0, 0, 0},
		{"e and 1: (e−1)/1", math.E, 1, math.E - 1},
		{"negative", 1, -1, nan},
		{"NaN", nan, 1, nan},
		{"NaN second", 1, nan, nan},
		{"infinite", inf, 1, inf},
		{"both infinite", inf, inf, nan},
	} {
		if got := decompose.LogMean(c.u, c.v); !same(got, c.want) && math.Abs(got-c.want) > 1e-15*c.want {
			t.Errorf("%s: L(%v, %v) = %v, want %v", c.name, c.u, c.v, got, c.want)
		}
	}
}

// Oracle for close arguments: L(v(1+h), v) = v·h/ln(1+h) = v·(1 + h/2 − h²/12 + h³/24 − …), whose truncation is below 1e-16 here.
func TestLogMeanNearEqual(t *testing.T) {
	for e := -52; e <= -16; e++ {
		u, v := 7*(1+math.Ldexp(1, e)), 7.0
		h, _ := new(big.Float).Quo(new(big.Float).Sub(big.NewFloat(u), big.NewFloat(v)), big.NewFloat(v)).Float64()
		want := v * (1 + h/2 - h*h/12 + h*h*h/24)
		if got := decompose.LogMean(u, v); math.Abs(got-want) > 1e-15*want {
			t.Errorf("h = 2^%d: %v, want %v", e, got, want)
		}
	}
}

func TestLogMeanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u, v := rapid.Float64Range(1e-9, 1e9).Draw(t, "u"), rapid.Float64Range(1e-9, 1e9).Draw(t, "v")
		l := decompose.LogMean(u, v)
		if l != decompose.LogMean(v, u) {
			t.Fatal("not symmetric")
		}
		if l < math.Sqrt(u)*math.Sqrt(v)*(1-1e-14) || l > (u+v)/2*(1+1e-14) {
			t.Fatalf("L(%v, %v) = %v lies outside the geometric and arithmetic means", u, v, l)
		}
	})
}

// A published case is not needed where the identity is the definition: contributions sum to the change, undo each other when
// time is reversed, and do not depend on the order of the factors.
func TestLMDIIsPerfect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c0 := rapid.Float64Range(1e-3, 1e6).Draw(t, "c0")
		ratios := rapid.SliceOfN(rapid.Float64Range(0.05, 20), 1, 9).Draw(t, "ratios")
		c1 := c0
		inverse := make([]float64, len(ratios))
		for i, r := range ratios {
			c1 *= r
			inverse[i] = 1 / r
		}
		there, back := make([]float64, len(ratios)), make([]float64, len(ratios))
		rest := decompose.LMDI(there, c0, c1, ratios)
		var size float64
		for _, d := range there {
			size += math.Abs(d)
		}
		tol := 1e-13 * (size + c0 + c1) // a dozen roundings of the largest term
		if math.Abs(rest) > tol {
			t.Fatalf("rest %v of a change of %v", rest, c1-c0)
		}
		decompose.LMDI(back, c1, c0, inverse)
		for i := range there {
			if math.Abs(there[i]+back[i]) > tol {
				t.Fatalf("factor %d: %v there, %v back", i, there[i], back[i])
			}
		}
		slices.Reverse(ratios)
		decompose.LMDI(back, c0, c1, ratios)
		slices.Reverse(back)
		if !slices.Equal(there, back) {
			t.Fatalf("order matters: %v and %v", there, back)
		}
	})
}

func TestLMDIZeros(t *testing.T) {
	for _, c := range []struct {
		name   string
		c0, c1 float64
		ratios []float64
		want   []float64
		rest   float64
	}{
		{"a factor vanished: it explains everything", 10, 0, []float64{0, 3}, []float64{-10, 0}, 0},
		{"two vanished: equal shares", 10, 0, []float64{0, 0, 2}, []float64{-5, -5, 0}, 0},
		{"a factor appeared", 0, 8, []float64{2, inf}, []float64{0, 8}, 0},
		{"nothing before, nothing now", 0, 0, []float64{inf, 2}, []float64{0, 0}, 0},
		{"nothing changed", 5, 5, []float64{2, 0.5}, []float64{5 * math.Ln2, -5 * math.Ln2}, 0},
		{"gone without a factor to blame", 10, 0, []float64{2, 2}, []float64{0, 0}, -10},
		{"a ratio that contradicts the totals", 4, 8, []float64{2, 0, inf, nan, -1}, []float64{4, 0, 0, 0, 0}, 0},
		{"a factor left out is in the rest", 1, 8, []float64{1}, []float64{0}, 7},
		{"no factors", 1, 3, nil, nil, 2},
	} {
		got := make([]float64, len(c.ratios))
		rest := decompose.LMDI(got, c.c0, c.c1, c.ratios)
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-14 {
				t.Errorf("%s: contributions %v, want %v", c.name, got, c.want)
				break
			}
		}
		if math.Abs(rest-c.rest) > 1e-14 {
			t.Errorf("%s: rest %v, want %v", c.name, rest, c.rest)
		}
	}
	// The rule for zeros is a limit: tiny numbers in their place come close, as slowly as 1/ln.
	const tiny = 1e-300
	got := make([]float64, 2)
	decompose.LMDI(got, 10, 10*tiny*3, []float64{tiny, 3})
	if math.Abs(got[0]+10) > 0.05 || math.Abs(got[1]) > 0.05 {
		t.Errorf("near zero: %v, want about [-10 0]", got)
	}
	for _, bad := range []float64{-1, nan, inf} {
		if rest := decompose.LMDI(got, bad, 1, []float64{1, 1}); !math.IsNaN(rest) || !math.IsNaN(got[0]) {
			t.Errorf("c0 = %v gives %v and rest %v, want NaN", bad, got, rest)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("lengths that differ went through")
		}
	}()
	decompose.LMDI(got, 1, 2, []float64{2})
}

func ExampleLMDI() {
	// Credits rose from 100 to 2,640: 1.1 times the requests, 2 times the rows a request, 12 times the price.
	ratios := []float64{1.1, 2, 12}
	parts := make([]float64, len(ratios))
	rest := decompose.LMDI(parts, 100, 2640, ratios)
	fmt.Printf("requests %.0f, rows %.0f, price %.0f, unexplained %.0f\n", parts[0], parts[1], parts[2], math.Abs(rest))
	// Output: requests 74, rows 538, price 1928, unexplained 0
}

func BenchmarkLMDI(b *testing.B) {
	ratios := []float64{1.1, 1, 1.02, 0.99, 1, 1.01, 12.1, 1}
	dst := make([]float64, len(ratios))
	b.ReportAllocs()
	for b.Loop() {
		decompose.LMDI(dst, 100, 1300, ratios)
	}
}
