package localise_test

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/stats/localise"
)

// full returns a cube with a leaf for each combination of values, noise of this relative size and these elements multiplied; where
// two cross, the one that is named further down in the order of values holds.
func full(rng *rand.Rand, cards []int, noise float64, elements map[[3]uint32]float64) localise.Cube {
	c := localise.Cube{Cards: cards}
	ordered := slices.SortedFunc(maps.Keys(elements), func(a, b [3]uint32) int { return slices.Compare(a[:], b[:]) })
	n := 1
	for _, card := range cards {
		n *= card
	}
	for i := range n {
		leaf := make([]uint32, len(cards))
		for d, rest := len(cards)-1, i; d >= 0; d-- {
			leaf[d], rest = uint32(1+rest%cards[d]), rest/cards[d]
		}
		v := 100 * math.Exp(rng.NormFloat64())
		f := v * (1 + noise*rng.NormFloat64())
		if rng.IntN(2) == 0 {
			v, f = f, v
		}
		for _, e := range ordered {
			inside := true
			for d, x := range leaf {
				inside = inside && (e[d] == 0 || e[d] == x)
			}
			if inside {
				v = f * elements[e] * (1 + 0.02*rng.NormFloat64())
			}
		}
		c.Leaves, c.Predict, c.Real = append(c.Leaves, leaf), append(c.Predict, f), append(c.Real, v)
	}
	return c
}

func elementsOf(causes []localise.Cause) (out [][]uint32) {
	for _, c := range causes {
		out = append(out, c.Values)
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

func same(a, b [][]uint32) bool {
	return slices.EqualFunc(a, b, slices.Equal)
}

// Causes of both directions, several cuboids and sizes, beside each other and crossing.
func TestCauses(t *testing.T) {
	for _, tc := range []struct {
		name     string
		elements map[[3]uint32]float64
	}{
		{"nothing", nil},
		{"one value", map[[3]uint32]float64{{2}: 0.5}},
		{"two values of one dimension, opposite ways", map[[3]uint32]float64{{2}: 0.5, {3}: 2}},
		{"mirror images", map[[3]uint32]float64{{2, 1}: 0.5, {0, 3, 4}: 2, {5, 0, 2}: 0.5}},
		{"crossing", map[[3]uint32]float64{{2}: 0.4, {0, 0, 3}: 3}},
		{"a leaf and a plane", map[[3]uint32]float64{{1}: 0.7, {4, 4, 4}: 9}},
		{"to nothing", map[[3]uint32]float64{{0, 2}: 0}},
		{"more than half", map[[3]uint32]float64{{1}: 3, {2}: 3, {3}: 3, {4}: 3}},
	} {
		for seed := range uint64(5) {
			c := full(rand.New(rand.NewPCG(seed, 7)), []int{6, 5, 8}, 0.1, tc.elements)
			var want [][]uint32
			for e := range tc.elements {
				want = append(want, e[:])
			}
			slices.SortFunc(want, slices.Compare)
			answer, rejected := localise.Causes(c)
			if got := elementsOf(answer); !same(got, want) {
				t.Errorf("%s, seed %d: %v, want %v", tc.name, seed, got, want)
			}
			for _, c := range append(answer, rejected...) {
				if !(c.Score >= 0 && c.Score <= 1 && c.Share >= 0 && c.Share <= 1+1e-9) {
					t.Errorf("%s, seed %d: %+v", tc.name, seed, c)
				}
			}
		}
	}
}

// What moves alike everywhere is one cause without dimensions; what differs from that is told besides.
func TestCausesOfEverything(t *testing.T) {
	c := full(rand.New(rand.NewPCG(3, 3)), []int{6, 5, 8}, 0.05, map[[3]uint32]float64{{2}: 3})
	for i := range c.Real {
		c.Real[i] *= 1.5
	}
	answer, _ := localise.Causes(c)
	if got, want := elementsOf(answer), [][]uint32{{0, 0, 0}, {2, 0, 0}}; !same(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The answer does not depend on the order of leaves, on which side is called real, on the unit, nor on how values are numbered.
func TestCausesAreOfTheTable(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		elements := map[[3]uint32]float64{}
		for range rng.IntN(4) {
			elements[[3]uint32{rng.Uint32N(5), rng.Uint32N(4), rng.Uint32N(3)}] = math.Exp(2*rng.Float64() - 1)
		}
		delete(elements, [3]uint32{})
		c := full(rng, []int{4, 3, 2}, 0.1, elements)
		answer, _ := localise.Causes(c)
		want := elementsOf(answer)

		shuffled, swapped, scaled := c, c, c
		shuffled.Leaves, shuffled.Predict, shuffled.Real = slices.Clone(c.Leaves), slices.Clone(c.Predict), slices.Clone(c.Real)
		rng.Shuffle(len(c.Leaves), func(i, j int) {
			shuffled.Leaves[i], shuffled.Leaves[j] = shuffled.Leaves[j], shuffled.Leaves[i]
			shuffled.Predict[i], shuffled.Predict[j] = shuffled.Predict[j], shuffled.Predict[i]
			shuffled.Real[i], shuffled.Real[j] = shuffled.Real[j], shuffled.Real[i]
		})
		swapped.Predict, swapped.Real = c.Real, c.Predict
		scaled.Predict, scaled.Real = nil, nil
		for i := range c.Real {
			scaled.Predict, scaled.Real = append(scaled.Predict, 1024*c.Predict[i]), append(scaled.Real, 1024*c.Real[i])
		}
		for name, other := range map[string]localise.Cube{"shuffled": shuffled, "swapped": swapped, "scaled": scaled} {
			answer, _ := localise.Causes(other)
			if got := elementsOf(answer); !same(got, want) {
				t.Errorf("seed %d, %s: %v, want %v", seed, name, got, want)
			}
		}
	}
}

// Counts of rare events are told from amounts, and their main cause is named though single leaves say little.
func TestCausesOfCounts(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 9))
		c := full(rng, []int{6, 5, 8}, 0, nil)
		for i, leaf := range c.Leaves {
			mean := c.Predict[i] / 60 // a few
			c.Predict[i] = mean
			if leaf[1] == 2 {
				mean *= 4
			}
			c.Real[i] = poisson(rng, mean)
		}
		answer, rejected := localise.Causes(c)
		if got, want := elementsOf(answer), [][]uint32{{0, 2, 0}}; !same(got, want) {
			t.Errorf("seed %d: %v, want %v", seed, got, want)
		}
		if len(rejected) == 0 {
			t.Errorf("seed %d: nothing was turned down", seed)
		}
	}
}

