// Package extreme says how large a value must be to be one in a million, from samples of which none was: peaks over a
// threshold follow a generalised Pareto distribution, whatever the samples' own (Pickands, Balkema and de Haan).
//
// Its bounds are asymptotic and assume samples that are independent and alike; the e-values of the sibling package
// sequential assume less and promise more, but need a baseline. It is for scores that have none.
//
// It does not decide what a score is and keeps nothing but the peaks. Functions are safe for concurrent use, a value
// with methods belongs to one goroutine at a time.
package extreme
