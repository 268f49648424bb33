package sequential_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/drainwatch/drainwatch/stats"
	"github.com/drainwatch/drainwatch/stats/changepoint"
	"github.com/drainwatch/drainwatch/stats/extreme"
	"github.com/drainwatch/drainwatch/stats/sequential"
)

// nominal is one statistic whose bound is measured, over so many streams of a regime.
type nominal struct {
	name, bound string
	streams     int // of the full measurement
	asymptotic  float64
	run         func(r *regime, rng *rand.Rand, streams int) tried
}

// perSample counts alarms of a detector that starts anew after each.
func perSample(alarm func(f *flow, i int) (raised bool), reset func()) func(*regime, *rand.Rand, int) tried {
	return func(r *regime, rng *rand.Rand, streams int) tried {
		x := tried{bound: 1.0 / apart}
		for range streams {
			f := r.make(rng)
			reset()
			for i := range f.amounts {
				if alarm(&f, i) {
					x.events++
					reset()
				}
			}
			x.of += float64(len(f.amounts))
		}
		return x
	}
}

// perBlock counts blocks of samples in which the product of e-values came to oneIn at some time.
func perBlock(logE func(f *flow, i int) float64) func(*regime, *rand.Rand, int) tried {
	return func(r *regime, rng *rand.Rand, streams int) tried {
		x := tried{bound: 1.0 / oneIn}
		for range streams {
			f := r.make(rng)
			for from := 0; from+block <= len(f.amounts); from += block {
				sum, top := 0.0, math.Inf(-1)
				for i := from; i < from+block; i++ {
					sum += logE(&f, i)
					top = max(top, sum)
				}
				x.of++
				if top >= math.Log(oneIn) {
					x.events++
				}
			}
		}
		return x
	}
}

// perFamily gives each family's e-values to a correction and adds up what it says of the innocent among them.
func perFamily(bound, guard float64, judge func(logE []float64, innocent func(i int) bool) float64) func(*regime, *rand.Rand, int) tried {
	return func(r *regime, rng *rand.Rand, streams int) tried {
		x := tried{bound: bound}
		perStream := lengthOf / block
		for range max(1, streams*perStream/familySize) {
			var logE []float64
			order := rng.Perm(familySize)
			for len(logE) < familySize {
				f := r.make(rng)
				for from := 0; from+block <= len(f.amounts) && len(logE) < familySize; from += block {
					var d sequential.EDetector
					for i := from; i < from+block; i++ {
						y := f.amounts[i]
						if order[len(logE)] < guilty && i >= from+block/2 {
							y *= 10 * guard
						}
						d.Add(y, f.meanAmount[i], guard, 8)
					}
					logE = append(logE, d.LogE(block))
				}
			}
			x.of++
			x.events += judge(logE, func(i int) bool { return order[i] >= guilty })
		}
		return x
	}
}

func falseOf(rejected []int, innocent func(i int) bool) (falses float64) {
	for _, i := range rejected {
		if innocent(i) {
			falses++
		}
	}
	return falses
}

func shareOf(rejected []int, innocent func(i int) bool) float64 {
	return falseOf(rejected, innocent) / max(1, float64(len(rejected)))
}

func exps(logE []float64) (e []float64) {
	for _, l := range logE {
		e = append(e, math.Exp(l))
	}
	return e
}

