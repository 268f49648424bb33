package localise_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/localise"
)

// oracle enumerates every conjunction of at most most dimensions and returns, best first, those with positive gain that
// narrowing step by step comes to: each step from a conjunction that has a gain itself, the first from everything.
func oracle(t localise.Table, gain localise.Gain, most int) []localise.Cut {
	var out []localise.Cut
	reached := map[string]bool{"[] []": true}
	var grow func(size, from int, dims []int, values []uint32)
	grow = func(size, from int, dims []int, values []uint32) {
		if len(dims) < size {
			for d := from; d < len(t.Codes); d++ {
				for v := uint32(1); int(v) <= t.Cards[d]; v++ {
					grow(size, d+1, append(slices.Clone(dims), d), append(slices.Clone(values), v))
				}
			}
			return
		}
		c := localise.Cut{Dims: dims, Values: values}
		for _, i := range t.RowsOf(c) {
			for k := range c.Sums {
				c.Sums[k] += t.Rows[i][k]
			}
		}
		c.Gain = gain(c.Sums)
		c.Score = c.Gain
		for _, d := range dims {
			c.Score -= t.Penalty(d)
		}
		before := size == 0
		for k := range dims {
			before = before || reached[fmt.Sprint(slices.Delete(slices.Clone(dims), k, k+1), slices.Delete(slices.Clone(values), k, k+1))]
		}
		if c.Gain > 0 && before {
			reached[fmt.Sprint(dims, values)] = true
			out = append(out, c)
		}
	}
	for size := range most + 1 {
		grow(size, 0, nil, nil)
	}
	slices.SortStableFunc(out, func(a, b localise.Cut) int {
		switch {
		case a.Score > b.Score+1e-9:
			return -1
		case a.Score < b.Score-1e-9:
			return 1
		case len(a.Dims) != len(b.Dims):
			return len(a.Dims) - len(b.Dims)
		case !slices.Equal(a.Dims, b.Dims):
			return slices.Compare(a.Dims, b.Dims)
		}
		return slices.Compare(a.Values, b.Values)
	})
	return out
}

// Three dimensions of two values have 27 conjunctions, at most 12 of one size: the beam loses none, so Search must find what
// trying everything finds, in the same order.
func TestSearchFindsWhatTryingEverythingFinds(t *testing.T) {
	gains := map[string]localise.Gain{
		"binomial": localise.Binomial(0.2, 0.8), "up": localise.Shift(0.1, 0.7, 1, 1), "down": localise.Shift(0.1, 0.7, -1, 0.5),
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"binomial", "up", "down"}).Draw(t, "gain")
		n := rapid.IntRange(0, 40).Draw(t, "rows")
		table := localise.Table{Cards: []int{2, 2, 2}, Codes: [][]uint32{make([]uint32, n), make([]uint32, n), make([]uint32, n)}}
		for i := range n {
			for d := range table.Codes {
				table.Codes[d][i] = rapid.Uint32Range(0, 2).Draw(t, "code")
			}
			k := float64(rapid.IntRange(0, 4).Draw(t, "k"))
			if name == "binomial" {
				table.Rows = append(table.Rows, localise.Sums{k, k + float64(rapid.IntRange(0, 8).Draw(t, "others"))})
			} else {
				x := k/2 - 1
				table.Rows = append(table.Rows, localise.Sums{1, x, x * x})
			}
		}
		most := rapid.IntRange(0, 3).Draw(t, "most")
		got, want := localise.Search(table, gains[name], most), oracle(table, gains[name], most)
		want = want[:min(len(want), 24)]
		if len(got) != len(want) {
			t.Fatalf("%d cuts, want %d:\n%v\n%v", len(got), len(want), got, want)
		}
		for i := range want {
			g, w := got[i], want[i]
			if !slices.Equal(g.Dims, w.Dims) || !slices.Equal(g.Values, w.Values) || math.Abs(g.Gain-w.Gain) > 1e-9 || math.Abs(g.Score-w.Score) > 1e-9 {
				t.Fatalf("cut %d: %+v, want %+v", i, g, w)
			}
			for k := range w.Sums {
				if math.Abs(g.Sums[k]-w.Sums[k]) > 1e-9 {
					t.Fatalf("cut %d: sums %v, want %v", i, g.Sums, w.Sums)
				}
			}
		}
	})
}

var cards = []int{4, 5, 3, 6, 8, 10, 12, 30}

