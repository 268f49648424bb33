package decompose

import "math"

// Term is one addend of an aggregate, a product of factors: what it was before, what it is now, and each factor's ratio now over before,
// whose product is Now/Before.
type Term struct {
	Before, Now float64
	Ratios      []float64
}

// Index writes to dst what each factor multiplied an aggregate by that is a sum of products, from c0 = Σ Before to c1 = Σ Now,
//
//	dst[k] = exp( Σₜ Δₜₖ / L(c1, c0) ),
//
// where Δₜₖ is what LMDI says that factor k contributed to the change of term t, and returns the rest (c1/c0)/Π dst. The rest is 1, up to
// rounding, if and only if the ratios of each term multiply to its own change: the decomposition is perfect. Where time is reversed, every
// index is inverted; the order of terms and that of factors do not matter.
//
// All terms are ≥ 0 and finite, in one unit; every Ratios has the length of dst, else it panics. No terms, or a sum that is 0 before or now,
// make everything NaN: what appears whole has no index. Cost: one pass, and one allocation as long as dst.
//
// Zeros: a term that is 0 before or now is one that appeared or vanished, and the factors whose ratio says so (+Inf, 0) share its change, as
// in LMDI. So the share of a kind that did not exist before accounts for all of it, at the price that it has now. That is the limit of
// small numbers in the place of zeros.
//
// Source: Ang, The LMDI Approach to Decomposition Analysis, 2005, table 2 (multiplicative LMDI-I); zeros after Ang and Liu, Handling Zero
// Values in the Logarithmic Mean Divisia Index Decomposition Approach, 2007, section 3 (analytical limits).
func Index(dst []float64, terms []Term) (rest float64) {
	c0, c1 := 0.0, 0.0
	clear(dst)
	part := make([]float64, len(dst))
	for _, t := range terms {
		c0, c1 = c0+t.Before, c1+t.Now
		LMDI(part, t.Before, t.Now, t.Ratios)
		for k, x := range part {
			dst[k] += x
		}
	}
	mean := LogMean(c1, c0)
	if !(mean > 0) || math.IsInf(mean, 1) {
		mean = math.NaN()
	}
	rest = c1 / c0
	for k := range dst {
		dst[k] = math.Exp(dst[k] / mean)
		rest /= dst[k]
	}
	return rest + 0*mean
}
