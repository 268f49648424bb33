package sequential

import "math"

// Gamma is a belief about the rate of a Poisson process: a gamma distribution with mean Shape/Rate, worth Shape events
// seen over Rate units of exposure. Both are positive; the zero value is not a belief.
type Gamma struct{ Shape, Rate float64 }

// Mean returns the expected rate, events a unit of exposure.
func (g Gamma) Mean() float64 { return g.Shape / g.Rate }

// Observe returns the belief after n events over exposure x: conjugate, exact, and independent of the order of
// observations up to rounding.
func (g Gamma) Observe(n, x float64) Gamma { return Gamma{g.Shape + n, g.Rate + x} }

// LogE returns the logarithm of the e-value of n events over exposure x for "the rate is ratio times what it was":
//
//	ln e = n·ln ρ + (a+n)·(ln(b+x) − ln(b+ρ·x)).
//
// It is the ratio of two predictive (negative binomial) probabilities, so its mean is 1 if the rate was drawn from the
// belief, and only on average over it: for a bound over all rates up to one, see PoissonLR.
//
// n ≥ 0 and x ≥ 0 are counts and exposure in the belief's unit, ratio > 0. x = 0 gives n·ln ρ, evidence from nothing: pass
// exposure wherever events can occur. NaN outside the domain. No allocation.
//
// Source: Gamma–Poisson mixture; Grünwald, de Heide and Koolen, Safe Testing, 2024, section 2 (Bayes factors as e-values).
func (g Gamma) LogE(n, x, ratio float64) float64 {
	if !(n >= 0 && x >= 0 && ratio > 0 && g.Shape > 0 && g.Rate > 0) {
		return math.NaN()
	}
	return float64(n*math.Log(ratio)) + float64((g.Shape+n)*(math.Log(g.Rate+x)-math.Log(g.Rate+float64(ratio*x))))
}

// PoissonLR returns the log-likelihood ratio of k events for a mean of ratio·mu against mu:
//
//	ln e = k·ln ρ − (ρ−1)·mu.
//
// For ratio > 1 its exponential is an e-value for every true mean up to mu. k ≥ 0, mu ≥ 0, ratio > 0, else NaN.
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
