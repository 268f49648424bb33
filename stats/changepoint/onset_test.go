package changepoint_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/changepoint"
)

var nan, inf = math.NaN(), math.Inf(1)

// Oracle: log-probabilities by gonum at the fitted ratio, every start afresh. They cancel, hence the tolerance.
func TestPoissonAgainstLogProb(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		k, mu := make([]float64, n), make([]float64, n)
		for i := range n {
			mu[i] = rapid.Float64Range(0.1, 10).Draw(t, "mu")
			k[i] = float64(rapid.IntRange(0, 30).Draw(t, "k"))
		}
		ell := make([]float64, n)
		for s := range n {
			var total, mean float64
			for i := s; i < n; i++ {
				total, mean = total+k[i], mean+mu[i]
			}
			for i := s; i < n && total > 0; i++ {
				ell[s] += distuv.Poisson{Lambda: mu[i] * total / mean}.LogProb(k[i]) - distuv.Poisson{Lambda: mu[i]}.LogProb(k[i])
			}
			if total == 0 {
				ell[s] = mean
			}
			if total < mean {
				ell[s] = -ell[s]
			}
		}
		got, err := changepoint.Poisson(k, mu, 0.9)
		check(t, got, err, ell, -math.Log(1-math.Sqrt(0.9)))
	})
}

func TestBinomialAgainstLogProb(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 40).Draw(t, "size")
		base := rapid.Float64Range(0.001, 0.9).Draw(t, "base")
		k, n := make([]float64, size), make([]float64, size)
		for i := range size {
			n[i] = float64(rapid.IntRange(0, 20).Draw(t, "n"))
			k[i] = float64(rapid.IntRange(0, int(n[i])).Draw(t, "k"))
		}
		ell := make([]float64, size)
		for s := range size {
			var hits, trials float64
			for i := s; i < size; i++ {
				hits, trials = hits+k[i], trials+n[i]
			}
			for i := s; i < size && trials > 0; i++ {
				ell[s] += logProb(k[i], n[i], hits/trials) - logProb(k[i], n[i], base)
			}
			ell[s] = math.Copysign(ell[s], hits-trials*base)
		}
		got, err := changepoint.Binomial(k, n, base, 0.9)
		check(t, got, err, ell, -math.Log(1-math.Sqrt(0.9)))
	})
}

// logProb is the binomial log-probability by gonum, which knows no chance of 0 or 1.
func logProb(k, n, p float64) float64 {
	if p == 0 || p == 1 {
		return 0
	}
	return distuv.Binomial{N: n, P: p}.LogProb(k)
}

// The promise for shares, as they come: rows one by one, of which a fault hits a share from row 200 on, seen once 10 were hit.
func TestBinomialCoverage(t *testing.T) {
	const onset, runs, level = 200, 1500, 0.95
	for _, c := range []struct{ base, share, width float64 }{{0.0005, 1, 3}, {0.0005, 0.7, 6}, {0.0005, 0.1, 60}, {0.02, 0.3, 35}} {
		rng := rand.New(rand.NewPCG(102, 7))
		covered, width := 0, 0
		for range runs {
			var hits, trials []float64
			for seen := 0; seen < 10; {
				p := c.base
				if len(hits) >= onset {
					p = c.share
				}
				hit := 0.0
				if rng.Float64() < p {
					hit = 1
				}
				if len(hits) >= onset {
					seen += int(hit)
				}
				hits, trials = append(hits, hit), append(trials, 1)
			}
			o, err := changepoint.Binomial(hits, trials, c.base, level)
			if err != nil {
				t.Fatal(err)
			}
			if o.Low <= onset && onset <= o.High {
				covered++
			}
			width += o.High - o.Low + 1
		}
		share, mean := float64(covered)/runs, float64(width)/runs
		t.Logf("share %v on %v: covered %.3f, %.1f rows wide", c.share, c.base, share, mean)
		if share < level || mean > c.width {
			t.Errorf("share %v on %v: covered in %v of the runs, promised %v; %v rows wide, expected up to %v", c.share, c.base, share, level, mean, c.width)
		}
	}
}

