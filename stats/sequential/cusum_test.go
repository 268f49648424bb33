package sequential_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats"
	"github.com/drainwatch/drainwatch/stats/sequential"
)

// Oracle: the definition, by trying every beginning; and the beginning that wins is the one reported.
func TestCUSUMIsTheBestBeginning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ratio, rate = 1.7, 3.0
		n := rapid.IntRange(1, 60).Draw(t, "n")
		var c sequential.CUSUM
		var up, down []float64
		for i := range n {
			k := float64(rapid.IntRange(0, 12).Draw(t, "k"))
			x := rapid.Float64Range(0.3, 2).Draw(t, "exposure")
			c.AddPoisson(k, x, rate, ratio, float64(i))
			up = append(up, k*math.Log(ratio)-(ratio-1)*rate*x)
			down = append(down, -k*math.Log(ratio)+(1-1/ratio)*rate*x)
			for _, side := range []struct {
				name string
				got  sequential.Excursion
				llr  []float64
			}{{"up", c.Up, up}, {"down", c.Down, down}} {
				var best, sum, since float64
				for s := i; s >= 0; s-- {
					if sum += side.llr[s]; sum > best {
						best, since = sum, float64(s)
					}
				}
				if math.Abs(side.got.Nats-best) > 1e-9 {
					t.Fatalf("%s after %d samples: %v nats, definition %v", side.name, i+1, side.got.Nats, best)
				}
				if best > 1e-9 && (side.got.Since != since || side.got.Reference != rate) {
					t.Fatalf("%s after %d samples: %+v, definition since %v", side.name, i+1, side.got, since)
				}
			}
		}
	})
}

// A stream and its mirror change sides, and a rate in another unit of exposure changes nothing.
func TestCUSUMSymmetries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-4, 4), 1, 60).Draw(t, "x")
		var a, b, hours, minutes sequential.CUSUM
		for i, v := range x {
			at := float64(i)
			a.AddGaussian(v, 0.5, 1, at)
			b.AddGaussian(-v, -0.5, 1, at)
			hours.AddPoisson(math.Exp(v), 2, 3, 2, at)
			minutes.AddPoisson(math.Exp(v), 120, 0.05, 2, at)
		}
		if math.Abs(a.Up.Nats-b.Down.Nats) > 1e-12 || math.Abs(a.Down.Nats-b.Up.Nats) > 1e-12 {
			t.Fatalf("%+v, mirrored %+v", a, b)
		}
		if math.Abs(hours.Up.Nats-minutes.Up.Nats) > 1e-9 || math.Abs(hours.Down.Nats-minutes.Down.Nats) > 1e-9 {
			t.Fatalf("%+v by the hour, %+v by the minute", hours, minutes)
		}
	})
}

// runLength returns the mean number of samples until alarm says so, over runs from the zero value.
func runLength(runs int, add func(c *sequential.CUSUM), alarm func(c sequential.CUSUM) bool) float64 {
	var total int
	for range runs {
		var c sequential.CUSUM
		for {
			total++
			if add(&c); alarm(c) {
				break
			}
		}
	}
	return float64(total) / float64(runs)
}

// Published values: Montgomery, Introduction to Statistical Quality Control, sixth edition, 2009, table 9.3 (two-sided, k = ½),
// to three digits. The mean of 6,000 runs has a standard error of 1.3% at most; four are allowed.
func TestCUSUMRunLengthPublished(t *testing.T) {
	for _, c := range []struct{ h, mean, want float64 }{
		{4, 0, 168}, {5, 0, 465}, {4, 0.5, 26.6}, {5, 0.5, 38.0}, {4, 1, 8.38}, {5, 1, 10.4}, {5, 2, 4.01},
	} {
		rng := rand.New(rand.NewPCG(103, 1))
		got := runLength(6000, func(s *sequential.CUSUM) { s.AddGaussian(c.mean+rng.NormFloat64(), 0, 1, 0) },
			func(s sequential.CUSUM) bool { return max(s.Up.Nats, s.Down.Nats) >= c.h })
		if math.Abs(got-c.want) > 0.052*c.want {
			t.Errorf("h = %v, mean off by %v: %.4v samples to the alarm, published %v", c.h, c.mean, got, c.want)
		}
	}
}

