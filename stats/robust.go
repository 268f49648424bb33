package stats

import (
	"math"
	"math/bits"
	"slices"
)

// madScale makes the MAD of normal data estimate its standard deviation: 1/Φ⁻¹(3/4).
const madScale = 1.4826022185056018

// Median returns the middle value of x, the mean of the two middle ones if len(x) is even.
//
// x need not be sorted. It is NaN if x is empty or holds a NaN, or if the two middle values are -Inf and +Inf.
// Cost: O(len(x)) expected, one copy of x.
func Median(x []float64) float64 { return MedianInPlace(slices.Clone(x)) }

// MedianInPlace is Median without the copy: it reorders dst.
func MedianInPlace(dst []float64) float64 {
	n := len(dst)
	if n == 0 || hasNaN(dst) {
		return math.NaN()
	}
	upper := selectNth(dst, n/2)
	if n%2 == 1 {
		return upper
	}
	return middle(slices.Max(dst[:n/2]), upper)
}

// MAD returns the median of x and its scaled median absolute deviation
//
//	mad = 1.4826 · median(|x − median(x)|),
//
// which estimates the standard deviation of normal data and stands up to just under half of arbitrary outliers.
//
// One sample, or more than half of the samples equal, gives mad 0: callers that divide by it need a floor.
// Both are NaN where Median is; infinite samples count as far away, and mad is NaN when the median is infinite.
// Cost: O(len(x)) expected, one copy of x.
//
// Source: Rousseeuw and Croux, Alternatives to the Median Absolute Deviation, 1993, section 1. No correction for small samples.
func MAD(x []float64) (median, mad float64) { return MADInPlace(slices.Clone(x)) }

// MADInPlace is MAD without the copy: it overwrites dst with the absolute deviations in some order.
func MADInPlace(dst []float64) (median, mad float64) {
	median = MedianInPlace(dst)
	for i, v := range dst {
		dst[i] = math.Abs(v - median)
	}
	return median, madScale * MedianInPlace(dst)
}

// WeightedMedian returns the value that splits the weight in half: the smallest x[i] such that values up to and
// including it weigh more than half of the total. If values up to x[i] weigh exactly half, it returns the mean of
// x[i] and the next value that has weight, so that equal weights give Median.
//
// len(x) == len(w), else it panics; nil w means equal weights; neither need be sorted. Values of weight 0 are ignored.
// It is NaN if x is empty or holds a NaN, if the total weight is zero or not finite, or a weight is negative or NaN.
// Cost: O(n log n), one allocation of 16·n bytes. Half is met exactly only as far as the sum of weights is exact.
func WeightedMedian(x, w []float64) float64 {
	if w == nil {
		return Median(x)
	}
	if len(x) != len(w) {
		panic("stats: WeightedMedian: lengths of x and w differ")
	}
	type item struct{ x, w float64 }
	items := make([]item, 0, len(x))
	var total float64
	for i, v := range x {
		if math.IsNaN(v) || !(w[i] >= 0) {
			return math.NaN()
		}
		if w[i] > 0 {
			items = append(items, item{v, w[i]})
			total += w[i]
		}
	}
	if len(items) == 0 || math.IsInf(total, 1) {
		return math.NaN()
	}
	slices.SortFunc(items, func(a, b item) int {
		if a.x < b.x {
			return -1
		}
		if a.x > b.x {
			return 1
		}
		return 0
	})
	var sum float64
	for i, it := range items {
		sum += it.w
		if sum == total-sum && i+1 < len(items) {
			return middle(it.x, items[i+1].x)
		}
		if sum > total-sum {
			return it.x
		}
	}
	return items[len(items)-1].x
}

// HuberK gives HuberLocation 95% of the mean's efficiency on normal data (Huber, Robust Statistics, 1981, section 4.5).
const HuberK = 1.345

// HuberLocation returns the μ that solves Σ ψ((xᵢ − μ)/s) = 0 with ψ(u) = max(−k, min(k, u)) and s = MAD(x):
// a mean in which a sample further than k·s from the centre pulls as if it were k·s away.
//
// k is in units of s, must be positive (it panics otherwise) and is HuberK by custom; k = +Inf gives the mean of finite
// samples. It returns the median when s is 0, and NaN when x is empty, holds a NaN or has an infinite median.
// Up to just under half of the samples may be arbitrary, infinite ones included.
// Cost: O(n) a round, at most 100 rounds, commonly below 15; one allocation of 8·n bytes. Error bound: 1e-10·s.
//
// Source: Huber, Robust Statistics, 1981, section 6.7 (scale fixed at the MAD, modified residuals).
func HuberLocation(x []float64, k float64) float64 {
	if !(k > 0) {
		panic("stats: HuberLocation: k must be positive")
	}
	mu, s := MAD(x)
	if s == 0 || math.IsNaN(s) || math.IsInf(s, 0) {
		return mu
	}
	bound := k * s
	for range 100 {
		var pull float64
		var inside int
		for _, v := range x {
			d := v - mu
			if math.IsInf(d, 0) && math.IsInf(bound, 1) {
				continue
			}
			pull += max(-bound, min(bound, d))
			if math.Abs(d) <= bound {
				inside++
			}
		}
		// Newton on a piecewise linear function: exact once the set of clipped samples stands still.
		step := pull / float64(max(inside, 1))
		mu += step
		if math.Abs(step) <= 1e-10*s {
			break
		}
	}
	return mu
}

// middle returns the mean of two values without overflow.
func middle(a, b float64) float64 {
	if a == b {
		return a
	}
	return a/2 + b/2
}

func hasNaN(x []float64) bool { return slices.ContainsFunc(x, math.IsNaN) }

// selectNth reorders x so that x[n] is what it would be if x were sorted, with nothing greater before it, and returns it.
// x holds no NaN. Quickselect with a median of three; inputs built against it fall back on sorting.
func selectNth(x []float64, n int) float64 {
	lo, hi := 0, len(x)-1
	for budget := 2 * bits.Len(uint(len(x))); hi-lo > 12; budget-- {
		if budget == 0 {
			slices.Sort(x[lo : hi+1])
			return x[n]
		}
		p := pivot(x[lo], x[lo+(hi-lo)/2], x[hi])
		i, j := lo, hi
		for i <= j {
			for x[i] < p {
				i++
			}
			for x[j] > p {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			hi = j
		case n >= i:
			lo = i
		default:
			return x[n]
		}
	}
	slices.Sort(x[lo : hi+1])
	return x[n]
}

// pivot returns the median of three.
func pivot(a, b, c float64) float64 {
	return max(min(a, b), min(max(a, b), c))
}
