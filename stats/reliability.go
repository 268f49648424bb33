package stats

import (
	"fmt"
	"math"
)

// ReliabilityBin is one point of a reliability diagram: the forecasts in (Low, High], the first bin with Low = 0 included.
type ReliabilityBin struct {
	Low, High float64
	// N is how many forecasts fell into the bin, Hits how many of them came true: Wilson(Hits, N, level) is its error bar.
	N, Hits int
	// Confidence is the mean forecast of the bin, NaN if N is 0.
	Confidence float64
}

// Accuracy returns Hits/N, NaN for an empty bin. In a calibrated forecast it is Confidence up to chance.
func (b ReliabilityBin) Accuracy() float64 { return float64(b.Hits) / float64(b.N) }

// Reliability sorts forecasts p of chances, and whether each came true, into bins of equal width over [0, 1].
//
// len(p) == len(hit) and bins ≥ 1, else it panics. All bins are returned, empty ones too, in ascending order; the order of
// forecasts does not matter up to rounding. A forecast outside [0, 1] or NaN is an error. Cost: O(len(p) + bins), one allocation.
//
// Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, section 2.
func Reliability(p []float64, hit []bool, bins int) ([]ReliabilityBin, error) {
	if len(p) != len(hit) {
		panic("stats: Reliability: lengths of p and hit differ")
	}
	if bins < 1 {
		panic("stats: Reliability: bins must be positive")
	}
	out := make([]ReliabilityBin, bins)
	for i := range out {
		out[i].Low, out[i].High = float64(i)/float64(bins), float64(i+1)/float64(bins)
	}
	for i, v := range p {
		if !(v >= 0 && v <= 1) {
			return nil, fmt.Errorf("reliability: forecast %d is %v: give a chance between 0 and 1", i, v)
		}
		b := &out[binOf(v, bins)]
		b.N++
		b.Confidence += v
		if hit[i] {
			b.Hits++
		}
	}
	for i := range out {
		out[i].Confidence /= float64(out[i].N)
	}
	return out, nil
}

// binOf returns i such that i/bins < v ≤ (i+1)/bins, 0 for v = 0.
func binOf(v float64, bins int) int {
	i := min(max(int(math.Ceil(float64(v*float64(bins))))-1, 0), bins-1)
	// The product may have been rounded over an edge.
	if i > 0 && v <= float64(i)/float64(bins) {
		i--
	} else if v > float64(i+1)/float64(bins) {
		i++
	}
	return i
}

// ExpectedCalibrationError returns by how much forecasts miss what comes true, on average over forecasts:
//
//	ECE = Σ N/ΣN · |Accuracy − Confidence|, over the bins.
//
// It lies between 0, calibrated, and 1, and depends on the bins: few hide faults that cancel, many add chance. With N per bin
// a calibrated forecast of chance p still scores about 0.8·√(p(1−p)/N). NaN without forecasts. No allocation.
//
// Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015, section 4.
func ExpectedCalibrationError(bins []ReliabilityBin) float64 {
	var sum float64
	var n int
	for _, b := range bins {
		if b.N > 0 {
			sum += float64(float64(b.N) * math.Abs(b.Accuracy()-b.Confidence))
			n += b.N
		}
	}
	return sum / float64(n)
}