func nominals() []nominal {
	var out []nominal
	for _, guard := range []float64{1, 2, 3} {
		var d sequential.EDetector
		out = append(out, nominal{
			name: fmt.Sprintf("EDetector, guard %v", guard), bound: "1 alarm in 1000 samples", streams: 300,
			run: perSample(func(f *flow, i int) bool { return d.Add(f.amounts[i], f.meanAmount[i], guard, 8) >= math.Log(apart) }, func() { d = sequential.EDetector{} }),
		})
	}
	for _, guard := range []float64{1, 3} {
		b := sequential.Bet{Stake: 0.15, Guard: guard, Cap: 8}
		out = append(out, nominal{
			name: fmt.Sprintf("Bet, guard %v", guard), bound: "1 run of 100 in 20 reaches 20", streams: 300,
			run: perBlock(func(f *flow, i int) float64 { return b.LogE(f.amounts[i], f.meanAmount[i]) }),
		})
	}
	out = append(out, nominal{
		name: "PoissonLR, twice the rate", bound: "1 run of 100 in 20 reaches 20", streams: 300,
		run: perBlock(func(f *flow, i int) float64 { return sequential.PoissonLR(f.counts[i], f.meanCount[i], 2) }),
	})
	out = append(out, gammaNominals()...)
	var c sequential.CUSUM
	at := 0.0
	raised := func(e *sequential.Excursion) bool { at++; return e.Nats >= math.Log(apart) }
	out = append(
		out,
		nominal{
			name: "CUSUM of counts, up, ratio 2", bound: "1 alarm in 1000 samples", streams: 300,
			run: perSample(func(f *flow, i int) bool { c.AddPoisson(f.counts[i], 1, f.meanCount[i], 2, at); return raised(&c.Up) }, func() { c = sequential.CUSUM{} }),
		},
		nominal{
			name: "CUSUM of counts, down, ratio 2", bound: "1 alarm in 1000 samples", streams: 300,
			run: perSample(func(f *flow, i int) bool { c.AddPoisson(f.counts[i], 1, f.meanCount[i], 2, at); return raised(&c.Down) }, func() { c = sequential.CUSUM{} }),
		},
		nominal{name: "CUSUM of log amounts, up, shift 1", bound: "1 alarm in 1000 samples", streams: 300, run: cusumOfLogs},
		nominal{name: "EBH, guard 3", bound: "a tenth of the rejected", streams: 1000, run: perFamily(falseShare, 3, func(logE []float64, innocent func(int) bool) float64 {
			return shareOf(sequential.EBH(exps(logE), falseShare), innocent)
		})},
		nominal{name: "EBH, guard 1", bound: "a tenth of the rejected", streams: 1000, run: perFamily(falseShare, 1, func(logE []float64, innocent func(int) bool) float64 {
			return shareOf(sequential.EBH(exps(logE), falseShare), innocent)
		})},
		nominal{name: "ELOND, guard 3", bound: "a tenth of the rejected", streams: 1000, run: perFamily(falseShare, 3, func(logE []float64, innocent func(int) bool) float64 {
			var l sequential.ELOND
			var r []int
			for i, e := range logE {
				if l.Test(e, falseShare) {
					r = append(r, i)
				}
			}
			return shareOf(r, innocent)
		})},
		nominal{name: "EBudget of 1, guard 3", bound: "1 false one a family", streams: 1000, run: perFamily(1, 3, func(logE []float64, innocent func(int) bool) float64 {
			var b sequential.EBudget
			var r []int
			for i, e := range logE {
				if b.Test(e, familySize, 1, 0) {
					r = append(r, i)
				}
			}
			return falseOf(r, innocent)
		})},
		nominal{name: "SPOT of ratios to the baseline", bound: "1 score in 1000", streams: 400, asymptotic: 2, run: spotOfRatios},
		nominal{name: "onset interval at .9, counts × 2", bound: "1 in 10 miss the onset", streams: 200, run: onsetOf(2)},
		nominal{name: "onset interval at .9, counts × 10", bound: "1 in 10 miss the onset", streams: 200, run: onsetOf(10)},
	)
	return out
}

