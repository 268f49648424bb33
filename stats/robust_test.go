package stats_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats"
)

var nan, inf = math.NaN(), math.Inf(1)

// same is equality in which NaN equals NaN.
func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		name string
		x    []float64
		want float64
	}{
		{"empty has none", nil, nan},
		{"one sample", []float64{3}, 3},
		{"odd: the middle one", []float64{9, 1, 5}, 5},
		{"even: mean of the middle two", []float64{4, 1, 3, 2}, 2.5},
		{"NaN poisons", []float64{1, nan, 3}, nan},
		{"one infinity is only far away", []float64{1, 2, inf}, 2},
		{"opposite infinities have no middle", []float64{-inf, inf}, nan},
		{"huge values do not overflow", []float64{math.MaxFloat64, math.MaxFloat64 / 2}, math.MaxFloat64 * 0.75},
		{"the smallest value survives", []float64{5e-324, 5e-324}, 5e-324},
	} {
		if got := stats.Median(c.x); !same(got, c.want) {
			t.Errorf("%s: Median(%v) = %v, want %v", c.name, c.x, got, c.want)
		}
	}
}

// Oracle: sorting.
func TestMedianAgainstSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-1e9, 1e9), rapid.SampledFrom([]float64{0, 1, 2})), 1, 300).Draw(t, "x")
		before := slices.Clone(x)
		sorted := slices.Sorted(slices.Values(x))
		want := (sorted[(len(x)-1)/2]/2 + sorted[len(x)/2]/2)
		if got := stats.Median(x); math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Fatalf("Median = %v, sorting says %v", got, want)
		}
		if !slices.Equal(x, before) {
			t.Fatal("Median changed its argument")
		}
		reordered := slices.Clone(x)
		stats.MedianInPlace(reordered)
		slices.Sort(reordered)
		if !slices.Equal(reordered, sorted) {
			t.Fatal("MedianInPlace lost or changed a value")
		}
	})
}

// Shapes on which a plain quickselect turns quadratic.
func TestMedianOnHostileOrders(t *testing.T) {
	const n = 100_001
	organ, saw, ones := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		organ[i], saw[i], ones[i] = float64(min(i, n-i)), float64(i%1000), 1
	}
	for name, x := range map[string][]float64{"organ pipe": organ, "saw": saw, "equal": ones} {
		want := slices.Sorted(slices.Values(x))[n/2]
		if got := stats.Median(x); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestMAD(t *testing.T) {
	for _, c := range []struct {
		name     string
		x        []float64
		med, mad float64
	}{
		{"empty", nil, nan, nan},
		{"one sample has no spread", []float64{7}, 7, 0},
		{"majority equal: zero, whatever the rest", []float64{1, 1, 1, 100, -100}, 1, 0},
		{"one to nine", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, 5, 2 * 1.482602218505602},
		{"an infinite sample is an outlier", []float64{1, 2, 3, 4, inf}, 3, 1.482602218505602},
	} {
		med, mad := stats.MAD(c.x)
		if !same(med, c.med) || !same(mad, c.mad) && math.Abs(mad-c.mad) > 1e-15*c.mad {
			t.Errorf("%s: MAD(%v) = %v, %v, want %v, %v", c.name, c.x, med, mad, c.med, c.mad)
		}
	}
}

// On 20,000 normal samples the MAD's standard error is 0.8% of sigma: four of them.
func TestMADEstimatesSigma(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, 20_000)
	for i := range x {
		x[i] = 10 + 3*rng.NormFloat64()
	}
	if _, mad := stats.MAD(x); math.Abs(mad-3) > 3*0.033 {
		t.Errorf("MAD of N(10, 3) = %v", mad)
	}
}

