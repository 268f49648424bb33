package sequential

import "math"

// PoissonLR returns the log-likelihood ratio of k events for a mean of ratio·mu against mu:
//
//	ln e = k·ln ρ − (ρ−1)·mu.
//
// For ratio > 1 its exponential is an e-value for every true mean up to mu. With mu = θ̄·x, x the exposure, it bounds a rate
// uniformly, for every θ ≤ θ̄, where Gamma.LogE holds on average over the belief only; θ̄ may be a quantile of one.
// k ≥ 0, mu ≥ 0, ratio > 0, else NaN. No allocation.
func PoissonLR(k, mu, ratio float64) float64 {
	if !(k >= 0 && mu >= 0 && ratio > 0) {
		return math.NaN()
	}
	return float64(k*math.Log(ratio)) - float64((ratio-1)*mu)
}

// PoissonLLR returns how many nats k events speak against a mean of mu, in either direction:
//
//	sup over θ of ln(P(k; θ)/P(k; mu)) = k·ln(k/mu) + mu − k = KL(Poisson(k) ‖ Poisson(mu)).
//
// It is 0 at k = mu, mu at k = 0 and +Inf for k > 0 at mu = 0. Compare k with mu for the direction. k and mu need not be whole;
// NaN if one is negative, NaN or infinite. Relative error below 1e-14, also near k = mu, where the plain formula cancels.
// As the alternative is chosen after the fact it is no e-value: add a price for choosing.
//
// Source: Loader, Fast and Accurate Computation of Binomial Probabilities, 2000, function bd0.
func PoissonLLR(k, mu float64) float64 {
	switch {
	case !(k >= 0 && mu >= 0) || math.IsInf(k, 1) || math.IsInf(mu, 1):
		return math.NaN()
	case k == 0:
		return mu
	case mu == 0:
		return math.Inf(1)
	}
	d := k - mu
	if math.Abs(d) >= 0.1*(k+mu) {
		return max(float64(k*math.Log(k/mu))-d, 0)
	}
	// With v = (k−mu)/(k+mu): k·ln(k/mu) + mu − k = d·v + 2k·Σ_{j≥1} v^(2j+1)/(2j+1).
	v := d / (k + mu)
	sum, term, v2 := float64(d*v), 2*k*v, v*v
	for j := 1; j < 1000; j++ {
		term *= v2
		next := sum + term/float64(2*j+1)
		if next == sum {
			break
		}
		sum = next
	}
	return sum
}

// BinomLLR returns how many nats k hits in n trials speak against a chance of p0, in either direction:
//
//	n·KL(k/n ‖ p0) = k·ln(k/(n·p0)) + (n−k)·ln((n−k)/(n·(1−p0))).
//
// It is 0 for n = 0 and +Inf for what p0 = 0 or 1 makes impossible. k and n may be weighted sums; NaN unless 0 ≤ k ≤ n < +Inf.
// Panics if p0 is outside [0, 1]. Error and source as PoissonLLR, of which it is a sum: the terms mu − k cancel. Compare k
// with n·p0 for the direction.
func BinomLLR(k, n, p0 float64) float64 {
	if !(p0 >= 0 && p0 <= 1) {
		panic("stats: BinomLLR: p0 must lie in [0, 1]")
	}
	if !(k >= 0 && k <= n) {
		return math.NaN()
	}
	return PoissonLLR(k, n*p0) + PoissonLLR(n-k, n*(1-p0))
}
