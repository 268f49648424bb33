package sequential_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/sequential"
)

var nan, inf = math.NaN(), math.Inf(1)

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// The bound that PoissonLR promises: its mean is at most 1 for every true mean up to mu, and 1 at mu.
func TestPoissonLRIsAnEValue(t *testing.T) {
	for _, mu := range []float64{0.2, 3, 40} {
		for _, truth := range []float64{0.1, 0.5, 1} {
			var mean float64
			p := distuv.Poisson{Lambda: truth * mu}
			for k := 0.0; k < 500; k++ {
				mean += math.Exp(p.LogProb(k) + sequential.PoissonLR(k, mu, 2))
			}
			if mean > 1+1e-9 || truth == 1 && math.Abs(mean-1) > 1e-9 {
				t.Errorf("mean %v at %v of mu = %v", mean, truth, mu)
			}
		}
	}
}

// Oracle: gonum's log-probabilities at the fitted and the given parameter. They cancel, hence the tolerance.
func TestLLRAgainstLogProb(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := float64(rapid.IntRange(1, 2000).Draw(t, "n"))
		k := float64(rapid.IntRange(0, int(n)).Draw(t, "k"))
		p0 := rapid.Float64Range(0.001, 0.999).Draw(t, "p0")
		if k > 0 && k < n {
			want := distuv.Binomial{N: n, P: k / n}.LogProb(k) - distuv.Binomial{N: n, P: p0}.LogProb(k)
			if got := sequential.BinomLLR(k, n, p0); math.Abs(got-want) > 1e-8*(1+want) {
				t.Fatalf("binomial %v of %v at %v: %v, want %v", k, n, p0, got, want)
			}
		}
		mu := rapid.Float64Range(0.01, 3000).Draw(t, "mu")
		if k > 0 {
			want := distuv.Poisson{Lambda: k}.LogProb(k) - distuv.Poisson{Lambda: mu}.LogProb(k)
			if got := sequential.PoissonLLR(k, mu); math.Abs(got-want) > 1e-8*(1+want) {
				t.Fatalf("Poisson %v at %v: %v, want %v", k, mu, got, want)
			}
		}
	})
}

// Near k = mu the value is d²/(2mu)·(1 − d/(3mu) + d²/(6mu²) − …): the plain formula would keep no digit of it.
func TestPoissonLLRNearItsMean(t *testing.T) {
	const mu = 1e9
	for _, d := range []float64{1, -1, 10, 1000} {
		want := d * d / (2 * mu) * (1 - d/(3*mu) + d*d/(6*mu*mu))
		if got := sequential.PoissonLLR(mu+d, mu); math.Abs(got-want) > 1e-14*want {
			t.Errorf("off by %v: %v, want %v", d, got, want)
		}
	}
	below, above := sequential.PoissonLLR(11/9.0*(1-1e-12), 1), sequential.PoissonLLR(11/9.0*(1+1e-12), 1)
	if math.Abs(below-above) > 1e-12 {
		t.Errorf("a step of %v where series and formula meet", above-below)
	}
}

func TestLLREdges(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"as expected", sequential.PoissonLLR(5, 5), 0},
		{"none where mu were due", sequential.PoissonLLR(0, 7), 7},
		{"some where none could be", sequential.PoissonLLR(1, 0), inf},
		{"none where none could be", sequential.PoissonLLR(0, 0), 0},
		{"negative", sequential.PoissonLLR(-1, 1), nan},
		{"infinite", sequential.PoissonLLR(1, inf), nan},
		{"no trials", sequential.BinomLLR(0, 0, 0.3), 0},
		{"no hits", sequential.BinomLLR(0, 10, 0.3), 10 * -math.Log(0.7)},
		{"only hits", sequential.BinomLLR(10, 10, 0.3), 10 * -math.Log(0.3)},
		{"a hit that cannot be", sequential.BinomLLR(1, 10, 0), inf},
		{"a miss that cannot be", sequential.BinomLLR(9, 10, 1), inf},
		{"the certain", sequential.BinomLLR(10, 10, 1), 0},
		{"more hits than trials", sequential.BinomLLR(2, 1, 0.5), nan},
		{"NaN", sequential.BinomLLR(nan, 1, 0.5), nan},
		{"ratio of zero", sequential.PoissonLR(1, 1, 0), nan},
	} {
		if !same(c.got, c.want) && math.Abs(c.got-c.want) > 1e-14*c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	mustPanic(t, "p0", func() { sequential.BinomLLR(1, 2, 1.5) })
}

func mustPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if msg := fmt.Sprint(recover()); len(msg) < 7 || msg[:7] != "stats: " {
			t.Errorf("%s: panic %q, want one with the prefix \"stats: \"", name, msg)
		}
	}()
	f()
}

func ExampleBinomLLR() {
	// 40 of 50 requests charged twice, where one in a thousand is.
	fmt.Printf("%.0f nats\n", sequential.BinomLLR(40, 50, 0.001))
	// Output: 251 nats
}
