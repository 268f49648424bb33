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

type forecast struct {
	p   float64
	hit bool
}

func drawForecasts(t *rapid.T) []forecast {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) forecast {
		edge := rapid.Float64Range(0, 1)
		return forecast{rapid.OneOf(edge, rapid.SampledFrom([]float64{0, 0.1, 0.3, 0.7, 1})).Draw(t, "p"), rapid.Bool().Draw(t, "hit")}
	}), 1, 100).Draw(t, "forecasts")
}

func reliability(t interface{ Fatal(args ...any) }, fs []forecast, bins int) []stats.ReliabilityBin {
	var p []float64
	var hit []bool
	for _, f := range fs {
		p, hit = append(p, f.p), append(hit, f.hit)
	}
	out, err := stats.Reliability(p, hit, bins)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Oracle: the definition, bin by bin over all forecasts, and the error as a mean over forecasts.
func TestReliabilityAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs, bins := drawForecasts(t), rapid.IntRange(1, 20).Draw(t, "bins")
		got := reliability(t, fs, bins)
		var ece float64
		for i, b := range got {
			var n, hits int
			var sum float64
			for _, f := range fs {
				if f.p <= float64(i+1)/float64(bins) && (f.p > float64(i)/float64(bins) || i == 0) {
					n++
					sum += f.p
					if f.hit {
						hits++
					}
				}
			}
			if b.N != n || b.Hits != hits || n > 0 && math.Abs(b.Confidence-sum/float64(n)) > 1e-14 {
				t.Fatalf("bin %d is %+v, by definition %d, %d, %v", i, b, n, hits, sum/float64(n))
			}
			ece += math.Abs(float64(hits)-sum) / float64(len(fs))
		}
		if e := stats.ExpectedCalibrationError(got); math.Abs(e-ece) > 1e-12 {
			t.Fatalf("error %v, by definition %v", e, ece)
		}
		slices.Reverse(fs)
		for i, b := range reliability(t, fs, bins) {
			if b.N != got[i].N || b.Hits != got[i].Hits || math.Abs(b.Confidence-got[i].Confidence) > 1e-14 {
				t.Fatalf("bin %d depends on the order", i)
			}
		}
	})
}

func TestReliabilityOfKnownForecasters(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var honest, bold []forecast
	for range 20_000 {
		p := rng.Float64()
		hit := rng.Float64() < p
		honest = append(honest, forecast{p, hit})
		bold = append(bold, forecast{min(1, p+0.2*(1-p)), hit}) // says 0.2·(1−p) too much: 0.1 on average
	}
	// 2,000 a bin: chance alone leaves about 0.8·0.4/√2000 = 0.007.
	if e := stats.ExpectedCalibrationError(reliability(t, honest, 10)); e > 0.015 {
		t.Errorf("an honest forecaster scores %v", e)
	}
	if e := stats.ExpectedCalibrationError(reliability(t, bold, 10)); math.Abs(e-0.1) > 0.01 {
		t.Errorf("a bold one scores %v, want about 0.1", e)
	}
}

// A forecast on the edge of two bins belongs to the lower one, the next float to the upper, however products round.
func TestReliabilityBinEdges(t *testing.T) {
	for _, bins := range []int{1, 10, 49, 100, 1000} {
		for i := 1; i < bins; i++ {
			edge := float64(i) / float64(bins)
			got := reliability(t, []forecast{{edge, true}, {math.Nextafter(edge, 1), false}}, bins)
			if below, above := got[i-1], got[i]; below.N != 1 || below.Hits != 1 || above.N != 1 || above.Low != edge {
				t.Fatalf("at edge %d of %d: %+v and %+v", i, bins, below, above)
			}
		}
	}
}

func TestReliabilityEdges(t *testing.T) {
	none, err := stats.Reliability(nil, nil, 4)
	if err != nil || len(none) != 4 || !math.IsNaN(stats.ExpectedCalibrationError(none)) {
		t.Errorf("without forecasts: %v, %v", none, err)
	}
	if !math.IsNaN(none[0].Accuracy()) || !math.IsNaN(none[0].Confidence) {
		t.Errorf("an empty bin says %+v", none[0])
	}
	if one := reliability(t, []forecast{{1, true}, {0, false}}, 2); stats.ExpectedCalibrationError(one) != 0 || one[0].N != 1 {
		t.Errorf("the certain: %+v", one)
	}
	for _, bad := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		if _, err := stats.Reliability([]float64{0.5, bad}, make([]bool, 2), 2); err == nil {
			t.Errorf("a forecast of %v went through", bad)
		}
	}
	mustPanic(t, "lengths", func() { _, _ = stats.Reliability([]float64{1}, nil, 2) })
	mustPanic(t, "bins", func() { _, _ = stats.Reliability(nil, nil, 0) })
}

func ExampleExpectedCalibrationError() {
	said := []float64{0.9, 0.9, 0.9, 0.9, 0.3, 0.3}
	was := []bool{true, true, true, false, false, true}
	bins, _ := stats.Reliability(said, was, 2)
	for _, b := range bins {
		fmt.Printf("said %.2f, was %.2f of %d\n", b.Confidence, b.Accuracy(), b.N)
	}
	fmt.Printf("off by %.3f\n", stats.ExpectedCalibrationError(bins))
	// Output:
	// said 0.30, was 0.50 of 2
	// said 0.90, was 0.75 of 4
	// off by 0.167
}

func BenchmarkReliability(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			p, hit := make([]float64, n), make([]bool, n)
			for i := range p {
				p[i] = float64(i) / float64(n)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = stats.Reliability(p, hit, 10)
			}
		})
	}
}
