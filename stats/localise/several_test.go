package localise_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/stats/localise"
)

// Plan 1 in region 1 and plan 2 in region 2 are hit, and so half of all rows are: the other half says that it is not everybody.
func ExampleSeveral() {
	table := localise.Table{
		Codes: [][]uint32{{1, 1, 2, 2}, {1, 2, 1, 2}},
		Cards: []int{2, 2},
		Rows:  []localise.Sums{{80, 100}, {0, 100}, {1, 100}, {70, 100}},
	}
	for _, c := range localise.Several(table, localise.Binomial(0.001, 1), 2, 12) {
		fmt.Println(c.Dims, c.Values, c.Sums[:2])
	}
	// Unordered output:
	// [0 1] [1 1] [80 100]
	// [0 1] [2 2] [70 100]
}

// severally returns a table of 600 leaves of 1 to 40 rows in four dimensions, the last of which has one value, with elements of which so
// large a share of the rows is hit.
func severally(rng *rand.Rand, elements []localise.Cut, share []float64) localise.Table {
	t := localise.Table{Codes: make([][]uint32, 4), Cards: []int{4, 3, 5, 1}}
	for range 600 {
		var s localise.Sums
		for d, card := range t.Cards {
			t.Codes[d] = append(t.Codes[d], uint32(1+rng.IntN(card)))
		}
		i := len(t.Rows)
		spared := 0.999
		for k, e := range elements {
			if !slices.ContainsFunc(e.Dims, func(d int) bool { return t.Codes[d][i] != e.Values[slices.Index(e.Dims, d)] }) {
				spared *= 1 - share[k]
			}
		}
		for range 1 + rng.IntN(40) {
			s[1]++
			if rng.Float64() > spared {
				s[0]++
			}
		}
		t.Rows = append(t.Rows, s)
	}
	return t
}

// inTurn explains a table, then what that leaves of it, until nothing is left that is worth a word.
func inTurn(t localise.Table) (all []localise.Cut) {
	for {
		cuts := localise.Several(t, localise.Binomial(0.001, 1), 3, 12)
		if len(cuts) == 0 || cuts[0].Score < 12 {
			return all
		}
		all, t = append(all, cuts...), t.Without(cuts)
	}
}

// What is hit is told, and nothing else: one where one share of a cohort or of everybody is hit, several where they are disjoint or cross.
func TestSeveral(t *testing.T) {
	cut := func(pairs ...int) (c localise.Cut) {
		for i := 0; i < len(pairs); i += 2 {
			c.Dims, c.Values = append(c.Dims, pairs[i]), append(c.Values, uint32(pairs[i+1]))
		}
		return c
	}
	for _, c := range []struct {
		why      string
		elements []localise.Cut
		share    []float64
	}{
		{"a tenth of everybody", []localise.Cut{cut()}, []float64{0.1}},
		{"everybody", []localise.Cut{cut()}, []float64{1}},
		{"a tenth of a cohort", []localise.Cut{cut(0, 2)}, []float64{0.1}},
		{"disjoint in one dimension", []localise.Cut{cut(0, 1), cut(0, 2)}, []float64{0.5, 0.9}},
		{"disjoint in three", []localise.Cut{cut(0, 1, 2, 1), cut(1, 2, 2, 2)}, []float64{0.3, 0.3}},
		{"across each other", []localise.Cut{cut(0, 1), cut(2, 3)}, []float64{0.6, 0.6}},
		{"across each other in four", []localise.Cut{cut(0, 1, 1, 1), cut(1, 1, 2, 3)}, []float64{1, 0.4}},
		{"three", []localise.Cut{cut(0, 1, 2, 1), cut(1, 2, 2, 2), cut(0, 3, 2, 4)}, []float64{0.5, 0.3, 0.7}},
		{"three across each other", []localise.Cut{cut(0, 1), cut(1, 2), cut(2, 4)}, []float64{1, 1, 1}},
	} {
		text := func(cuts []localise.Cut) string {
			var s []string
			for _, x := range cuts {
				s = append(s, fmt.Sprint(x.Dims, x.Values))
			}
			slices.Sort(s)
			return fmt.Sprint(s)
		}
		wrong := 0
		for seed := range uint64(20) {
			table := severally(rand.New(rand.NewPCG(seed, 8)), c.elements, c.share)
			if got := inTurn(table); text(got) != text(c.elements) {
				t.Logf("%s, seed %d: %s, want %s", c.why, seed, text(got), text(c.elements))
				wrong++
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of 20 tables are wrong", c.why, wrong)
		}
	}
}