// planted returns a random table in which the rows of a conjunction of size dimensions stand out.
func planted(rng *rand.Rand, rows, size int, row func(inside bool) localise.Sums) (t localise.Table, c localise.Cut) {
	t.Cards = cards
	c.Dims = rng.Perm(5)[:size] // of those with the fewest values, so that enough rows lie inside
	slices.Sort(c.Dims)
	for _, d := range c.Dims {
		c.Values = append(c.Values, 1+rng.Uint32N(uint32(cards[d])))
	}
	t.Codes = make([][]uint32, len(cards))
	for range rows {
		inside := true
		for d, card := range cards {
			t.Codes[d] = append(t.Codes[d], 1+rng.Uint32N(uint32(card)))
		}
		for k, d := range c.Dims {
			inside = inside && t.Codes[d][len(t.Rows)] == c.Values[k]
		}
		t.Rows = append(t.Rows, row(inside))
	}
	return t, c
}

// One planted cause, amid noise, comes first, whatever its size: rates that differ tenfold, and means three standard
// deviations apart.
func TestSearchFindsPlantedConjunctions(t *testing.T) {
	const rows = 3000
	for seed := range uint64(30) {
		for size := 1; size <= 3; size++ {
			rng := rand.New(rand.NewPCG(seed, uint64(size)))
			hits := func(inside bool) localise.Sums {
				p, k := 0.002, 0.0
				if inside {
					p = 0.02
				}
				for range 200 {
					if rng.Float64() < p {
						k++
					}
				}
				return localise.Sums{k, 200}
			}
			values := func(inside bool) localise.Sums {
				x := rng.NormFloat64()
				if inside {
					x += 3
				}
				return localise.Sums{1, x, x * x}
			}
			for _, c := range []struct {
				name string
				row  func(bool) localise.Sums
				gain localise.Gain
			}{{"rate", hits, localise.Binomial(0.002, 1)}, {"mean", values, localise.Shift(0, 1, 1, 1)}} {
				table, want := planted(rng, rows, size, c.row)
				got := localise.Search(table, c.gain, 3)
				if len(got) == 0 || !slices.Equal(got[0].Dims, want.Dims) || !slices.Equal(got[0].Values, want.Values) {
					t.Errorf("seed %d, %s, %d dimensions: %+v, want %v=%v", seed, c.name, size, got[:min(2, len(got))], want.Dims, want.Values)
				}
			}
		}
	}
}

// A dimension that narrows nothing is not named: of two descriptions of the same rows the shorter comes first.
func TestSearchPrefersTheShorterDescription(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "rows")
		table := localise.Table{Cards: []int{3, 3, 3}, Codes: [][]uint32{make([]uint32, n), make([]uint32, n), make([]uint32, n)}}
		for i := range n {
			v := rapid.Uint32Range(1, 3).Draw(t, "value")
			// The second says the same as the first; the third often.
			table.Codes[0][i], table.Codes[1][i], table.Codes[2][i] = v, v, v
			if rapid.Bool().Draw(t, "differs") {
				table.Codes[2][i] = 1
			}
			table.Rows = append(table.Rows, localise.Sums{float64(rapid.IntRange(0, 5).Draw(t, "hits")), 5})
		}
		got := localise.Search(table, localise.Binomial(0.05, 1), 3)
		for i, c := range got {
			for _, d := range got[:i] {
				if len(d.Dims) > len(c.Dims) && slices.Equal(table.RowsOf(c), table.RowsOf(d)) {
					t.Fatalf("%v=%v stands before %v=%v, which says the same", d.Dims, d.Values, c.Dims, c.Values)
				}
				if len(d.Dims) == len(c.Dims) && slices.Compare(d.Dims, c.Dims) > 0 && slices.Equal(table.RowsOf(c), table.RowsOf(d)) {
					t.Fatalf("%v=%v stands before %v=%v, which says the same and has the earlier dimensions", d.Dims, d.Values, c.Dims, c.Values)
				}
			}
		}
	})
}

func TestSearchIgnoresUnknownValues(t *testing.T) {
	table := localise.Table{Cards: []int{1}, Codes: [][]uint32{{0, 0, 0, 1}}, Rows: []localise.Sums{{9, 10}, {9, 10}, {9, 10}, {0, 10}}}
	for _, c := range localise.Search(table, localise.Binomial(0.01, 1), 2) {
		if len(c.Dims) > 0 {
			t.Errorf("%+v describes rows by a value that nobody knows", c)
		}
	}
	if got := localise.Search(localise.Table{}, localise.Binomial(0.01, 1), 3); len(got) != 0 {
		t.Errorf("an empty table: %v", got)
	}
}

