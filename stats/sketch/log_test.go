package sketch_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/sketch"
)

// Oracle: gonum's empirical quantile (nearest rank) of the sorted samples. The error bound is the documented one.
func TestQuantileWithinRelativeError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exponent := rapid.Float64Range(-31.9, 31.9)
		x := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) float64 {
			if rapid.IntRange(0, 9).Draw(t, "zero") == 0 {
				return 0
			}
			return math.Exp2(exponent.Draw(t, "exponent"))
		}), 1, 200).Draw(t, "x")
		var l sketch.Log
		for _, v := range x {
			l.Add(v)
		}
		slices.Sort(x)
		for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.99, 1, rapid.Float64Range(0, 1).Draw(t, "q")} {
			want := x[0]
			if q > 0 {
				want = stat.Quantile(q, stat.Empirical, x, nil)
			}
			if got := l.Quantile(q); math.Abs(got-want) > sketch.RelativeError*want*(1+1e-12) {
				t.Fatalf("q %v: %v, exact %v: off by %v", q, got, want, math.Abs(got-want)/want)
			}
		}
	})
}

func TestMergeIsConcatenation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOf(rapid.Float64Min(0)).Draw(t, "x")
		cut := rapid.IntRange(0, len(x)).Draw(t, "cut")
		var whole, a, b sketch.Log
		for i, v := range x {
			whole.Add(v)
			if i < cut {
				a.Add(v)
			} else {
				b.Add(v)
			}
		}
		ab, ba := a, b
		ab.Merge(&b)
		ba.Merge(&a)
		if ab != whole || ba != whole {
			t.Fatal("parts do not add up to the whole")
		}
	})
}

// Any number of parts, in any order and grouping, with samples of any order in them, are the whole to the bit.
func TestMergeDoesNotDependOnOrderOrGrouping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOf(rapid.Float64Min(0)).Draw(t, "x")
		var whole sketch.Log
		for _, v := range x {
			whole.Add(v)
		}
		var a, b, c sketch.Log
		for i, v := range rapid.Permutation(x).Draw(t, "permuted") {
			[]*sketch.Log{&a, &b, &c}[i%3].Add(v)
		}
		left, right := a, b
		left.Merge(&b)
		left.Merge(&c) // (a + b) + c
		right.Merge(&c)
		right.Merge(&a) // a + (b + c)
		if left != whole || right != whole {
			t.Fatal("grouping or order shows")
		}
	})
}

// Every bucket edge: its value must land in the bucket that starts there, its predecessor in the one before.
func TestEdgesOfBuckets(t *testing.T) {
	for e := -32; e < 32; e++ {
		for i := range 16 {
			edge := math.Ldexp(1+float64(i)/16, e)
			for _, v := range []float64{edge, math.Nextafter(math.Ldexp(1+float64(i+1)/16, e), 0)} {
				var l sketch.Log
				l.Add(v)
				if got := l.Quantile(0.5); math.Abs(got-v) > sketch.RelativeError*v*(1+1e-12) {
					t.Fatalf("%v estimated as %v", v, got)
				}
			}
		}
	}
}

func TestEdges(t *testing.T) {
	var l sketch.Log
	if !math.IsNaN(l.Quantile(0.5)) {
		t.Error("an empty sketch has no quantile")
	}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(-1)} {
		if l.Add(bad) || l.Count() != 0 {
			t.Errorf("%v was counted", bad)
		}
	}
	l.AddN(0, 3)
	l.Add(5e-324)
	l.Add(math.Inf(1))
	l.Add(math.MaxFloat64)
	if l.Count() != 6 || l.Quantile(0.5) != 0 {
		t.Errorf("count %d, median %v, want 6 and the zero bucket", l.Count(), l.Quantile(0.5))
	}
	if low := l.Quantile(0.6); low < sketch.MinValue || low > sketch.MinValue*1.0625 {
		t.Errorf("too small a number estimated as %v", low)
	}
	if high := l.Quantile(1); high < sketch.MaxValue*0.9 || high > sketch.MaxValue {
		t.Errorf("too great a number estimated as %v", high)
	}
	l.Reset()
	if l != (sketch.Log{}) {
		t.Error("Reset left something")
	}
	defer func() {
		if recover() == nil {
			t.Error("q outside [0, 1] went through")
		}
	}()
	l.Quantile(1.5)
}

func ExampleLog() {
	var l sketch.Log
	for i := 1; i <= 1000; i++ {
		l.Add(float64(i))
	}
	fmt.Printf("p50 about %.0f, p99 about %.0f\n", l.Quantile(0.5), l.Quantile(0.99))
	// Output: p50 about 504, p99 about 976
}

func BenchmarkAdd(b *testing.B) {
	x := make([]float64, 1024)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range x {
		x[i] = math.Exp(3 * rng.NormFloat64())
	}
	var l sketch.Log
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Add(x[i&1023])
		i++
	}
}

func BenchmarkMerge(b *testing.B) {
	var l, o sketch.Log
	o.Add(3)
	b.ReportAllocs()
	for b.Loop() {
		l.Merge(&o)
	}
}

func BenchmarkQuantile(b *testing.B) {
	var l sketch.Log
	for i := range 1000 {
		l.Add(float64(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Quantile(0.99)
	}
}
