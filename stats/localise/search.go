package localise

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Sums are what a row contributes and a candidate adds up; their meaning is the Gain's.
type Sums [4]float64

func (s *Sums) add(t Sums) {
	for i := range s {
		s[i] += t[i]
	}
}

// Gain scores sums in nats: how much likelier they are under a rate or mean of their own than under the background.
type Gain func(Sums) float64

// Table is the input of Search: len(Codes[d]) == len(Rows) for every dimension d. Code 0 means unknown and is never
// described. Cards[d] is the number of values of d that a description could have named.
type Table struct {
	Codes [][]uint32
	Cards []int
	Rows  []Sums
}

// Cut is a conjunction: row i belongs to it when Codes[Dims[k]][i] == Values[k] for every k. Dims ascend.
type Cut struct {
	Dims   []int
	Values []uint32
	Sums   Sums
	Gain   float64 // nats, before the penalty
	Score  float64 // Gain less the penalty of the description
}

// Penalty is what naming dimension d costs, in nats: the logarithms of its values and of the dimensions that there were to
// choose from, and 1.5 for the choice of naming it at all. A dimension of one value tells nothing apart and is no choice.
func (t Table) Penalty(d int) float64 {
	choices := 0
	for _, card := range t.Cards {
		if card > 1 {
			choices++
		}
	}
	return math.Log(float64(max(choices, 1))) + math.Log(float64(max(t.Cards[d], 1))) + 1.5
}

const (
	beam   = 12 // candidates of one size that are narrowed further
	report = 24 // candidates returned
)

// Search returns the best conjunctions of at most maxDims dimensions, best score first, the empty one (everything)
// included; among equal scores the one with fewer dimensions comes first, then the one whose dimensions come earlier.
// Only candidates with positive gain are returned. Narrowing starts from the 12 best of each size, so a pair neither of
// whose sides stands out alone can be missed. Cost: O(12·maxDims·rows·dims) time.
func Search(t Table, gain Gain, maxDims int) []Cut {
	return t.search(gain, maxDims, func(Cut) bool { return true })
}

// search is Search for those of which ok is true.
func (t Table) search(gain Gain, maxDims int, ok func(Cut) bool) []Cut {
	var all Sums
	rows := make([]int, len(t.Rows))
	for i := range t.Rows {
		rows[i] = i
		all.add(t.Rows[i])
	}
	var out []Cut
	keep := func(c Cut) {
		if c.Gain > 0 && ok(c) {
			out = append(out, c)
		}
	}
	whole := Cut{Sums: all, Gain: gain(all)}
	whole.Score = whole.Gain
	keep(whole)
	front := []Cut{whole}
	for size := 1; size <= maxDims; size++ {
		var next []Cut
		for _, c := range front {
			next = t.extend(next, c, gain)
		}
		slices.SortStableFunc(next, better)
		next = slices.CompactFunc(next, sameCut)
		if len(next) > beam {
			next = next[:beam]
		}
		for _, c := range next {
			keep(c)
		}
		front = next
	}
	slices.SortStableFunc(out, better)
	if len(out) > report {
		out = out[:report]
	}
	return out
}

// RowsOf returns the indices of the rows that belong to c.
func (t Table) RowsOf(c Cut) []int {
	var in []int
next:
	for i := range t.Rows {
		for k, d := range c.Dims {
			if t.Codes[d][i] != c.Values[k] {
				continue next
			}
		}
		in = append(in, i)
	}
	return in
}

// extend appends every narrowing of c by one dimension.
func (t Table) extend(out []Cut, c Cut, gain Gain) []Cut {
	in := t.RowsOf(c)
	var sums []Sums
	var seen []uint32
	for d := range t.Codes {
		if slices.Contains(c.Dims, d) {
			continue
		}
		codes := t.Codes[d]
		sums, seen = sums[:0], seen[:0]
		for _, i := range in {
			v := codes[i]
			if v == 0 {
				continue
			}
			for int(v) >= len(sums) {
				sums = append(sums, Sums{})
			}
			if sums[v] == (Sums{}) {
				seen = append(seen, v)
			}
			sums[v].add(t.Rows[i])
		}
		slices.Sort(seen)
		seen = slices.Compact(seen)
		at, _ := slices.BinarySearch(c.Dims, d)
		dims := slices.Insert(slices.Clone(c.Dims), at, d)
		penalty := t.penalty(dims)
		for _, v := range seen {
			g := gain(sums[v])
			if g <= 0 {
				continue
			}
			out = append(out, Cut{
				Dims: dims, Values: slices.Insert(slices.Clone(c.Values), at, v),
				Sums: sums[v], Gain: g, Score: g - penalty,
			})
		}
	}
	return out
}

// penalty adds up anew, in the order of dims, so that a cut scores the same to the last bit whatever it was narrowed from:
// else it would stand in the beam twice, and ties would go by rounding.
func (t Table) penalty(dims []int) float64 {
	sum := 0.0
	for _, d := range dims {
		sum += t.Penalty(d)
	}
	return sum
}

func better(a, b Cut) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(len(a.Dims), len(b.Dims)), slices.Compare(a.Dims, b.Dims), slices.Compare(a.Values, b.Values))
}

func sameCut(a, b Cut) bool { return slices.Equal(a.Dims, b.Dims) && slices.Equal(a.Values, b.Values) }

// Binomial scores Sums{hits, opportunities} against a background rate p0 in (0, 1): the log-likelihood ratio of the
// candidate's own rate to p0, n·KL(k/n ‖ p0), times weight (below 1 where rows come in clusters), and 0 where its rate is
// not above p0.
func Binomial(p0, weight float64) Gain {
	return func(s Sums) float64 {
		k, n := s[0], math.Max(s[1], s[0])
		own := k / n
		if n == 0 || own <= p0 {
			return 0
		}
		return weight * n * stat.KullbackLeibler([]float64{own, 1 - own}, []float64{p0, 1 - p0})
	}
}

// Poisson scores Sums{amount, expected} against the expectation: the log-likelihood ratio of the candidate's own rate to it,
// k·ln(k/μ) − (k − μ), times weight (below 1 where what is counted varies by more than independent events do), and 0 where it does not
// exceed what was expected, or nothing was.
func Poisson(weight float64) Gain {
	return func(s Sums) float64 {
		k, mu := s[0], s[1]
		if mu <= 0 || k <= mu {
			return 0
		}
		return weight * (float64(k*math.Log(k/mu)) - (k - mu))
	}
}

// Shift scores Sums{n, Σx, Σx²} against a background mean mu and variance v > 0: n·(x̄−mu)²/2v, times weight, and 0 where
// the mean does not lie on the side of sign.
func Shift(mu, v, sign, weight float64) Gain {
	return func(s Sums) float64 {
		if s[0] == 0 {
			return 0
		}
		d := s[1]/s[0] - mu
		if d*sign <= 0 {
			return 0
		}
		return weight * s[0] * d * d / (2 * v)
	}
}
