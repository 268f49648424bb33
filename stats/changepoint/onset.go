package changepoint

import (
	"fmt"
	"math"

	"github.com/drainwatch/drainwatch/stats/sequential"
)

// Onset is when a sequence changed, in indices of its elements.
type Onset struct {
	// Start is the first element of the change under maximum likelihood.
	Start int
	// Low and High are the ends of the confidence interval, Low ≤ Start ≤ High. Low = 0 says that the change may be
	// older than the sequence.
	Low, High int
	// Effect is what the elements from Start on are off by, under maximum likelihood: a ratio for Poisson and Binomial, a shift for Gaussian.
	Effect float64
	// Nats is how much likelier the change is than none. It is the greatest over all starts, so it exceeds a few nats by chance.
	Nats float64
}

// Poisson dates a change in counts whose means were expected[i] before it and ρ·expected[i] from it on, ρ unknown:
//
//	ℓ(t) = max over ρ of Σ_{i≥t} (counts[i]·ln ρ − (ρ−1)·expected[i]) = K·ln(K/M) − K + M,
//
// where K and M are the sums of counts and expected from t on. Start maximises ℓ, and the interval spans the starts that a
// likelihood-ratio test does not reject,
//
//	{ t : 2(ℓ(Start) − ℓ(t)) ≤ c },  c = −2·ln(1 − √level).
//
// All starts are taken with the direction that Start has, up or down: where K/M lies on the other side of 1, ℓ(t) is 0.
// Of starts that are equally likely, Start is the last.
//
// For a known ρ the coverage is at least level, whatever ρ is and however long the sequence (see below). With ρ fitted and
// the sequence cut where a CUSUM raised its alarm, intervals at 0.9 were measured to cover .92 (ρ = 1.5 at a mean of 2) to
// .997 (ρ = 10), see the tests. Counts that vary more than Poisson's need care: if their variance
// is φ times the mean, divide counts and expected by φ, both need not be whole.
//
// len(counts) == len(expected), else it panics; it panics if level is outside (0, 1). Numbers are ≥ 0 and finite; another one, no
// elements, or a count from some element on where nothing at all was expected (which no ρ explains) is an error.
// Cost: O(len(counts)) time, 20 ns an element; one allocation.
//
// Source: Siegmund, Confidence Sets in Change-point Problems, 1988, section 2 (likelihood-ratio sets). There the threshold is
// asymptotic; ours is a bound: at the true onset and ratio, the likelihood ratio of a later or an earlier start is a
// martingale with mean 1, so each side exceeds x nats with probability at most e^−x, and, sides being independent, neither
// does with probability (1 − e^−x)².
func Poisson(counts, expected []float64, level float64) (Onset, error) {
	if len(counts) != len(expected) {
		panic("stats: changepoint.Poisson: lengths of counts and expected differ")
	}
	threshold := nats("Poisson", level)
	ell := make([]float64, len(counts))
	var k, m float64
	for t := len(counts) - 1; t >= 0; t-- {
		if !(counts[t] >= 0 && expected[t] >= 0) || math.IsInf(counts[t]+expected[t], 1) {
			return Onset{}, fmt.Errorf("changepoint: element %d: counted %v of %v expected: give numbers ≥ 0", t, counts[t], expected[t])
		}
		k, m = k+counts[t], m+expected[t]
		ell[t] = math.Copysign(sequential.PoissonLLR(k, m), k-m)
		if math.IsInf(ell[t], 1) {
			return Onset{}, fmt.Errorf("changepoint: element %d: counted %v where nothing is expected from there on: give expected a floor", t, counts[t])
		}
	}
	o, err := invert(ell, threshold)
	if err != nil {
		return Onset{}, err
	}
	k, m = sum(counts[o.Start:]), sum(expected[o.Start:])
	o.Effect = 1
	if k != m {
		o.Effect = k / m
	}
	return o, nil
}