func TestGaussianAgainstLogProb(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SliceOfN(rapid.Float64Range(-5, 5), 1, 40).Draw(t, "residuals")
		// Elements are sums of some of them each: starts lie between sums only.
		var sums, weights []float64
		var starts []int
		for i, v := range r {
			if i == 0 || rapid.Bool().Draw(t, "begins another") {
				sums, weights, starts = append(sums, 0), append(weights, 0), append(starts, i)
			}
			sums[len(sums)-1] += v
			weights[len(weights)-1]++
		}
		ell := make([]float64, len(r))
		for s := range r {
			var shift float64
			for _, v := range r[s:] {
				shift += v / float64(len(r)-s)
			}
			for _, v := range r[s:] {
				ell[s] += distuv.Normal{Mu: shift, Sigma: 1}.LogProb(v) - distuv.UnitNormal.LogProb(v)
			}
			ell[s] = math.Copysign(ell[s], shift)
		}
		at := make([]float64, len(starts))
		for i, s := range starts {
			at[i] = ell[s]
		}
		got, err := changepoint.Gaussian(sums, weights, 0.5)
		check(t, got, err, at, -math.Log(1-math.Sqrt(0.5)))
	})
}

// check compares an onset with the signed log-likelihoods of all starts, up to 1e-9 where starts nearly tie.
func check(t *rapid.T, got changepoint.Onset, err error, ell []float64, threshold float64) {
	const tol = 1e-9
	if err != nil {
		t.Fatal(err)
	}
	var best float64
	for _, v := range ell {
		best = max(best, math.Abs(v))
	}
	sign := math.Copysign(1, ell[got.Start])
	if math.Abs(got.Nats-best) > tol*(1+best) || best-math.Abs(ell[got.Start]) > tol*(1+best) {
		t.Fatalf("%+v, but the best of %v has %v nats", got, ell, best)
	}
	if got.Low > got.Start || got.High < got.Start {
		t.Fatalf("%+v is not in order", got)
	}
	for s, v := range ell {
		miss := best - max(sign*v, 0)
		if inside := got.Low <= s && s <= got.High; !inside && miss < threshold-tol {
			t.Fatalf("%+v leaves out %d, %v nats below the best", got, s, miss)
		}
		if (s == got.Low || s == got.High) && miss > threshold+tol {
			t.Fatalf("%+v ends at %d, %v nats below the best", got, s, miss)
		}
	}
}

func TestOnsetProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SliceOfN(rapid.Float64Range(-4, 4), 1, 60).Draw(t, "residuals")
		up, _ := changepoint.Gaussian(r, ones(r), 0.9)
		wide, _ := changepoint.Gaussian(r, ones(r), 0.99)
		if wide.Start != up.Start || wide.Low > up.Low || wide.High < up.High {
			t.Fatalf("a higher level gives less: %+v after %+v", wide, up)
		}
		mirror := slices.Clone(r)
		for i := range mirror {
			mirror[i] = -mirror[i]
		}
		down, _ := changepoint.Gaussian(mirror, ones(mirror), 0.9)
		down.Effect = -down.Effect
		if down != up {
			t.Fatalf("a fall is dated %+v, the same rise %+v", down, up)
		}
		// Elements without weight before it only move the indices.
		counts, expected := make([]float64, len(r)), make([]float64, len(r))
		for i, v := range r {
			counts[i], expected[i] = math.Exp(v), 1
		}
		a, _ := changepoint.Poisson(counts, expected, 0.9)
		b, _ := changepoint.Poisson(append(make([]float64, 3), counts...), append(make([]float64, 3), expected...), 0.9)
		if b.Start != a.Start+3 || b.High != a.High+3 || b.Effect != a.Effect || b.Nats != a.Nats {
			t.Fatalf("%+v with three empty elements before it, %+v without", b, a)
		}
	})
}

