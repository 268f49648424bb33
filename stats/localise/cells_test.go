package localise

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// Both ways of numbering cells have the same cells with the same leaves, sums and children.
func TestCellsAgreeWithCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cards := rapid.SliceOfN(rapid.IntRange(1, 4), 1, 4).Draw(t, "cards")
		var leaves [][]uint32
		var sums []float64
		for i := range rapid.IntRange(0, 30).Draw(t, "leaves") {
			leaf := make([]uint32, len(cards))
			for d, c := range cards {
				leaf[d] = rapid.Uint32Range(0, uint32(c)).Draw(t, "value")
			}
			leaves, sums = append(leaves, leaf), append(sums, 1, float64(i*i))
		}
		holds := func(v, leaf []uint32) bool {
			for d, x := range v {
				if x != 0 && leaf[d] != x {
					return false
				}
			}
			return true
		}
		sparse := &cells{cards: cards, leaves: leaves}
		sparse.number()
		for name, c := range map[string]*cells{"dense": newCells(cards, leaves), "sparse": sparse} {
			totals := c.total(sums, 2)
			seen := map[int]int{}
			for i := range leaves {
				for _, cell := range c.above(nil, i) {
					if seen[cell]++; !holds(c.values(cell), leaves[i]) {
						t.Fatalf("%s: leaf %v is not in %v", name, leaves[i], c.values(cell))
					}
				}
			}
			for cell := range c.n {
				v, want := c.values(cell), []float64{0, 0}
				var in []int
				for i, leaf := range leaves {
					if holds(v, leaf) {
						in = append(in, i)
						add(want, sums[2*i:2*i+2])
					}
				}
				got := c.within(nil, cell)
				slices.Sort(got)
				if !slices.Equal(got, in) || !slices.Equal(totals.at(cell), want) || seen[cell] != len(in) {
					t.Fatalf("%s %v: leaves %v, want %v; sums %v, want %v; seen %d times", name, v, got, in, totals.at(cell), want, seen[cell])
				}
				for d := range cards {
					if v[d] != 0 {
						continue
					}
					known := 0.0
					for _, child := range c.children(nil, cell, d) {
						w := c.values(child)
						w[d] = 0
						if !slices.Equal(w, v) || c.mask(child) != c.mask(cell)|1<<d {
							t.Fatalf("%s: %v is no child of %v", name, c.values(child), v)
						}
						known += totals.at(child)[0]
					}
					for _, i := range in {
						if leaves[i][d] == 0 {
							known++
						}
					}
					if known != want[0] {
						t.Fatalf("%s: children of %v by %d have %v leaves, want %v", name, v, d, known, want[0])
					}
				}
			}
		}
	})
}

// The evidence of a cell is the likelihood of its shifts, averaged over the common shift and its spread.
func TestEvidenceIsAnAverageLikelihood(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	m := newAmounts(nil, nil)
	for range 25 {
		n := rng.IntN(7)
		center, gone, against := rng.Float64()-0.5, rng.IntN(4), rng.IntN(2)
		s := make([]float64, aWidth)
		var x []float64
		for range n {
			v := center + 0.1*rng.NormFloat64()
			x = append(x, v)
			add(s, []float64{1, v, v * v, 0, 0, 0})
		}
		s[aDown], s[aUp] = float64(gone), float64(against)
		if s[aShift]+s[aUp] > s[aDown] {
			gone, against = against, gone
		}
		if n+gone+against == 0 {
			continue
		}
		want := 0.0
		for _, spread := range m.lnSpread {
			one := func(mean float64) float64 {
				p := 0.5 // uniform over shifts from -1 to 1
				for _, v := range x {
					p *= distuv.Normal{Mu: mean, Sigma: math.Exp(spread)}.Prob(v)
				}
				return p
			}
			if n > 0 {
				mean := s[aShift] / float64(n)
				want += quad.Fixed(one, mean-6*math.Exp(spread), mean+6*math.Exp(spread), 60, nil, 0) / spreads
			} else {
				want = 1
			}
		}
		if n == 1 {
			want = 0.5
		}
		prior := distuv.Beta{Alpha: nothingPrior, Beta: nothingPrior}
		lnShare := lnBeta(float64(gone)+prior.Alpha, float64(n)+prior.Beta) - lnBeta(prior.Alpha, prior.Beta)
		square := 0.0
		if n > 0 {
			square = s[aSquare] - s[aShift]*s[aShift]/float64(n)
		}
		got := m.evidence(s, math.Max(square, 0))
		if w := math.Log(want) + lnShare + float64(against)*m.lnNothing; math.Abs(got-w) > 1e-6*math.Max(1, math.Abs(w)) {
			t.Errorf("%v, %d gone, %d against: %v, want %v", x, gone, against, got, w)
		}
	}
}

// Fitted to leaves of which a third are causes, the background is still the density of the rest: relative errors of one size,
// and with heavy tails.
func TestBackgroundIsThatOfHealthyLeaves(t *testing.T) {
	for name, noise := range map[string]distuv.Rander{
		"normal":    distuv.Normal{Sigma: 1, Src: rand.NewPCG(2, 1)},
		"Student t": distuv.StudentsT{Sigma: 1, Nu: 3, Src: rand.NewPCG(2, 2)},
	} {
		rng := rand.New(rand.NewPCG(2, 3))
		var y []float64
		var healthy [2]float64 // with |y| below .1 and beyond .5
		for i := range 60000 {
			x := math.Log(math.Max(1+0.1*noise.Rand(), 0))
			if rng.IntN(2) == 0 {
				x = -x
			}
			if i%3 == 0 {
				x = -0.9 + 0.05*rng.NormFloat64()
			} else if math.Abs(x) < 0.1 {
				healthy[0]++
			} else if x > 0.5 && !math.IsInf(x, 0) {
				healthy[1]++
			}
			y = append(y, x)
		}
		b := newBackground(y)
		integral := func(from, to float64) float64 {
			return quad.Fixed(func(y float64) float64 { return math.Exp(b.lnDensity(y)) }, from, to, 500, nil, 0)
		}
		if got := 2 * integral(1e-6, 12); math.Abs(got-1) > 0.03 {
			t.Errorf("%s: density integrates to %v", name, got)
		}
		if got, want := 2*integral(1e-6, 0.1), healthy[0]/40000; math.Abs(got-want) > 0.03 {
			t.Errorf("%s: %v of leaves within a tenth, want %v", name, got, want)
		}
		if got, want := integral(0.5, 12), healthy[1]/40000; math.Abs(got-want) > 0.3*want+1e-4 { // a third of a nat
			t.Errorf("%s: %v of leaves beyond .5, want %v", name, got, want)
		}
	}
}