// Oracle: where ln ρ divides the reference, sums lie on a lattice and the run length is exact, by the Markov chain of Brook and
// Evans, An Approach to the Probability Distribution of CUSUM Run Length, 1972. With ρ = 2 and mean 2·ln 2 the steps are n − 2 up and
// 1 − n down, in units of ln 2.
func TestCUSUMRunLengthOfCounts(t *testing.T) {
	const rate, runs = 2 * math.Ln2, 6000
	for _, c := range []struct {
		name       string
		truth      float64 // times the rate
		slope, off int     // the step is slope·n + off
		h          int     // alarm at h·ln 2
		side       func(s sequential.CUSUM) float64
	}{
		{"up, nothing changed", 1, 1, -2, 7, func(s sequential.CUSUM) float64 { return s.Up.Nats }},
		{"up, doubled", 2, 1, -2, 9, func(s sequential.CUSUM) float64 { return s.Up.Nats }},
		{"down, nothing changed", 1, -1, 1, 5, func(s sequential.CUSUM) float64 { return s.Down.Nats }},
		{"down, halved", 0.5, -1, 1, 9, func(s sequential.CUSUM) float64 { return s.Down.Nats }},
	} {
		d := distuv.Poisson{Lambda: c.truth * rate}
		a, ones := mat.NewDense(c.h, c.h, nil), mat.NewVecDense(c.h, nil)
		for i := range c.h {
			ones.SetVec(i, 1)
			a.Set(i, i, 1)
			for n := range 60 {
				if to := max(0, i+c.slope*n+c.off); to < c.h {
					a.Set(i, to, a.At(i, to)-d.Prob(float64(n)))
				}
			}
		}
		var mean mat.VecDense
		if err := mean.SolveVec(a, ones); err != nil {
			t.Fatal(err)
		}
		want := mean.AtVec(0)
		draw := distuv.Poisson{Lambda: c.truth * rate, Src: rand.New(rand.NewPCG(103, 2))}
		got := runLength(runs, func(s *sequential.CUSUM) { s.AddPoisson(draw.Rand(), 1, rate, 2, 0) },
			func(s sequential.CUSUM) bool { return c.side(s) >= float64(c.h)*math.Ln2-1e-9 })
		if math.Abs(got-want) > 0.052*want {
			t.Errorf("%s: %v samples to the alarm, exactly %v", c.name, got, want)
		}
		if bound := math.Exp2(float64(c.h)); c.truth == 1 && want < bound {
			t.Errorf("%s: %v samples between false alarms, promised %v", c.name, want, bound)
		}
	}
}

// A ramp of 1.1 times an hour in counts per ten minutes, against a mean that goes on learning with a half-life of a day: found
// before it reaches 3 times, dated to the ramp, and still standing a week after the mean has learnt the new level.
func TestCUSUMFindsRamps(t *testing.T) {
	const (
		runs, rate, perHour = 200, 20.0, 6
		quiet, alarm        = 48 * perHour, 12.0
	)
	rng := rand.New(rand.NewPCG(103, 3))
	var worst, mean float64
	for run := range runs {
		var c sequential.CUSUM
		var learnt stats.Decay
		learnt.Add(rate, 1000, 0, 24)
		found := 0.0
		for i := range quiet + 12*perHour + 168*perHour {
			at := float64(i) / perHour
			ratio := min(math.Pow(1.1, max(at-48, 0)), 3)
			n := distuv.Poisson{Lambda: rate * ratio, Src: rng}.Rand()
			c.AddPoisson(n, 1, learnt.Mean(), 1.5, at)
			learnt.Add(n, 1, at, 24)
			if c.Up.Nats >= alarm && found == 0 {
				if at < 48 {
					t.Fatalf("run %d: false alarm at %v h", run, at)
				}
				found = ratio
				if c.Up.Since < 47 || c.Up.Since > at {
					t.Errorf("run %d: ramp from 48 h on dated %v h", run, c.Up.Since)
				}
			}
		}
		if worst = max(worst, found); found == 0 || found >= 3 {
			t.Fatalf("run %d: found at %v times", run, found)
		}
		mean += found / runs
		if c.Up.Nats < alarm || c.Up.Reference > 2*rate || learnt.Mean() < 2.8*rate {
			t.Fatalf("run %d: a week later %+v, with a learnt mean of %v", run, c.Up, learnt.Mean())
		}
	}
	t.Logf("found at %.2f times on average, %.2f at worst", mean, worst)
}