// Binomial dates a change of a share: hits[i] of trials[i] had the chance base before it, and another one, unknown, from it on:
//
//	ℓ(t) = max over p of Σ_{i≥t} (hits[i]·ln(p/base) + (trials[i]−hits[i])·ln((1−p)/(1−base))) = N·KL(K/N ‖ base),
//
// where K and N are the sums of hits and trials from t on. Start, interval, direction and coverage are those of Poisson, which it
// comes to where shares are small; where nearly all are hits from the onset on, a single trial that is none denies an earlier one,
// and the interval is as narrow as the trials let it. Trials that are not independent need care: where φ of them tell as much
// as one, divide hits and trials by φ.
//
// len(hits) == len(trials), else it panics; it panics if level or base is outside (0, 1). 0 ≤ hits[i] ≤ trials[i], finite; others, or
// no elements, are an error. Cost: O(len(hits)) time, two logarithms an element; one allocation.
//
// Source: as Poisson.
func Binomial(hits, trials []float64, base, level float64) (Onset, error) {
	if len(hits) != len(trials) {
		panic("stats: changepoint.Binomial: lengths of hits and trials differ")
	}
	if !(base > 0 && base < 1) {
		panic("stats: changepoint.Binomial: base must lie in (0, 1)")
	}
	threshold := nats("Binomial", level)
	ell := make([]float64, len(hits))
	var k, n float64
	for t := len(hits) - 1; t >= 0; t-- {
		if !(hits[t] >= 0 && hits[t] <= trials[t]) || math.IsInf(trials[t], 1) {
			return Onset{}, fmt.Errorf("changepoint: element %d: %v hits of %v trials: give numbers with 0 ≤ hits ≤ trials", t, hits[t], trials[t])
		}
		k, n = k+hits[t], n+trials[t]
		ell[t] = math.Copysign(sequential.BinomLLR(min(k, n), n, base), k-n*base)
	}
	o, err := invert(ell, threshold)
	if err != nil {
		return Onset{}, err
	}
	o.Effect = 1
	if k, n = sum(hits[o.Start:]), sum(trials[o.Start:]); n > 0 {
		o.Effect = k / n / base
	}
	return o, nil
}

// Gaussian dates a shift of a mean: element i is the sum of weights[i] independent residuals with mean 0 before it and δ from it on, δ
// unknown, and variance 1:
//
//	ℓ(t) = max over δ of Σ_{i≥t} (δ·sums[i] − weights[i]·δ²/2) = S²/(2W),
//
// where S and W are the sums of sums and weights from t on. Start, interval, direction, coverage and cost are those of Poisson. Scale
// residuals by the standard deviation they had before the change; where φ of them tell as much as one, divide sums and weights by φ: weights
// need not be whole.
//
// len(sums) == len(weights), else it panics; it panics if level is outside (0, 1). A number that is not finite, a weight that is not
// positive, or no elements, is an error.
//
// Source: as Poisson.
func Gaussian(sums, weights []float64, level float64) (Onset, error) {
	if len(sums) != len(weights) {
		panic("stats: changepoint.Gaussian: lengths of sums and weights differ")
	}
	threshold := nats("Gaussian", level)
	ell := make([]float64, len(sums))
	var s, w float64
	for t := len(sums) - 1; t >= 0; t-- {
		s, w = s+sums[t], w+weights[t]
		if !(weights[t] > 0) || math.IsInf(w, 1) || s-s != 0 {
			return Onset{}, fmt.Errorf("changepoint: element %d: sum %v of weight %v: give finite ones, and weights > 0", t, sums[t], weights[t])
		}
		ell[t] = math.Copysign(s*(s/(2*w)), s)
	}
	o, err := invert(ell, threshold)
	if err != nil {
		return Onset{}, err
	}
	o.Effect = sum(sums[o.Start:]) / sum(weights[o.Start:])
	return o, nil
}

// nats returns how far below the best start another may lie to belong to the interval.
func nats(name string, level float64) float64 {
	if !(level > 0 && level < 1) {
		panic("stats: changepoint." + name + ": level must lie in (0, 1)")
	}
	return -math.Log1p(-math.Sqrt(level))
}

// invert finds the best start and the hull of those within threshold of it. The sign of ell is the direction of the change.
func invert(ell []float64, threshold float64) (Onset, error) {
	if len(ell) == 0 {
		return Onset{}, fmt.Errorf("changepoint: no elements: give the sequence up to the alarm")
	}
	o := Onset{Start: len(ell) - 1}
	for t, v := range ell {
		if math.Abs(v) >= math.Abs(ell[o.Start]) {
			o.Start = t
		}
	}
	best := ell[o.Start]
	o.Nats = math.Abs(best)
	within := func(t int) bool { return o.Nats-max(math.Copysign(1, best)*ell[t], 0) <= threshold }
	for o.Low = 0; !within(o.Low); o.Low++ {
	}
	for o.High = len(ell) - 1; !within(o.High); o.High-- {
	}
	return o, nil
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}
