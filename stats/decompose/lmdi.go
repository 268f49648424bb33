package decompose

import "math"

// LogMean returns the logarithmic mean of two numbers that are not negative,
//
//	L(u, v) = (u − v)/(ln u − ln v),  L(u, u) = u,  L(u, 0) = 0,
//
// which lies between their geometric and arithmetic means. It is symmetric and homogeneous. NaN if one is negative or NaN,
// or both are +Inf; +Inf for one +Inf and one positive number. Relative error below 1e-14 also where u is close to v. No allocation.
//
// Source: Carlson, The Logarithmic Mean, 1972, equation 1.
func LogMean(u, v float64) float64 {
	if u < v {
		u, v = v, u
	}
	switch {
	case !(v >= 0) || math.IsNaN(u):
		return math.NaN()
	case v == 0:
		return 0
	case u == v && !math.IsInf(u, 1):
		return u
	case u <= 2*v:
		d := u - v // exact
		return d / math.Log1p(d/v)
	}
	return (u - v) / (math.Log(u) - math.Log(v))
}

// LMDI writes to dst what each factor contributed to the change of a product from c0 to c1,
//
//	dst[i] = L(c1, c0) · ln(ratios[i]),
//
// where ratios[i] is factor i now over factor i before, and returns the rest c1 − c0 − Σ dst. The rest is zero, up to rounding,
// if and only if the ratios multiply to c1/c0: a factor that was left out is in the rest, not hidden in the others.
//
// c0, c1 ≥ 0 and finite, in one unit, which is that of dst; len(dst) == len(ratios), else it panics. A negative c0 or c1 or a NaN makes
// everything NaN. No allocation.
//
// Zeros: a ratio of 0 says that the factor vanished, so that c1 is 0; the factors that vanished share the whole change equally and
// the others contribute nothing. A ratio of +Inf says that it appeared, c0 is 0, and the same holds. This is the limit of the formula as
// the zeros are approached alike. Ratios that do not fit c0 and c1 (0 with c1 > 0, +Inf with c0 > 0, negative, NaN, or c0 or c1 zero without
// a factor to blame) contribute nothing, and the change stays in the rest.
//
// Source: Ang, The LMDI Approach to Decomposition Analysis, 2005, table 2 (additive LMDI-I); zeros after Ang and Liu, Handling Zero
// Values in the Logarithmic Mean Divisia Index Decomposition Approach, 2007, section 3, which leaves several zeros at once to the
// analyst: equal shares are ours.
func LMDI(dst []float64, c0, c1 float64, ratios []float64) (rest float64) {
	if len(dst) != len(ratios) {
		panic("stats: LMDI: lengths of dst and ratios differ")
	}
	if !(c0 >= 0 && c1 >= 0) || math.IsInf(c0, 1) || math.IsInf(c1, 1) {
		for i := range dst {
			dst[i] = math.NaN()
		}
		return math.NaN()
	}
	rest = c1 - c0
	if c0 == 0 || c1 == 0 {
		return appeared(dst, c0, c1, ratios)
	}
	mean := LogMean(c1, c0)
	for i, r := range ratios {
		dst[i] = 0
		if r > 0 && !math.IsInf(r, 1) {
			dst[i] = float64(mean * math.Log(r))
		}
		rest -= dst[i]
	}
	return rest
}

// appeared splits the change of a product that was zero before or is now.
func appeared(dst []float64, c0, c1 float64, ratios []float64) (rest float64) {
	blame := 0.0
	if c0 == 0 {
		blame = math.Inf(1)
	}
	n := 0
	for i, r := range ratios {
		dst[i] = 0
		if r == blame {
			n++
		}
	}
	if n == 0 || c0 == c1 {
		return c1 - c0
	}
	for i, r := range ratios {
		if r == blame {
			dst[i] = (c1 - c0) / float64(n)
		}
	}
	return 0
}
