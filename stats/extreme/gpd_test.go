package extreme_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/extreme"
)

var nan, inf = math.NaN(), math.Inf(1)

// logL is the log-likelihood, with the density written out.
func logL(g extreme.GPD, y []float64, beyond []bool) float64 {
	var sum float64
	for i, v := range y {
		switch {
		case g.Shape < 0 && v >= -g.Scale/g.Shape:
			return -inf
		case beyond != nil && beyond[i]:
			sum += math.Log(g.Survival(v))
		case g.Shape == 0:
			sum -= math.Log(g.Scale) + v/g.Scale
		default:
			sum -= math.Log(g.Scale) + (1/g.Shape+1)*math.Log1p(g.Shape*v/g.Scale)
		}
	}
	return sum
}

// sample draws excesses of a GPD, of which those above cut are only known to be beyond it.
func sample(rng *rand.Rand, g extreme.GPD, n int, cut float64) (y []float64, beyond []bool) {
	for range n {
		v := g.ReturnLevel(1 - rng.Float64())
		for v == 0 {
			v = g.ReturnLevel(1 - rng.Float64())
		}
		y, beyond = append(y, min(v, cut)), append(beyond, v > cut)
	}
	return y, beyond
}

// searchGPD is the slow way: a grid over both parameters, narrowed about its best point again and again.
func searchGPD(y []float64, beyond []bool, start extreme.GPD) (best extreme.GPD, top float64) {
	const half = 10
	best, top = start, logL(start, y, beyond)
	for width := 2.0; width > 1e-5; width /= 5 {
		centre := best
		for i := -half; i <= half; i++ {
			for j := -half; j <= half; j++ {
				g := extreme.GPD{Shape: centre.Shape + width*float64(i)/half, Scale: centre.Scale * math.Exp(width*float64(j)/half)}
				if l := logL(g, y, beyond); l > top && g.Shape >= -1 && g.Shape <= 4 {
					best, top = g, l
				}
			}
		}
	}
	return best, top
}

// Oracle: the slow search, from the truth. The likelihood is compared, which is flat at its top; at the ends of the range of
// shapes there is none.
func TestFitGPDAgainstSearch(t *testing.T) {
	rng := rand.New(rand.NewPCG(105, 1))
	for _, shape := range []float64{-0.4, -0.1, 0, 0.1, 0.5, 1, 2} {
		for _, n := range []int{12, 60, 300} {
			truth := extreme.GPD{Shape: shape, Scale: 3}
			y, beyond := sample(rng, truth, n, truth.ReturnLevel(0.05))
			got, err := extreme.FitGPD(y, beyond)
			if err != nil {
				t.Fatal(err)
			}
			best, top := searchGPD(y, beyond, truth)
			if l := logL(got, y, beyond); l < top-1e-6 && best.Shape > -0.99 {
				t.Errorf("shape %v, n = %d: %+v with log-likelihood %v, by search %+v with %v", shape, n, got, l, best, top)
			}
			if math.Abs(got.Shape-shape) > 5*(1+math.Abs(shape))/math.Sqrt(float64(n)) {
				t.Errorf("shape %v of %d fitted as %v", shape, n, got.Shape)
			}
		}
	}
}

// No other distribution is likelier, short of the ends of the range; order and unit do not matter.
func TestFitGPDProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := rapid.SliceOfN(rapid.Float64Range(1e-3, 1e3), 10, 60).Draw(t, "y")
		g, err := extreme.FitGPD(y, nil)
		if err != nil {
			t.Fatal(err)
		}
		other := extreme.GPD{Shape: rapid.Float64Range(-1, 4).Draw(t, "shape"), Scale: math.Exp(rapid.Float64Range(-7, 9).Draw(t, "scale"))}
		if a, b := logL(g, y, nil), logL(other, y, nil); a < b-1e-6 && g.Shape > -0.99 && g.Shape < 3.99 {
			t.Fatalf("%+v has log-likelihood %v, %+v %v", g, a, other, b)
		}
		moved := rapid.Permutation(y).Draw(t, "moved")
		scaled := slices.Clone(y)
		for i := range scaled {
			scaled[i] *= 8
		}
		m, _ := extreme.FitGPD(moved, nil)
		s, _ := extreme.FitGPD(scaled, make([]bool, len(y)))
		if math.Abs(m.Shape-g.Shape) > 1e-3*(1+math.Abs(g.Shape)) || s.Shape != g.Shape || s.Scale != 8*g.Scale {
			t.Fatalf("%+v, permuted %+v, times eight %+v", g, m, s)
		}
	})
}

