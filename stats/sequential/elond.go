package sequential

import "math"

// gammaSum is Σ 1/(n·ln² n) over n ≥ 2 (OEIS A115563), by which the weights of ELOND add up to 1.
const gammaSum = 2.1097428012368919745

// ELOND tests hypotheses as they come, for ever, so that on average at most a share alpha of those rejected so far is true.
// The t-th is rejected if its e-value reaches
//
//	e ≥ 1/(alpha·γₜ·(R+1)),  γₜ = 1/(2.1097…·(t+1)·ln²(t+1)),  t = 1, 2, …,
//
// where R is how many have been rejected before. The γₜ add up to 1, and fall about as slowly as a sequence with a sum can:
// the millionth hypothesis needs 6 nats more than it would in a fixed batch of a million.
//
// The bound holds under any dependence among the e-values, which LORD and SAFFRON do not promise: an incident makes all
// users' evidence jump together. Where hypotheses come in batches, EBH finds more.
//
// Fields are the whole state: copy or encode it, and go on from it. The zero value has tested nothing. Not safe for
// concurrent use: the order of tests matters and is the caller's to fix.
//
// Source: Xu and Ramdas, Online Multiple Testing with E-values, 2024 (e-LOND); the choice of γ is ours.
type ELOND struct {
	Tests    int // how many hypotheses were tested
	Rejected int // how many of them were rejected
}

// Test says whether to reject the next hypothesis, whose e-value is exp(logE). A NaN is never rejected, +Inf always; both
// count as tests. Keep to one alpha for the whole life of a value: with several, the bound is the largest.
// Panics if alpha is outside (0, 1]. No allocation; about 70 ns.
func (l *ELOND) Test(logE, alpha float64) (reject bool) {
	reject = logE >= l.Threshold(alpha)
	l.Tests++
	if reject {
		l.Rejected++
	}
	return reject
}

// Threshold returns how many nats the next hypothesis needs to be rejected. Panics if alpha is outside (0, 1].
func (l ELOND) Threshold(alpha float64) float64 {
	if !(alpha > 0 && alpha <= 1) {
		panic("stats: ELOND: alpha must lie in (0, 1]")
	}
	n := float64(l.Tests + 2)
	return math.Log(gammaSum*n) + float64(2*math.Log(math.Log(n))) - math.Log(alpha) - math.Log(float64(l.Rejected+1))
}
