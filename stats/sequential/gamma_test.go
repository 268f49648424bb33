package sequential_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats"
	"github.com/drainwatch/drainwatch/stats/sequential"
)

// negBinom returns ln P(n) of the predictive distribution: a Poisson count over exposure x with a Gamma(a, b) rate.
func negBinom(n, x, a, b float64) float64 {
	up, _ := math.Lgamma(a + n)
	down, _ := math.Lgamma(a)
	fact, _ := math.Lgamma(n + 1)
	return up - down - fact + a*math.Log(b/(b+x)) + n*math.Log(x/(b+x))
}

// Oracles: it is the ratio of two predictive probabilities, and its mean under the belief is 1.
func TestGammaLogE(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(0.5, 50).Draw(t, "a"), rapid.Float64Range(0.5, 50).Draw(t, "b")
		x, rho := rapid.Float64Range(0.1, 5).Draw(t, "x"), rapid.Float64Range(1.1, 4).Draw(t, "ratio")
		g := sequential.Gamma{Shape: a, Rate: b}
		var mean float64
		for n := 0.0; n < 20_000; n++ {
			logP := negBinom(n, x, a, b)
			got := g.LogE(n, x, rho)
			if n > a*x/b && logP+got < -40 {
				break
			}
			if n > 0 && n < 200 {
				// A rate of ratio·θ over x gives the counts of a rate θ over ratio·x.
				want := negBinom(n, rho*x, a, b) - logP
				if math.Abs(got-want) > 1e-8*(1+math.Abs(want)) {
					t.Fatalf("n = %v: ln e = %v, ratio of probabilities %v", n, got, want)
				}
			}
			mean += math.Exp(logP + got)
		}
		if math.Abs(mean-1) > 1e-6 {
			t.Fatalf("mean of e under the belief is %v", mean)
		}
	})
}

func TestGammaObserve(t *testing.T) {
	g := sequential.Gamma{Shape: 2, Rate: 4}.Observe(10, 6)
	if g != (sequential.Gamma{Shape: 12, Rate: 10}) || g.Mean() != 1.2 {
		t.Errorf("belief %+v with mean %v", g, g.Mean())
	}
}

// Parts that were observed apart add up to the whole, in any order.
func TestGammaObserveMerges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prior := sequential.Gamma{Shape: 2, Rate: 4}
		seen := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]float64 {
			return [2]float64{float64(rapid.IntRange(0, 100).Draw(t, "n")), rapid.Float64Range(0, 100).Draw(t, "x")}
		}), 1, 20).Draw(t, "seen")
		cut := rapid.IntRange(0, len(seen)).Draw(t, "cut")
		whole, part, other := prior, prior, sequential.Gamma{}
		for i, s := range seen {
			whole = whole.Observe(s[0], s[1])
			if i < cut {
				other = other.Observe(s[0], s[1])
			}
		}
		for i := len(seen) - 1; i >= cut; i-- {
			part = part.Observe(seen[i][0], seen[i][1])
		}
		merged := part.Observe(other.Shape, other.Rate)
		if merged.Shape != whole.Shape || math.Abs(merged.Rate-whole.Rate) > 1e-12*whole.Rate {
			t.Fatalf("%+v, in parts %+v", whole, merged)
		}
	})
}

// Oracle: P(0) = (b/(b+x))^a and P(n+1)/P(n) = (a+n)/(n+1)·x/(b+x), without gamma functions; sums of it for the tail.
func TestPredictiveAgainstRecursion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(0.01, 200).Draw(t, "a"), rapid.Float64Range(0.1, 50).Draw(t, "b")
		x := rapid.Float64Range(0.01, 50).Draw(t, "x")
		g := sequential.Gamma{Shape: a, Rate: b}
		const most = 400
		logP, below := a*math.Log(b/(b+x)), 0.0
		for n := range most {
			if got := g.LogPredictive(float64(n), x); math.Abs(got-logP) > 1e-10*(1+math.Abs(logP)) {
				t.Fatalf("ln P(%d) = %v, recursion %v", n, got, logP)
			}
			if got := g.Tail(float64(n), x); math.Abs(got-(1-below)) > 1e-10 {
				t.Fatalf("P(N ≥ %d) = %v, by sums %v", n, got, 1-below)
			}
			below += math.Exp(logP)
			logP += math.Log((a + float64(n)) / float64(n+1) * x / (b + x))
		}
	})
}

// Published value: four trials of chance 0.4 leave R's dnbinom(3, size = 2, prob = 0.4) = C(4,3)·0.4²·0.6³ = 0.13824.
// And far out the tail keeps its relative accuracy: for a = 1 it is geometric, P(N ≥ n) = (x/(b+x))^n.
func TestPredictiveKnownValues(t *testing.T) {
	if got := math.Exp((sequential.Gamma{Shape: 2, Rate: 2}).LogPredictive(3, 3)); math.Abs(got-0.13824) > 1e-14 {
		t.Errorf("P(3) = %v, want 0.13824", got)
	}
	for _, n := range []float64{1, 10, 300, 5000} {
		want := math.Exp(n * math.Log(0.9))
		if got := (sequential.Gamma{Shape: 1, Rate: 1}).Tail(n, 9); math.Abs(got-want) > 1e-10*want {
			t.Errorf("P(N ≥ %v) = %v, want %v", n, got, want)
		}
	}
}

