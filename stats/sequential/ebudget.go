package sequential

import "math"

// EBudget tests the hypotheses of a family of n as they come, where so many false rejections are paid for in advance: one is
// rejected if its e-value reaches
//
//	e ≥ n/(b + alpha·(R+1)),
//
// where b is the budget and R how many of the family have been rejected before. Of R rejected in the end let V be true ones;
//
//	E[V/(b + alpha·R)] ≤ 1
//
// under any dependence. With alpha = 0 that bounds the mean number of false rejections by b; with b = 0 their share by alpha,
// as EBH does, but one by one and nothing taken back. With both, b false ones are free, and each further one must be paid for by
// rejections. Proof: R only grows, so every rejected one has e ≥ n/(b + alpha·R) at the end, and V/(b + alpha·R) ≤ Σ e/n over the
// true ones, whose mean is at most 1.
//
// A hypothesis that was kept may be tested again when it has more evidence: it is the largest of its e-values, then, whose mean
// must not be above 1. Hypotheses that never come count in n.
//
// The zero value has rejected nothing. Not safe for concurrent use: the order of tests matters and is the caller's to fix.
//
// Source: Wang and Ramdas, False Discovery Rate Control with E-values, 2022, whose self-consistency (section 4) it uses; the
// budget is ours.
type EBudget struct {
	Rejected int // so far
}

// Threshold returns how many nats the next hypothesis needs to be rejected. Panics unless n ≥ 0, budget ≥ 0 and alpha lies in
// [0, 1], or if both are 0.
func (b EBudget) Threshold(n, budget, alpha float64) float64 {
	if !(n >= 0 && budget >= 0 && alpha >= 0 && alpha <= 1 && budget+alpha > 0) {
		panic("stats: EBudget: n and budget must not be negative, alpha must lie in [0, 1], and not both be 0")
	}
	return math.Log(n) - math.Log(budget+float64(alpha*float64(b.Rejected+1)))
}

// Test says whether to reject the next hypothesis of n, whose e-value is exp(logE). A NaN is never rejected, +Inf always.
func (b *EBudget) Test(logE, n, budget, alpha float64) (reject bool) {
	reject = logE >= b.Threshold(n, budget, alpha)
	if reject {
		b.Rejected++
	}
	return reject
}
