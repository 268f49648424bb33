package changepoint

import "fmt"

// Back returns how long before its first sign a change may have begun, at a level: the x for which
//
//	∫₀ˣ L(t) dt = level · ∫₀ʰ L(t) dt,  L(t) = Π odds[i] over i with ago[i] < t,
//
// where elements without a sign came ago[i] before the first sign, odds[i] is by how much less likely element i is without one if the
// change had begun by then, given those with smaller i, and h, the horizon, is how long ago it may have begun at all.
//
// That is the posterior of the time at which the change began, which was as likely at one instant as at another; as odds ≤ 1 it falls with
// time, so [−x, 0] is the shortest interval that holds the level's share of it. Averaged over worlds in which that holds, and for odds
// that are right, it covers with exactly that chance, however the elements come in time, if their coming has nothing to do with the change.
// Where each element would show the change, odds[0] = 0 and x = level·ago[0].
//
// ago is ascending and ≥ 0, in any unit, and h ≥ its last; len(ago) == len(odds); odds lie in [0, 1]; 0 < level < 1; else it panics. 0 where
// h is 0. Cost: O(len(ago)) time, no allocation.
//
// Source: Bayes' theorem, as in Smith, A Bayesian approach to inference about a change-point in a sequence of random variables, 1975, with
// time in place of the index.
func Back(ago, odds []float64, h, level float64) float64 {
	if len(ago) != len(odds) {
		panic("stats: changepoint.Back: lengths of ago and odds differ")
	}
	if !(level > 0 && level < 1) {
		panic("stats: changepoint.Back: level must lie in (0, 1)")
	}
	if n := len(ago); n > 0 && !(h >= ago[n-1]) || !(h >= 0) {
		panic(fmt.Sprintf("stats: changepoint.Back: horizon %v lies after an element", h))
	}
	total := 0.0
	walk(ago, odds, h, func(from, to, l float64) bool {
		total += l * (to - from)
		return true
	})
	want, x := level*total, 0.0
	walk(ago, odds, h, func(from, to, l float64) bool {
		if mass := l * (to - from); mass < want {
			want -= mass
			x = to
			return true
		}
		if l > 0 {
			x = from + want/l
		}
		return false
	})
	return x
}

// walk calls fn for each stretch between elements with the likelihood there, until it returns false.
func walk(ago, odds []float64, h float64, fn func(from, to, l float64) bool) {
	from, l := 0.0, 1.0
	for i, to := range ago {
		if !(to >= from) || !(odds[i] >= 0 && odds[i] <= 1) {
			panic(fmt.Sprintf("stats: changepoint.Back: element %d: %v ago after %v, with odds %v", i, to, from, odds[i]))
		}
		if !fn(from, to, l) {
			return
		}
		from, l = to, l*odds[i]
	}
	fn(from, h, l)
}