// The promise, as it is used: a sequence that changes at element 60 is cut where a CUSUM alarms, and the interval at 0.9 holds
// element 60 in at least 90% of the runs in which the alarm came after it. Standard error 0.7% or less.
func TestCoverage(t *testing.T) {
	const onset, runs, level = 60, 1500, 0.9
	for _, c := range []struct {
		name          string
		mu, ratio     float64 // Poisson means vary by a half about mu; mu 0 is Gaussian with shift ratio
		overdispersed float64
		width         float64 // the mean number of elements in the interval may be at most this: all would cover too
	}{
		{"counts of 2, 1.5 times", 2, 1.5, 1, 50},
		{"counts of 20, 1.3 times", 20, 1.3, 1, 16},
		{"counts of 20, 1.5 times", 20, 1.5, 1, 9},
		{"counts of 1/2, twice", 0.5, 2, 1, 55},
		{"counts of 2, twice", 2, 2, 1, 20},
		{"counts of 2, 3 times", 2, 3, 1, 7},
		{"counts of 1/2, 10 times", 0.5, 10, 1, 3},
		{"counts of 2, 10 times", 2, 10, 1, 1.3},
		{"counts of 20, a quarter", 20, 0.25, 1, 2},
		{"variance 4 times the mean, both divided", 20, 2, 4, 9},
		{"half a standard deviation", 0, 0.5, 1, 65},
		{"one standard deviation", 0, 1, 1, 25},
		{"three standard deviations down", 0, -3, 1, 3},
	} {
		rng := rand.New(rand.NewPCG(101, 7))
		covered, done, width := 0, 0, 0
		for done < runs {
			o, ok := simulate(t, rng, c.mu, c.ratio, c.overdispersed, onset, level)
			if !ok {
				continue
			}
			done++
			width += o.High - o.Low + 1
			if o.Low <= onset && onset <= o.High {
				covered++
			}
		}
		share, mean := float64(covered)/runs, float64(width)/runs
		t.Logf("%-40s covered %.3f, %.1f elements wide", c.name, share, mean)
		if share < level {
			t.Errorf("%s: covered in %v of the runs, promised %v", c.name, share, level)
		}
		if mean > c.width {
			t.Errorf("%s: the interval is %v elements wide on average, expected up to %v", c.name, mean, c.width)
		}
	}
}

// simulate draws a sequence with a change at onset, cuts it at the alarm and dates it; it is not ok if the alarm was false.
func simulate(t *testing.T, rng *rand.Rand, mu, ratio, overdispersed float64, onset int, level float64) (changepoint.Onset, bool) {
	var x, mean []float64
	var w float64
	for i := 0; w < 7; i++ {
		if i == onset+5000 {
			t.Fatal("no alarm")
		}
		if mu == 0 {
			r := rng.NormFloat64()
			if i >= onset {
				r += ratio
			}
			x = append(x, r)
			w = max(0, w+math.Copysign(0.7, ratio)*r-0.7*0.7/2)
		} else {
			m, rate := mu*(0.5+rng.Float64()), 1.0
			if i >= onset {
				rate = ratio
			}
			lambda := m * rate
			if overdispersed > 1 {
				beta := 1 / (overdispersed - 1)
				lambda = distuv.Gamma{Alpha: lambda * beta, Beta: beta, Src: rng}.Rand()
			}
			k := distuv.Poisson{Lambda: lambda, Src: rng}.Rand() / overdispersed
			m /= overdispersed
			x, mean = append(x, k), append(mean, m)
			design := 1.5
			if ratio < 1 {
				design = 0.7
			}
			w = max(0, w+k*math.Log(design)-(design-1)*m)
		}
	}
	if len(x) <= onset {
		return changepoint.Onset{}, false
	}
	o, err := changepoint.Gaussian(x, ones(x), level)
	if mu > 0 {
		o, err = changepoint.Poisson(x, mean, level)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o, true
}

func TestOnsetEdges(t *testing.T) {
	for _, c := range []struct {
		name            string
		counts, expects []float64
		want            changepoint.Onset
	}{
		{"one element", []float64{8}, []float64{1}, changepoint.Onset{Effect: 8, Nats: 8*math.Log(8) - 7}},
		{"all as expected: anywhere", []float64{2, 2}, []float64{2, 2}, changepoint.Onset{Start: 1, High: 1, Effect: 1}},
		{"nothing counted, nothing expected", []float64{0, 0}, []float64{0, 0}, changepoint.Onset{Start: 1, High: 1, Effect: 1}},
		{"gone silent", []float64{5, 0, 0}, []float64{5, 20, 20}, changepoint.Onset{Start: 1, Low: 1, High: 1, Nats: 40}},
		{"an element without weight begins nothing", []float64{1, 0, 60}, []float64{1, 0, 1}, changepoint.Onset{Start: 2, Low: 1, High: 2, Effect: 60, Nats: 60*math.Log(60) - 59}},
	} {
		got, err := changepoint.Poisson(c.counts, c.expects, 0.9)
		if math.Abs(got.Nats-c.want.Nats) < 1e-12*c.want.Nats {
			got.Nats = c.want.Nats
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	for _, c := range []struct {
		name            string
		counts, expects []float64
	}{
		{"no elements", nil, nil},
		{"negative", []float64{-1}, []float64{1}},
		{"NaN", []float64{1}, []float64{nan}},
		{"infinite", []float64{inf}, []float64{1}},
		{"something where nothing can be", []float64{1, 0, 2}, []float64{1, 0, 0}},
	} {
		if o, err := changepoint.Poisson(c.counts, c.expects, 0.9); err == nil {
			t.Errorf("%s: %+v, want an error", c.name, o)
		}
	}
	for _, bad := range [][]float64{nil, {nan}, {0, inf}, {math.MaxFloat64, math.MaxFloat64}} {
		if o, err := changepoint.Gaussian(bad, ones(bad), 0.9); err == nil {
			t.Errorf("residuals %v: %+v, want an error", bad, o)
		}
	}
	for _, bad := range [][2][]float64{{nil, nil}, {{2}, {1}}, {{-1}, {1}}, {{nan}, {1}}, {{1}, {inf}}, {{0}, {nan}}} {
		if o, err := changepoint.Binomial(bad[0], bad[1], 0.5, 0.9); err == nil {
			t.Errorf("%v of %v: %+v, want an error", bad[0], bad[1], o)
		}
	}
	for _, weights := range [][]float64{{0}, {-1}, {nan}, {inf}} {
		if o, err := changepoint.Gaussian([]float64{1}, weights, 0.9); err == nil {
			t.Errorf("weights %v: %+v, want an error", weights, o)
		}
	}
	for name, f := range map[string]func(){
		"weights": func() { _, _ = changepoint.Gaussian([]float64{1}, nil, 0.9) },
		"lengths": func() { _, _ = changepoint.Poisson([]float64{1}, nil, 0.9) },
		"chances": func() { _, _ = changepoint.Binomial([]float64{1}, []float64{1}, 1, 0.9) },
		"trials":  func() { _, _ = changepoint.Binomial([]float64{1}, nil, 0.5, 0.9) },
		"level 1": func() { _, _ = changepoint.Poisson(nil, nil, 1) },
		"level 0": func() { _, _ = changepoint.Gaussian(nil, nil, 0) },
	} {
		func() {
			defer func() {
				if msg := fmt.Sprint(recover()); len(msg) < 7 || msg[:7] != "stats: " {
					t.Errorf("%s: panic %q, want one with the prefix \"stats: \"", name, msg)
				}
			}()
			f()
		}()
	}
}

func ExamplePoisson() {
	counts := []float64{3, 1, 4, 2, 3, 9, 6, 8}
	expected := []float64{3, 3, 3, 3, 3, 3, 3, 3}
	o, _ := changepoint.Poisson(counts, expected, 0.9)
	fmt.Printf("%.1f times from element %d on (between %d and %d)\n", o.Effect, o.Start, o.Low, o.High)
	// Output: 2.6 times from element 5 on (between 4 and 5)
}

func BenchmarkPoisson(b *testing.B) {
	for _, n := range []int{60, 10_000} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			counts, expected := make([]float64, n), make([]float64, n)
			for i := range counts {
				expected[i] = 3
				counts[i] = distuv.Poisson{Lambda: 3, Src: rng}.Rand()
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = changepoint.Poisson(counts, expected, 0.9)
			}
		})
	}
}