// Known values: shape 1 is σ/(σ+y), shape −1 is uniform, and a small shape is close to the exponential of shape 0.
func TestGPD(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"shape 1", extreme.GPD{Shape: 1, Scale: 2}.Survival(6), 0.25},
		{"uniform", extreme.GPD{Shape: -1, Scale: 4}.Survival(1), 0.75},
		{"beyond the end", extreme.GPD{Shape: -1, Scale: 4}.Survival(5), 0},
		{"the end", extreme.GPD{Shape: -0.5, Scale: 4}.ReturnLevel(0), 8},
		{"no end", extreme.GPD{Shape: 0.5, Scale: 4}.ReturnLevel(0), inf},
		{"exponential", extreme.GPD{Scale: 2}.Survival(6), math.Exp(-3)},
		{"exponential's level", extreme.GPD{Scale: 2}.ReturnLevel(math.Exp(-3)), 6},
		{"nearly exponential", extreme.GPD{Shape: 1e-12, Scale: 2}.ReturnLevel(math.Exp(-3)), 6},
		{"all but exponential", extreme.GPD{Shape: 1.8e-307, Scale: 32}.ReturnLevel(0.5), 32 * math.Ln2},
		{"all but exponential's tail", extreme.GPD{Shape: -5e-324, Scale: 32}.Survival(32 * math.Ln2), 0.5},
		{"below zero", extreme.GPD{Scale: 2}.Survival(-1), 1},
		{"certain", extreme.GPD{Shape: 2, Scale: 2}.ReturnLevel(1), 0},
		{"no scale", extreme.GPD{}.Survival(1), nan},
		{"no scale, no level", extreme.GPD{}.ReturnLevel(0.5), nan},
		{"no probability", extreme.GPD{Scale: 1}.ReturnLevel(2), nan},
	} {
		if c.got != c.want && !(math.Abs(c.got-c.want) < 1e-9) && !(math.IsNaN(c.got) && math.IsNaN(c.want)) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		g := extreme.GPD{Shape: rapid.Float64Range(-1, 4).Draw(t, "shape"), Scale: rapid.Float64Range(0.01, 100).Draw(t, "scale")}
		p := rapid.Float64Range(1e-6, 1).Draw(t, "p")
		if got := g.Survival(g.ReturnLevel(p)); math.Abs(got-p) > 1e-9 {
			t.Fatalf("%+v: level of %v is exceeded with probability %v", g, p, got)
		}
	})
}

func TestFitGPDEdges(t *testing.T) {
	if _, err := extreme.FitGPD(make([]float64, 9), nil); err == nil {
		t.Error("zeros were fitted")
	}
	few := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if _, err := extreme.FitGPD(few, nil); !errors.Is(err, extreme.ErrTooFewPeaks) {
		t.Errorf("nine peaks: %v", err)
	}
	ten := append(slices.Clone(few), 10)
	if _, err := extreme.FitGPD(ten, append(make([]bool, 9), true)); !errors.Is(err, extreme.ErrTooFewPeaks) {
		t.Errorf("nine known peaks: %v", err)
	}
	for _, bad := range []float64{0, -1, nan, inf} {
		if _, err := extreme.FitGPD(append(slices.Clone(ten), bad), nil); err == nil {
			t.Errorf("a peak of %v was fitted", bad)
		}
	}
	same := slices.Repeat([]float64{5}, 20)
	if g, err := extreme.FitGPD(same, nil); err != nil || math.Abs(g.Shape+1) > 1e-3 || g.Survival(8) > 0 {
		t.Errorf("peaks all alike: %+v, %v, want the least shape, and an end near them", g, err)
	}
	wild := []float64{1e-300, 1e-200, 1e-100, 1e-50, 1, 1e50, 1e100, 1e200, 1e300, 1e-10}
	if g, err := extreme.FitGPD(wild, nil); err != nil || !(g.Shape > 3.9 && g.Shape < 4.1) || !(g.Scale > 0) {
		t.Errorf("a tail beyond all bounds: %+v, %v, want the greatest shape", g, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("lengths that differ went through")
		}
	}()
	_, _ = extreme.FitGPD(ten, []bool{true})
}

func BenchmarkFitGPD(b *testing.B) {
	for _, n := range []int{40, 1024} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			y, beyond := sample(rand.New(rand.NewPCG(1, 1)), extreme.GPD{Shape: 0.3, Scale: 1}, n, 20)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = extreme.FitGPD(y, beyond)
			}
		})
	}
}
