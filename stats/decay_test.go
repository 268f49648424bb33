package stats_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats"
)

type sample struct{ x, w, at float64 }

func drawSamples(t *rapid.T) []sample {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sample {
		return sample{
			rapid.Float64Range(-100, 100).Draw(t, "x"),
			rapid.Float64Range(0.1, 10).Draw(t, "w"),
			rapid.Float64Range(-50, 50).Draw(t, "at"),
		}
	}), 1, 50).Draw(t, "samples")
}

func fold(s []sample, halfLife float64) (d stats.Decay) {
	for _, v := range s {
		d.Add(v.x, v.w, v.at, halfLife)
	}
	return d
}

func near(a, b, scale float64) bool { return math.Abs(a-b) <= 1e-9*scale }

func sameDecay(t *rapid.T, what string, a, b stats.Decay, halfLife float64) {
	at := max(a.At(), b.At())
	if a.At() != b.At() || !near(a.Mean(), b.Mean(), 100) || !near(a.Variance(), b.Variance(), 1e4) ||
		!near(a.Weight(at, halfLife), b.Weight(at, halfLife), 500) {
		t.Fatalf("%s: %+v and %+v", what, a, b)
	}
}

// Oracle: the definition, with gonum's weighted moments. Tolerance: 50 samples × 1e-16 × cancellation of 1e4 in the variance.
func TestDecayAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, h := drawSamples(t), rapid.Float64Range(1, 100).Draw(t, "half-life")
		d := fold(s, h)
		end := math.Inf(-1)
		for _, v := range s {
			end = max(end, v.at)
		}
		var x, w []float64
		var total float64
		for _, v := range s {
			x, w = append(x, v.x), append(w, v.w*math.Exp2(-(end-v.at)/h))
			total += w[len(w)-1]
		}
		mean, variance := stat.PopMeanVariance(x, w)
		if !near(d.Mean(), mean, 100) || !near(d.Variance(), variance, 1e4) || !near(d.Weight(end, h), total, total) {
			t.Fatalf("got %v ± %v (%v), definition %v ± %v (%v)", d.Mean(), d.Variance(), d.Weight(end, h), mean, variance, total)
		}
	})
}

func TestDecayDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, h := drawSamples(t), rapid.Float64Range(1, 100).Draw(t, "half-life")
		sameDecay(t, "permuted", fold(s, h), fold(rapid.Permutation(s).Draw(t, "permuted"), h), h)
	})
}

func TestDecayMergeIsConcatenation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, h := drawSamples(t), rapid.Float64Range(1, 100).Draw(t, "half-life")
		i := rapid.IntRange(0, len(s)).Draw(t, "i")
		j := rapid.IntRange(i, len(s)).Draw(t, "j")
		a, b, c := fold(s[:i], h), fold(s[i:j], h), fold(s[j:], h)
		left, right := a, b
		left.Merge(b, h)
		left.Merge(c, h)
		right.Merge(c, h)
		right.Merge(a, h)
		sameDecay(t, "associative and commutative", left, right, h)
		sameDecay(t, "whole", left, fold(s, h), h)
	})
}

func TestDecayHalfLife(t *testing.T) {
	var d stats.Decay
	d.Add(10, 4, 100, 30)
	if w := d.Weight(130, 30); w != 2 {
		t.Errorf("after one half-life 4 weighs %v, want 2", w)
	}
	d.Add(0, 2, 130, 30)
	if d.Mean() != 5 || d.Variance() != 25 {
		t.Errorf("half of each: %v ± %v, want 5 ± 25", d.Mean(), d.Variance())
	}
	if w := d.Weight(0, 30); w != 4 {
		t.Errorf("weight before the newest sample %v, want that at it, 4", w)
	}
}

func TestDecayEdges(t *testing.T) {
	var d stats.Decay
	if !math.IsNaN(d.Mean()) || !math.IsNaN(d.Variance()) || d.Weight(5, 1) != 0 {
		t.Error("an empty value has no moments and no weight")
	}
	for _, bad := range []sample{{nan, 1, 0}, {inf, 1, 0}, {1, 0, 0}, {1, -1, 0}, {1, nan, 0}, {1, inf, 0}, {1, 1, nan}, {1, 1, -inf}} {
		if d.Add(bad.x, bad.w, bad.at, 1) || d != (stats.Decay{}) {
			t.Errorf("%+v was taken", bad)
		}
	}
	d.Add(1, 1, 0, 1)
	d.Add(7, 1, 1e9, 1)
	if d.Mean() != 7 || d.Variance() != 0 {
		t.Errorf("after a billion half-lives only the new sample is left: %v ± %v", d.Mean(), d.Variance())
	}
	d.Add(-1, 1, 0, 1)
	if d.Mean() != 7 {
		t.Errorf("a sample a billion half-lives late counts nothing: %v", d.Mean())
	}
	mustPanic(t, "half-life", func() { d.Add(1, 1, 1, 0) })
	mustPanic(t, "half-life NaN", func() { d.Weight(1, nan) })
}

func ExampleDecay() {
	var d stats.Decay // minutes, half-life of an hour
	for minute := range 600 {
		d.Add(2, 1, float64(minute), 60)
	}
	d.Add(30, 1, 600, 60)
	fmt.Printf("mean %.2f from %.0f samples' weight\n", d.Mean(), d.Weight(600, 60))
	// Output: mean 2.32 from 87 samples' weight
}

func BenchmarkDecayAdd(b *testing.B) {
	b.ReportAllocs()
	var d stats.Decay
	at := 0.0
	for b.Loop() {
		at++
		d.Add(at, 1, at, 60)
	}
}