func TestWeightedMedian(t *testing.T) {
	for _, c := range []struct {
		name string
		x, w []float64
		want float64
	}{
		{"nil weights are equal", []float64{3, 1, 2}, nil, 2},
		{"one heavy value wins", []float64{1, 2, 100}, []float64{1, 1, 5}, 100},
		{"half exactly: mean with the next that has weight", []float64{1, 2, 3}, []float64{2, 0, 2}, 2},
		{"NaN weight poisons", []float64{1, 2}, []float64{1, nan}, nan},
		{"no weight at all", []float64{1, 2}, []float64{0, 0}, nan},
		{"negative weight", []float64{1, 2}, []float64{3, -1}, nan},
		{"infinite weight", []float64{1, 2}, []float64{1, inf}, nan},
		{"empty", nil, []float64{}, nan},
	} {
		if got := stats.WeightedMedian(c.x, c.w); !same(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A whole weight is a repetition.
func TestWeightedMedianRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		var x, w, long []float64
		for range n {
			v, k := float64(rapid.IntRange(-20, 20).Draw(t, "x")), rapid.IntRange(0, 5).Draw(t, "w")
			x, w = append(x, v), append(w, float64(k))
			for range k {
				long = append(long, v)
			}
		}
		if got, want := stats.WeightedMedian(x, w), stats.Median(long); !same(got, want) {
			t.Fatalf("weighted %v, repeated %v", got, want)
		}
	})
}

// The estimating equation itself is the oracle: clipped residuals must sum to zero, to within the stated 1e-10·s
// times the number of samples that move with the location.
func TestHuberLocationSolvesItsEquation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1000, 1000), 3, 200).Draw(t, "x")
		k := rapid.Float64Range(0.5, 5).Draw(t, "k")
		mu := stats.HuberLocation(x, k)
		med, s := stats.MAD(x)
		if s < 1e-6 {
			if s == 0 && mu != med {
				t.Fatalf("no spread: %v, want the median %v", mu, med)
			}
			return
		}
		var sum float64
		for _, v := range x {
			sum += max(-k, min(k, (v-mu)/s))
		}
		if math.Abs(sum) > 1e-8*float64(len(x)) {
			t.Fatalf("Σψ = %v at %v", sum, mu)
		}
	})
}

func TestHuberLocationResistsOutliers(t *testing.T) {
	x := []float64{9.8, 10.1, 10, 9.9, 10.2, 9.9, 10.1, 1e12, inf}
	if mu := stats.HuberLocation(x, stats.HuberK); math.Abs(mu-10.1) > 0.15 {
		t.Errorf("location %v, the clean samples are around 10", mu)
	}
	clean := []float64{1, 2, 3, 6}
	if mu := stats.HuberLocation(clean, inf); math.Abs(mu-3) > 1e-12 {
		t.Errorf("unbounded k gives %v, want the mean 3", mu)
	}
}

func TestRobustPanicsOnProgrammerErrors(t *testing.T) {
	for name, f := range map[string]func(){
		"lengths": func() { stats.WeightedMedian([]float64{1}, []float64{1, 2}) },
		"k":       func() { stats.HuberLocation([]float64{1, 2}, 0) },
	} {
		mustPanic(t, name, f)
	}
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

func ExampleMAD() {
	charges := []float64{1.0, 1.1, 0.9, 1.0, 1.2, 12.0}
	median, spread := stats.MAD(charges)
	fmt.Printf("%.2f ± %.2f\n", median, spread)
	// Output: 1.05 ± 0.15
}

func ExampleHuberLocation() {
	fmt.Printf("%.2f\n", stats.HuberLocation([]float64{1.0, 1.1, 0.9, 1.0, 1.2, 12.0}, stats.HuberK))
	// Output: 1.08
}

func ExampleWeightedMedian() {
	fmt.Println(stats.WeightedMedian([]float64{1, 2, 10}, []float64{1, 3, 1}))
	// Output: 2
}

func BenchmarkLocation(b *testing.B) {
	const n = 10_001
	rng := rand.New(rand.NewPCG(1, 1))
	x, w := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i], w[i] = rng.NormFloat64(), rng.Float64()
	}
	for name, f := range map[string]func(){
		"huber":           func() { stats.HuberLocation(x, stats.HuberK) },
		"weighted median": func() { stats.WeightedMedian(x, w) },
		"mad":             func() { stats.MAD(x) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkMedianInPlace(b *testing.B) {
	for _, n := range []int{101, 10_001} {
		rng := rand.New(rand.NewPCG(1, 1))
		src, x := make([]float64, n), make([]float64, n)
		for i := range src {
			src[i] = rng.NormFloat64()
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(8 * n))
			for b.Loop() {
				copy(x, src)
				stats.MedianInPlace(x)
			}
		})
	}
}