func TestCUSUMEdges(t *testing.T) {
	var c sequential.CUSUM
	for _, bad := range []float64{nan, inf, -inf} {
		c.AddGaussian(bad, 0, 1, 0)
		c.AddGaussian(9, bad, 1, 0)
		c.AddGaussian(9, 0, 1, bad)
		c.AddPoisson(bad, 1, 1, 2, 0)
		c.AddPoisson(9, bad, 1, 2, 0)
		c.AddPoisson(9, 1, bad, 2, 0)
		c.AddPoisson(9, 1, 1, 2, bad)
	}
	c.AddPoisson(-1, 1, 1, 2, 0)
	if c != (sequential.CUSUM{}) {
		t.Errorf("bad samples were taken: %+v", c)
	}
	c.AddGaussian(0, 0, 1, 5)
	if c != (sequential.CUSUM{}) {
		t.Errorf("a sample as expected began something: %+v", c)
	}
	c.AddGaussian(3, 0, 1, 6)
	c.AddGaussian(3, 3, 1, 7)
	if want := (sequential.Excursion{Nats: 5, Since: 6, Reference: 0}); c.Up != want || c.Down != (sequential.Excursion{}) {
		t.Errorf("%+v, want an excursion up with its first reference, %+v", c, want)
	}
	c.AddGaussian(-10, 0, 1, 8)
	if c.Up != (sequential.Excursion{}) || c.Down.Since != 8 {
		t.Errorf("after a fall %+v", c)
	}
	var none sequential.CUSUM
	none.AddPoisson(3, 1, 0, 2, 1)
	if math.Abs(none.Up.Nats-3*math.Ln2) > 1e-15 || none.Down != (sequential.Excursion{}) {
		t.Errorf("events where none were expected: %+v", none)
	}
	if n := testing.AllocsPerRun(100, func() { c.AddPoisson(3, 1, 2, 2, 9) }); n != 0 {
		t.Errorf("%v allocations a sample", n)
	}
	mustPanic(t, "shift", func() { c.AddGaussian(1, 0, 0, 0) })
	mustPanic(t, "ratio", func() { c.AddPoisson(1, 1, 1, 1, 0) })
}

func ExampleCUSUM() {
	var c sequential.CUSUM
	for minute := range 60 {
		requests := 100.0
		if minute >= 30 {
			requests = 100 + float64(minute-30) // one more every minute
		}
		if c.AddPoisson(requests, 1, 100, 1.2, float64(minute)); c.Up.Nats > 10 {
			fmt.Printf("minute %d: a rise that began at minute %.0f\n", minute, c.Up.Since)
			return
		}
	}
	// Output: minute 50: a rise that began at minute 40
}

func BenchmarkCUSUM(b *testing.B) {
	b.Run("AddGaussian", func(b *testing.B) {
		var c sequential.CUSUM
		b.ReportAllocs()
		for b.Loop() {
			c.AddGaussian(0.3, 0, 1, 0)
		}
	})
	b.Run("AddPoisson", func(b *testing.B) {
		var c sequential.CUSUM
		b.ReportAllocs()
		for b.Loop() {
			c.AddPoisson(3, 1, 3, 2, 0)
		}
	})
}
