package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// Wilson returns the score interval of a chance of which k of n trials came true: all p with |k/n − p| ≤ z·√(p(1−p)/n),
//
//	(k + z²/2 ± z·√(k(n−k)/n + z²/4)) / (n + z²),  z = Φ⁻¹((1+level)/2).
//
// Its coverage is level on average over p, and may be a few points less for a single p; where it must not be less, take
// ClopperPearson, which is wider. No trials give [0, 1]. NaN unless 0 ≤ k ≤ n. Panics if level is outside (0, 1).
// No allocation.
//
// Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927; Brown, Cai and DasGupta,
// Interval Estimation for a Binomial Proportion, 2001, section 3.1.
func Wilson(k, n int, level float64) (low, high float64) {
	tail := tailOf("Wilson", level)
	switch {
	case k < 0 || k > n:
		return math.NaN(), math.NaN()
	case n == 0:
		return 0, 1
	}
	z := -distuv.UnitNormal.Quantile(tail)
	hits, misses, z2 := float64(k), float64(n-k), z*z
	total := hits + misses + z2
	half := z * math.Sqrt(float64(hits*(misses/float64(n)))+z2/4)
	low, high = (hits+z2/2-half)/total, (hits+z2/2+half)/total
	if k == 0 {
		low = 0 // the difference above is zero only up to rounding
	}
	if k == n {
		high = 1
	}
	return low, high
}

// ClopperPearson returns the exact interval of a chance of which k of n trials came true: the p for which neither k or
// more nor k or fewer hits have a probability below (1−level)/2. In beta quantiles,
//
//	low = B⁻¹(tail; k, n−k+1),  high = B⁻¹(1−tail; k+1, n−k),  tail = (1−level)/2.
//
// Its coverage is at least level for every p, and commonly more. low is 0 at k = 0, high is 1 at k = n; no trials give
// [0, 1]. For a bound on one side only at level c, take that end of the interval at level 2c − 1. NaN unless 0 ≤ k ≤ n.
// Panics if level is outside (0, 1). Cost: 128 evaluations of the incomplete beta function, 30 to 150 µs; no allocation.
// The tails hold to a relative 1e-9 for n up to 10⁵ and, as the incomplete beta function loses digits, to 1e-7 up to 10⁷ and
// 1e-5 up to 10⁹ (checked against sums in 40 digits).
//
// Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial, 1934.
func ClopperPearson(k, n int, level float64) (low, high float64) {
	tail := tailOf("ClopperPearson", level)
	if k < 0 || k > n {
		return math.NaN(), math.NaN()
	}
	return leastChance(k, n, tail), 1 - leastChance(n-k, n, tail)
}

// leastChance returns the p at which k or more hits in n trials have probability tail, at most a half; 0 if k is 0.
//
// It bisects: gonum's InvRegIncBeta goes astray in far tails (0.9375 for 0.99985 at a = 10⁵, b = 1 and 5e-7).
func leastChance(k, n int, tail float64) float64 {
	if k == 0 {
		return 0
	}
	// At k/n the probability is a half at least; at tail/n that of a single hit, and so of more, is below tail.
	below, above := tail/float64(n), float64(k)/float64(n)
	for range 64 {
		p := math.Sqrt(below * above)
		if mathext.RegIncBeta(float64(k), float64(n-k+1), p) < tail {
			below = p
		} else {
			above = p
		}
	}
	return above
}

// Garwood returns the exact interval of the mean of a Poisson count of which k events were seen,
//
//	low = Γ⁻¹(tail; k),  high = Γ⁻¹(1−tail; k+1),  tail = (1−level)/2,
//
// in quantiles of the gamma distribution of scale 1. For a rate, divide both by the exposure over which the k were seen.
//
// Its coverage is at least level for every mean, and commonly more. low is 0 at k = 0, where high is −ln(tail): 3.7 at level
// 0.95. The bound on the upper side only, "at most so many at 95%", is high at level 0.9: 3.0 for none seen. NaN if k is
// negative. Panics if level is outside (0, 1). No allocation. Relative error below 1e-9 for k up to 10⁷.
//
// Source: Garwood, Fiducial Limits for the Poisson Distribution, 1936.
func Garwood(k int, level float64) (low, high float64) {
	tail := tailOf("Garwood", level)
	if k < 0 {
		return math.NaN(), math.NaN()
	}
	if k > 0 {
		low = mathext.GammaIncRegInv(float64(k), tail)
	}
	return low, mathext.GammaIncRegCompInv(float64(k)+1, tail)
}

// tailOf returns the probability left outside a two-sided interval on either side.
func tailOf(name string, level float64) float64 {
	if !(level > 0 && level < 1) {
		panic("stats: " + name + ": level must lie in (0, 1)")
	}
	return (1 - level) / 2
}
