package changepoint_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/integrate"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/changepoint"
)

func TestBackEdges(t *testing.T) {
	for _, c := range []struct {
		name      string
		ago, odds []float64
		h, want   float64
	}{
		{"each element would show it: a share of the gap", []float64{10}, []float64{0}, 100, 9.5},
		{"elements say nothing: a share of the horizon", []float64{10, 20}, []float64{1, 1}, 100, 95},
		{"no element", nil, nil, 100, 95},
		{"no time", nil, nil, 0, 0},
		{"most of what is left, which counts a tenth", []float64{90}, []float64{0.1}, 190, 140},
		{"elements at one instant", []float64{10, 10}, []float64{0.5, 0}, 20, 9.5},
		{"an element at the sign itself", []float64{0, 10}, []float64{0.5, 0}, 20, 9.5},
	} {
		if got := changepoint.Back(c.ago, c.odds, c.h, 0.95); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		ago, odds []float64
		h, level  float64
	}{
		{[]float64{1}, nil, 2, 0.9},
		{[]float64{2, 1}, []float64{1, 1}, 2, 0.9},
		{[]float64{1}, []float64{1.1}, 2, 0.9},
		{[]float64{1}, []float64{nan}, 2, 0.9},
		{[]float64{3}, []float64{1}, 2, 0.9},
		{nil, nil, -1, 0.9},
		{nil, nil, nan, 0.9},
		{nil, nil, 1, 1},
		{nil, nil, 1, 0},
		{[]float64{nan}, []float64{1}, 2, 0.9},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v: no panic", c)
				}
			}()
			changepoint.Back(c.ago, c.odds, c.h, c.level)
		}()
	}
}

// Oracle: the trapezoidal rule over the likelihood as it is written, on a fine grid.
func TestBackAgainstIntegral(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ago := rapid.SliceOfN(rapid.Float64Range(0, 50), 0, 8).Draw(t, "ago")
		slices.Sort(ago)
		odds := rapid.SliceOfN(rapid.Float64Range(0, 1), len(ago), len(ago)).Draw(t, "odds")
		level := rapid.Float64Range(0.05, 0.99).Draw(t, "level")
		const h, steps = 60.0, 1000
		mass := func(to float64) float64 {
			x, y := make([]float64, steps+1), make([]float64, steps+1)
			for i := range x {
				x[i], y[i] = to*float64(i)/steps, 1
				for j, a := range ago {
					if a < x[i] {
						y[i] *= odds[j]
					}
				}
			}
			return integrate.Trapezoidal(x, y)
		}
		x := changepoint.Back(ago, odds, h, level)
		if got := mass(max(x, 1e-9)) / mass(h); math.Abs(got-level) > h/steps*float64(len(ago)+1)/mass(h) {
			t.Fatalf("[0, %v] holds %v, want %v", x, got, level)
		}
	})
}

// The promise: elements at a constant rate, of which a share shows the change; it holds the change as often as it says, no more.
func TestBackCovers(t *testing.T) {
	const runs, level = 20000, 0.9
	for _, share := range []float64{1, 0.7, 0.2} {
		rng := rand.New(rand.NewPCG(6, 3))
		covered := 0
		for range runs {
			first := rng.ExpFloat64() / share // after the change, that is: of those that show it
			var ago, odds []float64
			for at := rng.ExpFloat64() / (1 - share); at < first; at += rng.ExpFloat64() / (1 - share) {
				ago = append(ago, first-at) // those after it that do not
			}
			slices.Reverse(ago)
			for at := rng.ExpFloat64(); at < 300; at += rng.ExpFloat64() {
				ago = append(ago, first+at)
			}
			for range ago {
				odds = append(odds, 1-share)
			}
			if changepoint.Back(ago, odds, first+300, level) >= first {
				covered++
			}
		}
		if got := float64(covered) / runs; math.Abs(got-level) > 0.008 {
			t.Errorf("share %v: covered in %v of the runs, promised %v", share, got, level)
		}
	}
}