// gammaNominals: a belief from 50 samples, held against the next hundred, learning as it goes. Under its assumptions the rate was
// drawn from the belief.
func gammaNominals() []nominal {
	prior := sequential.Gamma{Shape: 2, Rate: 0.5}
	run := func(bound float64, test func(belief sequential.Gamma, counts []float64) bool) func(*regime, *rand.Rand, int) tried {
		return func(r *regime, rng *rand.Rand, streams int) tried {
			x := tried{bound: bound}
			for range streams {
				f := r.make(rng)
				for from := 0; from+block <= len(f.counts); from += block {
					belief, counts := prior, f.counts[from:from+block]
					if r.known {
						rate := distuv.Gamma{Alpha: prior.Shape, Beta: prior.Rate, Src: rng}.Rand()
						for i := range counts {
							counts[i] = distuv.Poisson{Lambda: rate, Src: rng}.Rand()
						}
					} else {
						for _, n := range counts[:block/2] {
							belief = belief.Observe(n, 1)
						}
						counts = counts[block/2:]
					}
					x.of++
					if test(belief, counts) {
						x.events++
					}
				}
			}
			return x
		}
	}
	return []nominal{
		{name: "Gamma.LogE, tripled rate", bound: "1 run in 20 reaches 20", streams: 300, run: run(1.0/oneIn, func(g sequential.Gamma, counts []float64) bool {
			sum := 0.0
			for i, n := range counts {
				if sum += n; g.LogE(sum, float64(i+1), 3) >= math.Log(oneIn) {
					return true
				}
			}
			return false
		})},
		{name: "Gamma.Tail of ten samples", bound: "1 in 100 is below .01", streams: 300, run: run(0.01, func(g sequential.Gamma, counts []float64) bool {
			sum := 0.0
			for _, n := range counts[:10] {
				sum += n
			}
			return g.Tail(sum, 10) <= 0.01
		})},
	}
}

// cusumOfLogs: logarithms of amounts in standard deviations, both true or from samples that fade.
func cusumOfLogs(r *regime, rng *rand.Rand, streams int) tried {
	x := tried{bound: 1.0 / apart}
	for range streams {
		f := r.make(rng)
		var c sequential.CUSUM
		var past stats.Decay
		for i, y := range f.amounts {
			if y <= 0 {
				continue
			}
			l := math.Log(y)
			mean, sd := -amountSigma*amountSigma/2, amountSigma
			if !r.known {
				mean, sd = past.Mean(), math.Sqrt(past.Variance())
			}
			if r.known || i >= runIn && sd > 0 {
				x.of++
				c.AddGaussian(l/sd, mean/sd, 1, float64(i))
				if c.Up.Nats >= math.Log(apart) {
					x.events++
					c = sequential.CUSUM{}
				}
			}
			past.Add(l, 1, float64(i), memory)
		}
	}
	return x
}

// spotOfRatios: half of a stream calibrates, the other half is scored.
func spotOfRatios(r *regime, rng *rand.Rand, streams int) tried {
	x := tried{bound: riskOf}
	for range streams {
		f := r.make(rng)
		scores := make([]float64, len(f.amounts))
		for i := range scores {
			scores[i] = math.Log1p(f.amounts[i] / max(f.meanAmount[i], 1e-9))
		}
		s, err := extreme.NewSPOT(scores[:lengthOf/2], 0.95, riskOf)
		if err != nil {
			continue // too few peaks: a client that hardly works
		}
		for _, v := range scores[lengthOf/2:] {
			x.of++
			if s.Add(v) {
				x.events++
			}
		}
	}
	return x
}

// onsetOf dates a change to ratio times in a hundred counts.
func onsetOf(ratio float64) func(*regime, *rand.Rand, int) tried {
	return func(r *regime, rng *rand.Rand, streams int) tried {
		x := tried{bound: 1 - coverage}
		for range streams {
			f := r.make(rng)
			for from := 0; from+block <= len(f.counts); from += block {
				onset := 20 + rng.IntN(60)
				counts, expected := slices.Clone(f.counts[from:from+block]), make([]float64, block)
				for i := range counts {
					expected[i] = f.meanCount[from] // what was known when the hundred began
					if i >= onset {
						counts[i] = math.Round(counts[i] * ratio)
						if r.known {
							counts[i] = distuv.Poisson{Lambda: ratio * meanOfCount, Src: rng}.Rand()
						}
					}
				}
				o, err := changepoint.Poisson(counts, expected, coverage)
				if err != nil {
					continue
				}
				x.of++
				if onset < o.Low || onset > o.High {
					x.events++
				}
			}
		}
		return x
	}
}