// Predicting one count and then another, having learnt from the first, does not depend on which comes first.
func TestPredictiveIsExchangeable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := sequential.Gamma{Shape: rapid.Float64Range(0.1, 20).Draw(t, "a"), Rate: rapid.Float64Range(0.1, 20).Draw(t, "b")}
		n1, n2 := float64(rapid.IntRange(0, 50).Draw(t, "n1")), float64(rapid.IntRange(0, 50).Draw(t, "n2"))
		x1, x2 := rapid.Float64Range(0.1, 9).Draw(t, "x1"), rapid.Float64Range(0.1, 9).Draw(t, "x2")
		there := g.LogPredictive(n1, x1) + g.Observe(n1, x1).LogPredictive(n2, x2)
		back := g.LogPredictive(n2, x2) + g.Observe(n2, x2).LogPredictive(n1, x1)
		if math.Abs(there-back) > 1e-10*(1+math.Abs(there)) {
			t.Fatalf("%v one way, %v the other", there, back)
		}
	})
}

// Fading is what stats.Decay does to weights: fold counts through both.
func TestFade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		halfLife := rapid.Float64Range(0.5, 100).Draw(t, "half-life")
		g := sequential.Gamma{Shape: 3, Rate: 2}
		var rate stats.Decay
		rate.Add(1.5, 2, 0, halfLife)
		at := 0.0
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			age := rapid.Float64Range(0, 20).Draw(t, "age")
			n, x := float64(rapid.IntRange(0, 30).Draw(t, "count")), rapid.Float64Range(0.1, 5).Draw(t, "x")
			at += age
			g = g.Fade(age/2, halfLife).Fade(age/2, halfLife).Observe(n, x)
			rate.Add(n/x, x, at, halfLife)
		}
		if math.Abs(g.Mean()-rate.Mean()) > 1e-9*(1+rate.Mean()) || math.Abs(g.Rate-rate.Weight(at, halfLife)) > 1e-9*g.Rate {
			t.Fatalf("belief %+v with mean %v, decayed mean %v of weight %v", g, g.Mean(), rate.Mean(), rate.Weight(at, halfLife))
		}
	})
	g := sequential.Gamma{Shape: 4, Rate: 8}
	if got := g.Fade(24, 24); got != (sequential.Gamma{Shape: 2, Rate: 4}) {
		t.Errorf("a half-life later: %+v", got)
	}
	if g.Fade(-5, 24) != g || g.Fade(1e9, inf) != g {
		t.Error("faded without age, or with an endless half-life")
	}
	mustPanic(t, "half-life", func() { g.Fade(1, 0) })
}

// Oracle: gonum's gamma distribution; a shape of 1 is exponential.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := sequential.Gamma{Shape: rapid.Float64Range(0.05, 500).Draw(t, "a"), Rate: rapid.Float64Range(0.01, 100).Draw(t, "b")}
		p := rapid.Float64Range(0.001, 0.999).Draw(t, "p")
		d := distuv.Gamma{Alpha: g.Shape, Beta: g.Rate}
		if got := d.CDF(g.Quantile(p)); g.Quantile(p) > 0 && math.Abs(got-p) > 1e-12 || g.Quantile(p) == 0 && d.CDF(5e-324) < p {
			t.Fatalf("quantile %v of %+v is %v, whose probability is %v", p, g, g.Quantile(p), got)
		}
	})
	if got := (sequential.Gamma{Shape: 1, Rate: 2}).Quantile(0.95); math.Abs(got+math.Log(0.05)/2) > 1e-12 {
		t.Errorf("95%% of an exponential of rate 2 lie below %v, want %v", got, -math.Log(0.05)/2)
	}
	g := sequential.Gamma{Shape: 20, Rate: 10}
	if g.Quantile(0) != 0 || g.Quantile(1) != inf {
		t.Errorf("the ends are %v and %v", g.Quantile(0), g.Quantile(1))
	}
	mustPanic(t, "p", func() { g.Quantile(1.1) })
}

func TestGammaEdges(t *testing.T) {
	g := sequential.Gamma{Shape: 2, Rate: 4}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"no exposure, no events", g.LogPredictive(0, 0), 0},
		{"no exposure, an event", g.LogPredictive(1, 0), -inf},
		{"tail of nothing", g.Tail(0, 0), 1},
		{"tail without exposure", g.Tail(1, 0), 0},
		{"negative count", g.LogPredictive(-1, 1), nan},
		{"negative exposure", g.Tail(1, -1), nan},
		{"NaN", g.Tail(nan, 1), nan},
		{"no belief", sequential.Gamma{}.LogPredictive(1, 1), nan},
		{"no belief, no tail", sequential.Gamma{}.Tail(1, 1), nan},
		{"no belief, no quantile", sequential.Gamma{}.Quantile(0.5), nan},
		{"no belief, no evidence", sequential.Gamma{}.LogE(1, 1, 2), nan},
	} {
		if !same(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func ExampleGamma_LogE() {
	belief := sequential.Gamma{Shape: 20, Rate: 10} // two requests a bucket, worth ten buckets
	fmt.Printf("%.1f nats for a tripled rate\n", belief.LogE(18, 3, 3))
	// Output: 5.4 nats for a tripled rate
}

func ExampleGamma_Tail() {
	belief := sequential.Gamma{Shape: 20, Rate: 10} // two requests a bucket, worth ten buckets
	fmt.Printf("18 or more in three buckets: %.4f; if two a bucket were certain: %.4f\n",
		belief.Tail(18, 3), distuv.Poisson{Lambda: 6}.Survival(17))
	// Output: 18 or more in three buckets: 0.0006; if two a bucket were certain: 0.0001
}

func BenchmarkGamma(b *testing.B) {
	g := sequential.Gamma{Shape: 20, Rate: 10}
	b.Run("LogE", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.LogE(18, 3, 3)
		}
	})
	b.Run("LogPredictive", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.LogPredictive(18, 3)
		}
	})
	b.Run("Quantile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Quantile(0.99)
		}
	})
	b.Run("Tail", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Tail(18, 3)
		}
	})
}