func ExampleBinomial() {
	hits := []float64{0, 0, 1, 0, 5, 4, 6}
	trials := []float64{6, 6, 6, 6, 6, 6, 6}
	o, _ := changepoint.Binomial(hits, trials, 0.02, 0.9)
	fmt.Printf("from element %d on (between %d and %d)\n", o.Start, o.Low, o.High)
	// Output: from element 4 on (between 4 and 4)
}

func ExampleGaussian() {
	residuals := []float64{0.2, -0.4, 0.1, 0.3, 2.1, 2.6, 1.9}
	o, _ := changepoint.Gaussian(residuals, []float64{1, 1, 1, 1, 1, 1, 1}, 0.9)
	fmt.Printf("by %.1f from element %d on (between %d and %d)\n", o.Effect, o.Start, o.Low, o.High)
	// Output: by 2.2 from element 4 on (between 2 and 5)
}

// ones are the weights of residuals of which each is an element.
func ones(residuals []float64) []float64 {
	return slices.Repeat([]float64{1}, len(residuals))
}

func BenchmarkShares(b *testing.B) {
	const n = 10_000
	rng := rand.New(rand.NewPCG(1, 1))
	hits, trials, residuals := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range hits {
		trials[i] = 20
		hits[i], residuals[i] = float64(rng.IntN(3)), rng.NormFloat64()
	}
	b.Run("Binomial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = changepoint.Binomial(hits, trials, 0.05, 0.9)
		}
	})
	b.Run("Gaussian", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = changepoint.Gaussian(residuals, ones(residuals), 0.9)
		}
	})
}
