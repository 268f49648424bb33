package sequential

import "math"

// stakes are the parts staked by EDetector: small ones find slow drains, large ones jumps (see Bet).
var stakes = [...]float64{.02, .05, .15, .4}

// EDetector watches one stream for a rise that may begin at any time. For each of four stakes it keeps
//
//	M ← (M + 1)·e,
//
// the sum of the e-values of all possible beginnings, and averages over the stakes. Raising an alarm when the average
// reaches A gives a mean time between false alarms of at least A samples, for any stream whose conditional mean stays
// within guard times the baseline.
//
// The zero value is ready and has seen nothing. 32 bytes, no allocation. Not safe for concurrent use; copies are independent.
//
// Source: Shin, Ramdas and Rinaldo, E-detectors, 2024, definition 2.2 and theorem 2.4 (Shiryaev–Roberts type).
type EDetector struct {
	l [len(stakes)]float64 // ln(M+1)
}

// Add takes the amount y of one more active period against its baseline mean, in one unit, with the guard and cap of Bet,
// and returns LogM. Count only periods in which the stream was active, or quiet nights argue against busy days.
// A NaN, or a negative number, is left out.
func (d *EDetector) Add(y, mean, guard, limit float64) float64 {
	z := Bet{Stake: 1, Guard: guard, Cap: limit}.multiple(y, mean)
	if !math.IsNaN(z) {
		for i, stake := range stakes {
			d.l[i] = log1pExp(d.l[i] + math.Log1p(stake*(z-1)))
		}
	}
	return d.LogM()
}

// LogM returns the logarithm of the averaged M: −Inf before the first sample. It does not overflow.
func (d EDetector) LogM() float64 {
	top := math.Inf(-1)
	var logs [len(stakes)]float64
	for i, l := range d.l {
		logs[i] = l + math.Log(-math.Expm1(-l)) // ln(exp(l) − 1)
		top = max(top, logs[i])
	}
	if math.IsInf(top, -1) {
		return top
	}
	var sum float64
	for _, v := range logs {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum/float64(len(stakes)))
}

// LogE returns the logarithm of M/samples, which is an e-value for "nothing changed during these samples" and so fit for EBH.
// samples is the number of samples given to Add so far; it panics if that is not positive.
func (d EDetector) LogE(samples int) float64 {
	if samples <= 0 {
		panic("stats: EDetector.LogE: samples must be positive")
	}
	return d.LogM() - math.Log(float64(samples))
}

// log1pExp returns ln(1 + exp(x)).
func log1pExp(x float64) float64 {
	if x > 0 {
		return x + math.Log1p(math.Exp(-x))
	}
	return math.Log1p(math.Exp(x))
}