func poisson(rng *rand.Rand, mean float64) (n float64) {
	for at := rng.ExpFloat64(); at < mean; at += rng.ExpFloat64() {
		n++
	}
	return n
}

func TestCausesOfLittle(t *testing.T) {
	for name, c := range map[string]localise.Cube{
		"no leaf":         {Cards: []int{2}},
		"no dimension":    {Leaves: [][]uint32{{}}, Predict: []float64{1}, Real: []float64{2.5}},
		"zeros":           {Cards: []int{2}, Leaves: [][]uint32{{1}, {2}}, Predict: make([]float64, 2), Real: make([]float64, 2)},
		"below 0":         {Cards: []int{2}, Leaves: [][]uint32{{1}, {2}}, Predict: []float64{-1, 1.5}, Real: []float64{-3, 1.5}},
		"an unknown leaf": {Cards: []int{2}, Leaves: [][]uint32{{0}, {1}}, Predict: []float64{9.5, 1}, Real: []float64{1, 1}},
	} {
		if answer, _ := localise.Causes(c); len(answer) != 0 {
			t.Errorf("%s: %v", name, answer)
		}
	}
	for name, c := range map[string]localise.Cube{
		"lengths":    {Cards: []int{2}, Leaves: [][]uint32{{1}}, Predict: []float64{1}},
		"a value":    {Cards: []int{2}, Leaves: [][]uint32{{3}}, Predict: []float64{1}, Real: []float64{1}},
		"not finite": {Cards: []int{2}, Leaves: [][]uint32{{1}}, Predict: []float64{1}, Real: []float64{math.NaN()}},
		"dimensions": {Cards: make([]int, localise.MaxDims+1)},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			localise.Causes(c)
		}()
	}
}
