package stats_test

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats"
)

// Published values: Newcombe, Two-sided Confidence Intervals for the Single Proportion, 1998, methods 3 (score) and 5
// (exact), at 95%, to four places.
func TestProportionIntervalsPublished(t *testing.T) {
	for _, c := range []struct {
		k, n          int
		wilson, exact [2]float64
	}{
		{81, 263, [2]float64{0.2553, 0.3662}, [2]float64{0.2527, 0.3676}},
		{15, 148, [2]float64{0.0624, 0.1605}, [2]float64{0.0578, 0.1617}},
		{0, 20, [2]float64{0, 0.1611}, [2]float64{0, 0.1684}},
		{1, 29, [2]float64{0.0061, 0.1718}, [2]float64{0.0009, 0.1776}},
	} {
		for _, m := range []struct {
			name string
			f    func(k, n int, level float64) (float64, float64)
			want [2]float64
		}{{"Wilson", stats.Wilson, c.wilson}, {"ClopperPearson", stats.ClopperPearson, c.exact}} {
			low, high := m.f(c.k, c.n, 0.95)
			if math.Abs(low-m.want[0]) > 5.1e-5 || math.Abs(high-m.want[1]) > 5.1e-5 {
				t.Errorf("%s(%d, %d) = [%.5f, %.5f], published %v", m.name, c.k, c.n, low, high, m.want)
			}
		}
	}
}

// Published values: Garwood, Fiducial Limits for the Poisson Distribution, 1936, at 95%, to three places.
func TestGarwoodPublished(t *testing.T) {
	for _, c := range []struct {
		k         int
		low, high float64
	}{{0, 0, 3.689}, {1, 0.0253, 5.572}, {5, 1.623, 11.668}, {10, 4.795, 18.390}, {20, 12.217, 30.888}} {
		low, high := stats.Garwood(c.k, 0.95)
		if math.Abs(low-c.low) > 6e-4 || math.Abs(high-c.high) > 6e-4 {
			t.Errorf("Garwood(%d) = [%v, %v], published [%v, %v]", c.k, low, high, c.low, c.high)
		}
	}
}

// logBinom is ln P(k hits in n trials), by Lgamma.
func logBinom(k, n int, p float64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p)
}

// logPoisson is ln P(k events at mean mu).
func logPoisson(k int, mu float64) float64 {
	f, _ := math.Lgamma(float64(k + 1))
	return float64(k)*math.Log(mu) - mu - f
}

// Oracle: at each limit the tail, summed term by term, is what the level leaves. Tolerance: Lgamma of 3,000 loses about 1e-12,
// and a limit near 1 is rounded to 1e-16, of which its distance from 1 keeps the fewer digits.
func TestExactIntervalsAgainstSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "n")
		k := rapid.OneOf(rapid.IntRange(0, n), rapid.IntRange(0, min(n, 3))).Draw(t, "k")
		level := rapid.SampledFrom([]float64{0.01, 0.5, 0.9, 0.95, 0.999999}).Draw(t, "level")
		tail := (1 - level) / 2
		check := func(what string, sum, tol float64) {
			if math.Abs(sum-tail) > tol*tail {
				t.Fatalf("%s of k = %d, n = %d at %v: tail %v, want %v", what, k, n, level, sum, tail)
			}
		}
		low, high := stats.ClopperPearson(k, n, level)
		plow, phigh := stats.Garwood(k, level)
		var atLow, atHigh, atPLow, atPHigh float64
		for i := range n + 1 {
			if i >= k {
				atLow += math.Exp(logBinom(i, n, low))
			}
			if i <= k {
				atHigh += math.Exp(logBinom(i, n, high))
				atPHigh += math.Exp(logPoisson(i, phigh))
			}
		}
		for i := k; i < k+50 || float64(i) < 3*float64(k); i++ {
			atPLow += math.Exp(logPoisson(i, plow))
		}
		if k > 0 {
			check("Clopper–Pearson's low", atLow, 1e-9)
			check("Garwood's low", atPLow, 1e-9)
		}
		if k < n {
			check("Clopper–Pearson's high", atHigh, 1e-9+float64(n-k)*1e-16/(1-high))
		}
		check("Garwood's high", atPHigh, 1e-9)
	})
}

// Wilson's limits are where the score test just accepts.
func TestWilsonAgainstTheScoreTest(t *testing.T) {
	const z = 1.6448536269514722 // Φ⁻¹(0.95)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1_000_000).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		low, high := stats.Wilson(k, n, 0.9)
		if math.Abs(low-1+func() float64 { _, h := stats.Wilson(n-k, n, 0.9); return h }()) > 1e-15 {
			t.Fatal("hits and misses are not each other's mirror")
		}
		share := float64(k) / float64(n)
		for _, p := range []float64{low, high} {
			if p == 0 || p == 1 {
				continue // exact ends: the test is void
			}
			if miss := math.Abs(share-p) - z*math.Sqrt(p*(1-p)/float64(n)); math.Abs(miss) > 1e-12 {
				t.Fatalf("k = %d, n = %d: score test off by %v at %v", k, n, miss, p)
			}
		}
	})
}

