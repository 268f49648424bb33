package sequential

import (
	"cmp"
	"math"
	"slices"
)

// EBH returns which of the hypotheses with e-values e to reject so that on average at most a share alpha of the rejected
// ones are true: the k largest, for the greatest k with
//
//	e₍ₖ₎ ≥ n/(alpha·k),  n = len(e).
//
// The bound holds under any dependence, which is why it is used here: an incident makes all users' e-values jump together.
//
// Indices come in ascending order; nil if none is rejected. +Inf is always rejected, NaN and numbers ≤ 0 never. Equal
// e-values share one fate. Panics if alpha is outside (0, 1]. Cost O(m log m) for the m e-values of at least 1/alpha.
//
// Source: Wang and Ramdas, False Discovery Rate Control with E-values, 2022, definition 1 and theorem 2.
func EBH(e []float64, alpha float64) []int {
	if !(alpha > 0 && alpha <= 1) {
		panic("stats: EBH: alpha must lie in (0, 1]")
	}
	var order []int
	for i, v := range e {
		if v*alpha >= 1 { // no k can reject less
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(e[j], e[i]), cmp.Compare(i, j))
	})
	k := 0
	for i, at := range order {
		if math.IsInf(e[at], 1) || e[at]*alpha*float64(i+1) >= float64(len(e)) {
			k = i + 1
		}
	}
	if k == 0 {
		return nil
	}
	slices.Sort(order[:k])
	return order[:k]
}
