package localise

import (
	"cmp"
	"slices"
)

const (
	severalMost   = 3   // conjunctions of a set
	severalSeeds  = 4   // narrowings of the best one that a set is begun with
	severalRounds = 4   // that its conjunctions are fitted to each other in
	severalHeld   = 0.9 // of the rows of one that lie in another: then it is no other
)

// Several returns the conjunctions, of at most maxDims dimensions each, that together explain a table best: the best one that
// Search returns, unless two or three of which none holds another are likelier by least nats for each more of them. Rows count
// for one of them, that of the higher rate, and each has to gain least nats by those that are its alone. What tells a set from a
// wider one is the rows that the wider one holds and that are right. Nothing is returned where nothing has a gain.
//
// A set is sought where the best one is uneven: where it and a narrowing of it, each at a rate of its own, are likelier than
// it is. It is begun with such a narrowing, each next one is the best beside the others, and each is then sought anew beside
// the others until none changes. Cost: that of two searches where the best one is even, else of 20 to 80.
func Several(t Table, gain Gain, maxDims int, least float64) []Cut {
	cuts := Search(t, gain, maxDims)
	if len(cuts) == 0 {
		return nil
	}
	best, score := cuts[:1], cuts[0].Score
	for _, seed := range t.uneven(cuts[0], gain, maxDims) {
		set := []Cut{seed}
		for n := 2; n <= severalMost; n++ {
			next, ok := t.beside(set, gain, maxDims, least)
			if !ok {
				break
			}
			if set = t.fit(append(set, next), gain, maxDims, least); len(set) < n {
				break
			}
			if own := t.together(set, gain); own > score+least*float64(n-len(best)) {
				best, score = slices.Clone(set), own
			}
		}
	}
	return best
}

// uneven returns narrowings of a cut, to at most maxDims dimensions, that are better apart from what they leave of it, best first.
func (t Table) uneven(c Cut, gain Gain, maxDims int) (seeds []Cut) {
	apart := func(in Cut) float64 {
		rest := c.Sums
		for k := range rest {
			rest[k] -= in.Sums[k]
		}
		return in.Score + gain(rest)
	}
	var halves []Cut
	for front := []Cut{c}; len(front) > 0 && len(front[0].Dims) < maxDims; {
		var next []Cut
		for _, from := range front {
			next = t.extend(next, from, gain)
		}
		slices.SortStableFunc(next, func(a, b Cut) int { return cmp.Or(cmp.Compare(apart(b), apart(a)), better(a, b)) })
		next = slices.CompactFunc(next, sameCut)
		front = next[:min(len(next), beam)]
		halves = append(halves, front...)
	}
	slices.SortStableFunc(halves, func(a, b Cut) int { return cmp.Or(cmp.Compare(apart(b), apart(a)), better(a, b)) })
	for _, h := range halves {
		if apart(h) <= c.Score || len(seeds) == severalSeeds {
			break
		}
		if !slices.ContainsFunc(seeds, func(o Cut) bool { return t.holds(h, o) || t.holds(o, h) }) {
			seeds = append(seeds, h)
		}
	}
	return seeds
}

// beside returns the best cut of the rows that lie in none of the others, which neither holds one of them nor lies in it.
func (t Table) beside(others []Cut, gain Gain, maxDims int, least float64) (Cut, bool) {
	cuts := t.Without(others).search(gain, maxDims, func(c Cut) bool {
		return c.Score >= least && !slices.ContainsFunc(others, func(o Cut) bool { return t.holds(c, o) || t.holds(o, c) })
	})
	if len(cuts) == 0 {
		return Cut{}, false
	}
	return cuts[0], true
}

// fit seeks each cut of a set anew beside the others, until none changes. One that has nothing of its own is left out.
func (t Table) fit(set []Cut, gain Gain, maxDims int, least float64) []Cut {
	for range severalRounds {
		same := true
		for i := range set {
			others := slices.Delete(slices.Clone(set), i, i+1)
			c, ok := t.beside(others, gain, maxDims, least)
			if !ok {
				return others
			}
			same = same && sameCut(c, set[i])
			set[i] = c
		}
		if same {
			break
		}
	}
	return set
}

// together returns the score of a set, of which the cut of the highest rate has the rows that lie in several.
func (t Table) together(set []Cut, gain Gain) (score float64) {
	set = slices.Clone(set)
	slices.SortStableFunc(set, func(a, b Cut) int { return cmp.Compare(b.Sums[0]*a.Sums[1], a.Sums[0]*b.Sums[1]) })
	for i, c := range set {
		var own Sums
		for _, r := range t.RowsOf(c) {
			own.add(t.Rows[r])
		}
		score += gain(own) - t.penalty(c.Dims)
		t = t.Without(set[i : i+1])
	}
	return score
}

// Without returns the table less the rows that belong to some cuts.
func (t Table) Without(cuts []Cut) Table {
	gone := make([]bool, len(t.Rows))
	for _, c := range cuts {
		for _, i := range t.RowsOf(c) {
			gone[i] = true
		}
	}
	out := Table{Codes: make([][]uint32, len(t.Codes)), Cards: t.Cards}
	for i, g := range gone {
		if g {
			continue
		}
		out.Rows = append(out.Rows, t.Rows[i])
		for d, codes := range t.Codes {
			out.Codes[d] = append(out.Codes[d], codes[i])
		}
	}
	return out
}

// holds says whether nearly all rows of another cut lie in c.
func (t Table) holds(c, o Cut) bool {
	in, all := 0.0, 0.0
next:
	for _, i := range t.RowsOf(o) {
		all += t.Rows[i][1]
		for k, d := range c.Dims {
			if t.Codes[d][i] != c.Values[k] {
				continue next
			}
		}
		in += t.Rows[i][1]
	}
	return in >= severalHeld*all
}