// The gain is the log-likelihood ratio of the binomial distribution.
func TestBinomialIsALikelihoodRatio(t *testing.T) {
	for _, p0 := range []float64{1e-6, 5e-4, 0.1, 0.5, 0.9} {
		for _, n := range []float64{1, 2, 10, 1000} {
			for _, share := range []float64{0, 0.001, 0.05, 0.5, 0.999, 1} {
				k := math.Round(share * n)
				got := localise.Binomial(p0, 0.5)(localise.Sums{k, n})
				want := 0.0
				if k/n > p0 {
					logp := 0.0 // of k out of n under a rate of k/n; 1 where that is certain
					if k < n {
						logp = distuv.Binomial{N: n, P: k / n}.LogProb(k)
					}
					want = 0.5 * (logp - distuv.Binomial{N: n, P: p0}.LogProb(k))
				}
				if math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
					t.Errorf("%v of %v against %v: %v, want %v", k, n, p0, got, want)
				}
			}
		}
	}
	// More hits than opportunities, as when a charge comes late, are all of them.
	if got, want := localise.Binomial(0.1, 1)(localise.Sums{7, 5}), localise.Binomial(0.1, 1)(localise.Sums{7, 7}); got != want {
		t.Errorf("7 of 5: %v, want %v", got, want)
	}
	if got := localise.Binomial(0.1, 1)(localise.Sums{}); got != 0 {
		t.Errorf("nothing: %v", got)
	}
}

// Poisson is the log-likelihood of the count at its own rate, over that at the expected one; what it weighs less is worth less, and what
// was not to be expected at all, or does not exceed it, is worth nothing.
func TestPoissonIsALikelihoodRatio(t *testing.T) {
	for _, mu := range []float64{0.5, 10, 4000} {
		for _, k := range []float64{0, 1, 12, 5000} {
			want := 0.0
			if k > mu {
				want = 0.25 * (distuv.Poisson{Lambda: k}.LogProb(k) - distuv.Poisson{Lambda: mu}.LogProb(k))
			}
			if got := localise.Poisson(0.25)(localise.Sums{k, mu}); math.Abs(got-want) > 1e-9*(1+k) {
				t.Errorf("%g where %g was expected: %g nats, want %g", k, mu, got, want)
			}
		}
	}
	for _, mu := range []float64{0, -1} {
		if got := localise.Poisson(1)(localise.Sums{9, mu}); got != 0 {
			t.Errorf("9 where %g was expected: %g nats", mu, got)
		}
	}
}

// The gain is the log-likelihood ratio of normal samples under a mean of their own.
func TestShiftIsALikelihoodRatio(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		mu, sd, sign := rng.NormFloat64(), 0.1+rng.Float64(), float64(1-2*rng.IntN(2))
		var s localise.Sums
		var xs []float64
		for range 1 + rng.IntN(30) {
			x := mu + rng.NormFloat64()
			xs = append(xs, x)
			s[0]++
			s[1] += x
			s[2] += x * x
		}
		mean := s[1] / s[0]
		want := 0.0
		if (mean-mu)*sign > 0 {
			for _, x := range xs {
				want += distuv.Normal{Mu: mean, Sigma: sd}.LogProb(x) - distuv.Normal{Mu: mu, Sigma: sd}.LogProb(x)
			}
		}
		if got := localise.Shift(mu, sd*sd, sign, 2)(s); math.Abs(got-2*want) > 1e-9*math.Max(1, want) {
			t.Fatalf("%v against %v, %v: %v, want %v", xs, mu, sd, got, 2*want)
		}
	}
	if got := localise.Shift(0, 1, 1, 1)(localise.Sums{}); got != 0 {
		t.Errorf("nothing: %v", got)
	}
}

// A dimension costs more the more there is to choose from, and always something.
func TestPenalty(t *testing.T) {
	some := localise.Table{Cards: []int{4, 1, 0, 2, 7}}
	if got, want := some.Penalty(0), math.Log(3)+math.Log(4)+1.5; math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := some.Penalty(1), math.Log(3)+1.5; math.Abs(got-want) > 1e-12 {
		t.Errorf("one value: %v, want %v", got, want)
	}
	if got := (localise.Table{Cards: []int{0}}).Penalty(0); got != 1.5 {
		t.Errorf("nothing to choose from: %v, want 1.5", got)
	}
}

func BenchmarkSearch(b *testing.B) {
	for _, rows := range []int{5_000, 20_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			table, _ := planted(rng, rows, 2, func(inside bool) localise.Sums {
				if inside {
					return localise.Sums{20, 50}
				}
				return localise.Sums{float64(rng.IntN(2)), 50}
			})
			b.ReportAllocs()
			for b.Loop() {
				if got := localise.Search(table, localise.Binomial(0.01, 1), 3); len(got) == 0 {
					b.Fatal("nothing found")
				}
			}
		})
	}
}
