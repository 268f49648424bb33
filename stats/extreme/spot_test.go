package extreme_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/stats/extreme"
)

func draw(rng *rand.Rand, n int, f func(*rand.Rand) float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = f(rng)
	}
	return x
}

// The promise: alarms are as rare as was asked for, whatever the distribution, and the bar is near its quantile. 60 alarms
// are due in each row: ±13% by chance, and what 40 peaks of calibration leave open comes on top.
func TestSPOTKeepsItsRisk(t *testing.T) {
	const risk, runs, scores = 1e-3, 3, 20_000
	for _, c := range []struct {
		name     string
		f        func(*rand.Rand) float64
		quantile float64 // exceeded with probability risk
	}{
		{"normal", (*rand.Rand).NormFloat64, 3.0902},
		{"exponential", (*rand.Rand).ExpFloat64, -math.Log(risk)},
		{"uniform", (*rand.Rand).Float64, 1 - risk},
		{"log-normal, σ 2.2", func(r *rand.Rand) float64 { return math.Exp(2.2 * r.NormFloat64()) }, math.Exp(2.2 * 3.0902)},
		{"Pareto, index 2", func(r *rand.Rand) float64 { return 1 / math.Sqrt(1-r.Float64()) }, math.Sqrt(1 / risk)},
	} {
		alarms := 0
		for run := range runs {
			rng := rand.New(rand.NewPCG(107, uint64(run)))
			s, err := extreme.NewSPOT(draw(rng, 2000, c.f), 0.98, risk)
			if err != nil {
				t.Fatal(err)
			}
			for range scores {
				if s.Add(c.f(rng)) {
					alarms++
				}
			}
			// In the far tail a bar off by ±30% of the alarms is off by this much in score.
			if low, high := c.quantile*0.7, c.quantile*1.4; s.Alarm() < low || s.Alarm() > high {
				t.Errorf("%s: bar at %v, the quantile is %v", c.name, s.Alarm(), c.quantile)
			}
		}
		share := float64(alarms) / (runs * scores)
		t.Logf("%-18s %.2f times the risk", c.name, share/risk)
		if share < 0.6*risk || share > 1.5*risk {
			t.Errorf("%s: %v alarms a score, asked for %v", c.name, share, risk)
		}
	}
}