// What they promise, by summing over every outcome: the exact ones cover at every p and mean, Wilson on average over p.
func TestIntervalCoverage(t *testing.T) {
	const level, n = 0.9, 40
	var average float64
	const steps = 200
	for s := 1; s < steps; s++ {
		p := float64(s) / steps
		var exact, wilson, garwood float64
		for k := range n + 1 {
			mass := math.Exp(logBinom(k, n, p))
			if low, high := stats.ClopperPearson(k, n, level); low <= p && p <= high {
				exact += mass
			}
			if low, high := stats.Wilson(k, n, level); low <= p && p <= high {
				wilson += mass
			}
		}
		mu := 20 * p
		for k := range 100 {
			if low, high := stats.Garwood(k, level); low <= mu && mu <= high {
				garwood += math.Exp(logPoisson(k, mu))
			}
		}
		if exact < level || garwood < level {
			t.Errorf("coverage %v at p = %v, %v at mean %v, promised %v", exact, p, garwood, mu, level)
		}
		average += wilson / (steps - 1)
	}
	if math.Abs(average-level) > 0.01 {
		t.Errorf("Wilson covers %v on average over p, want about %v", average, level)
	}
}

func TestIntervalEdges(t *testing.T) {
	two := func(low, high float64) [2]float64 { return [2]float64{low, high} }
	for _, c := range []struct {
		name      string
		got, want [2]float64
	}{
		{"Wilson of nothing", two(stats.Wilson(0, 0, 0.9)), two(0, 1)},
		{"exact of nothing", two(stats.ClopperPearson(0, 0, 0.9)), two(0, 1)},
		{"Wilson: never reaches 0", two(stats.Wilson(0, 7, 0.9)), two(0, 2.705543454095404/(7+2.705543454095404))},
		{"exact: no hit in n is 1 − tail^(1/n)", two(stats.ClopperPearson(0, 100_000, 0.999999)), two(0, -math.Expm1(math.Log(5e-7)/1e5))},
		{"exact: only hits", two(stats.ClopperPearson(7, 7, 0.9)), two(math.Pow(0.05, 1/7.0), 1)},
		{"Garwood of none is −ln tail", two(stats.Garwood(0, 0.9)), two(0, -math.Log(0.05))},
	} {
		for i := range c.got {
			if math.Abs(c.got[i]-c.want[i]) > 1e-9*c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
			}
		}
	}
	for _, bad := range [][2]int{{-1, 5}, {6, 5}, {0, -1}} {
		if low, high := stats.Wilson(bad[0], bad[1], 0.9); !math.IsNaN(low) || !math.IsNaN(high) {
			t.Errorf("Wilson(%d, %d) = [%v, %v], want NaN", bad[0], bad[1], low, high)
		}
		if low, high := stats.ClopperPearson(bad[0], bad[1], 0.9); !math.IsNaN(low) || !math.IsNaN(high) {
			t.Errorf("ClopperPearson(%d, %d) = [%v, %v], want NaN", bad[0], bad[1], low, high)
		}
	}
	if low, _ := stats.Garwood(-1, 0.9); !math.IsNaN(low) {
		t.Errorf("Garwood(-1) starts at %v, want NaN", low)
	}
	for _, level := range []float64{0, 1, 90, math.NaN()} {
		mustPanic(t, "Wilson", func() { stats.Wilson(1, 2, level) })
		mustPanic(t, "ClopperPearson", func() { stats.ClopperPearson(1, 2, level) })
		mustPanic(t, "Garwood", func() { stats.Garwood(1, level) })
	}
}

func ExampleWilson() {
	low, high := stats.Wilson(84, 84, 0.95)
	fmt.Printf("84 of 84 found: recall between %.3f and %.0f\n", low, high)
	// Output: 84 of 84 found: recall between 0.956 and 1
}

func ExampleGarwood() {
	const userWeeks = 5e6
	low, high := stats.Garwood(3, 0.9)
	fmt.Printf("3 false pages: between %.2f and %.2f per million users a week\n", low/userWeeks*1e6, high/userWeeks*1e6)
	// Output: 3 false pages: between 0.16 and 1.55 per million users a week
}

func BenchmarkClopperPearson(b *testing.B) {
	for _, n := range []int{100, 1_000_000} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				stats.ClopperPearson(n/10, n, 0.95)
			}
		})
	}
}