// Oracle: after calibration the bar is the formula over the peaks, sorted and fitted by hand.
func TestSPOTAgainstTheFormula(t *testing.T) {
	const level, risk = 0.95, 1e-3
	x := draw(rand.New(rand.NewPCG(107, 9)), 1000, (*rand.Rand).ExpFloat64)
	s, err := extreme.NewSPOT(x, level, risk)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(x)
	at := x[950]
	var y []float64
	for _, v := range x[951:] {
		y = append(y, v-at)
	}
	g, err := extreme.FitGPD(y, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := at + g.Scale/g.Shape*(math.Pow(risk*1000/49, -g.Shape)-1)
	if s.Threshold() != at || math.Abs(s.Alarm()-want) > 1e-3*want || math.Abs(s.Tail().Shape-g.Shape) > 1e-3 {
		t.Errorf("threshold %v, bar %v, tail %+v, by hand %v, %v, %+v", s.Threshold(), s.Alarm(), s.Tail(), at, want, g)
	}
}

// Oracle: the latest peaks, kept by hand. The stream ends up to a hundredth of them after the last fit.
func TestSPOTFitsTheLatestPeaks(t *testing.T) {
	rng := rand.New(rand.NewPCG(107, 13))
	x := draw(rng, 9000, (*rand.Rand).ExpFloat64)
	s, err := extreme.NewSPOT(x, 0.9, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	var y []float64
	var beyond []bool
	for _, v := range x {
		if v > s.Threshold() {
			y, beyond = append(y, v-s.Threshold()), append(beyond, false)
		}
	}
	for range 8000 {
		v := 0.8 * rng.ExpFloat64() // a shorter tail, which the latest peaks know
		bar := s.Alarm()
		if alarm := s.Add(v); v > s.Threshold() {
			y, beyond = append(y, min(v, bar)-s.Threshold()), append(beyond, alarm)
		}
	}
	if len(y) < extreme.MaxPeaks*5/4 {
		t.Fatalf("%d peaks are too few to tell", len(y))
	}
	latest := len(y) - extreme.MaxPeaks
	want, err := extreme.FitGPD(y[latest:], beyond[latest:])
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Tail(); math.Abs(got.Shape-want.Shape) > 0.02 || math.Abs(got.Scale-want.Scale) > 0.02 {
		t.Errorf("tail %+v, by hand %+v", got, want)
	}
}

// An incident is seen to its last score and does not teach the bar to let the next one pass.
func TestSPOTIsNotTaughtByAnIncident(t *testing.T) {
	rng := rand.New(rand.NewPCG(107, 11))
	s, err := extreme.NewSPOT(draw(rng, 2000, (*rand.Rand).NormFloat64), 0.98, 1e-3)
	if err != nil {
		t.Fatal(err)
	}
	before := s.Alarm()
	for i := range 5000 {
		if !s.Add(20 + rng.NormFloat64()) {
			t.Fatalf("score %d of the incident went unseen, the bar is at %v", i, s.Alarm())
		}
	}
	if after := s.Alarm(); after > 1.35*before {
		t.Errorf("bar at %v before the incident, %v after it", before, after)
	}
}

func TestSPOTEdges(t *testing.T) {
	var zero extreme.SPOT
	if zero.Add(1e9) || !math.IsInf(zero.Alarm(), 1) {
		t.Error("the zero value alarms")
	}
	if _, err := extreme.NewSPOT(nil, 0.98, 1e-3); !errors.Is(err, extreme.ErrTooFewPeaks) {
		t.Errorf("no calibration: %v", err)
	}
	if _, err := extreme.NewSPOT(make([]float64, 1000), 0.98, 1e-3); !errors.Is(err, extreme.ErrTooFewPeaks) {
		t.Errorf("scores all alike: %v", err)
	}
	x := draw(rand.New(rand.NewPCG(1, 1)), 1000, (*rand.Rand).ExpFloat64)
	if _, err := extreme.NewSPOT(append(slices.Clone(x), inf), 0.98, 1e-3); err == nil || errors.Is(err, extreme.ErrTooFewPeaks) {
		t.Errorf("an infinite score: %v", err)
	}
	s, err := extreme.NewSPOT(x, 0.98, 1e-3)
	if err != nil {
		t.Fatal(err)
	}
	before := s.Alarm()
	if s.Add(nan) || s.Add(-inf) || !s.Add(inf) || s.Alarm() < before {
		t.Error("a NaN or −Inf alarmed, or +Inf did not")
	}
	// Where nearly every peak is an alarm, the bar is the threshold, and alarms still come as often as asked for.
	const greed = 0.0199
	greedy, err := extreme.NewSPOT(x, 0.98, greed)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	alarms := 0
	for range 20_000 {
		if greedy.Add(rng.ExpFloat64()) {
			alarms++
		}
	}
	if z, share := greedy.Alarm(), float64(alarms)/20_000; z < greedy.Threshold() || math.Abs(share-greed) > 0.25*greed {
		t.Errorf("bar at %v, threshold %v, %v alarms a score", z, greedy.Threshold(), share)
	}
	for _, bad := range [][2]float64{{0.98, 0}, {0.98, 0.03}, {0, 0.1}, {1, 0.1}, {0.98, nan}} {
		func() {
			defer func() {
				if msg := fmt.Sprint(recover()); len(msg) < 7 || msg[:7] != "stats: " {
					t.Errorf("level and risk %v: panic %q, want one with the prefix \"stats: \"", bad, msg)
				}
			}()
			_, _ = extreme.NewSPOT(x, bad[0], bad[1])
		}()
	}
}

func ExampleSPOT() {
	rng := rand.New(rand.NewPCG(1, 1))
	s, _ := extreme.NewSPOT(draw(rng, 5000, (*rand.Rand).ExpFloat64), 0.98, 1e-4)
	fmt.Println("7 an alarm:", s.Add(7), "- 15 an alarm:", s.Add(15))
	// Output: 7 an alarm: false - 15 an alarm: true
}

func BenchmarkSPOTAdd(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	s, err := extreme.NewSPOT(draw(rng, 60_000, (*rand.Rand).ExpFloat64), 0.98, 1e-4)
	if err != nil {
		b.Fatal(err)
	}
	x := draw(rng, 1<<16, (*rand.Rand).ExpFloat64)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Add(x[i&(1<<16-1)])
		i++
	}
}
