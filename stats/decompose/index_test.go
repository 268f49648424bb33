package decompose_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/decompose"
)

// kinds draws goods of which each has a share and a price before and now, and is there before, now or both; the shares sum to 1.
func kinds(t *rapid.T, price *rapid.Generator[float64]) []decompose.Term {
	n := rapid.IntRange(2, 6).Draw(t, "kinds")
	shares := [2][]float64{make([]float64, n), make([]float64, n)}
	for when := range shares {
		sum := 0.0
		for i := range n {
			if i == when || rapid.IntRange(0, 3).Draw(t, "there") > 0 { // one of each is
				shares[when][i] = rapid.Float64Range(0.01, 1).Draw(t, "share")
			}
			sum += shares[when][i]
		}
		for i := range n {
			shares[when][i] /= sum
		}
	}
	var out []decompose.Term
	for i := range n {
		s0, s1, p0, p1 := shares[0][i], shares[1][i], price.Draw(t, "price before"), price.Draw(t, "price now")
		if s0 == 0 && s1 == 0 {
			continue
		}
		r := []float64{s1 / s0, p1 / p0}
		if s0 == 0 || s1 == 0 {
			r[1] = 1
		}
		out = append(out, decompose.Term{Before: s0 * p0, Now: s1 * p1, Ratios: r})
	}
	return out
}

func close(a, b float64) bool { return math.Abs(a-b) <= 1e-11*math.Max(math.Abs(a), math.Abs(b)) }

// The indices multiply to the change of the sum, time reversed inverts them, and the order of terms and factors changes nothing.
func TestIndexIsPerfect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := kinds(t, rapid.Float64Range(0.01, 100))
		there, back := make([]float64, 2), make([]float64, 2)
		if rest := decompose.Index(there, terms); !close(rest, 1) {
			t.Fatalf("rest %v of %v", rest, there)
		}
		c0, c1 := 0.0, 0.0
		reversed := make([]decompose.Term, len(terms))
		for i, x := range terms {
			c0, c1 = c0+x.Before, c1+x.Now
			reversed[i] = decompose.Term{Before: x.Now, Now: x.Before, Ratios: []float64{1 / x.Ratios[0], 1 / x.Ratios[1]}}
		}
		if !close(there[0]*there[1], c1/c0) {
			t.Fatalf("%v of x%v", there, c1/c0)
		}
		if decompose.Index(back, reversed); !close(there[0]*back[0], 1) || !close(there[1]*back[1], 1) {
			t.Fatalf("%v there, %v back", there, back)
		}
		rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "order"))).Shuffle(len(terms), func(i, k int) { terms[i], terms[k] = terms[k], terms[i] })
		for _, x := range terms {
			slices.Reverse(x.Ratios)
		}
		if decompose.Index(back, terms); !close(there[0], back[1]) || !close(there[1], back[0]) {
			t.Fatalf("%v, in another order %v", there, back)
		}
	})
}

// Where all kinds cost the same, before and now, who has which share makes no difference.
func TestIndexOfSharesAtOnePrice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dst := make([]float64, 2)
		if decompose.Index(dst, kinds(t, rapid.Just(3.0))); !close(dst[0], 1) || !close(dst[1], 1) {
			t.Fatalf("%v, want 1 each", dst)
		}
	})
}

func TestIndexZeros(t *testing.T) {
	for _, c := range []struct {
		name  string
		terms []decompose.Term
		want  []float64
		rest  float64
	}{
		{"all goes from a cheap kind to a new one ten times as dear", []decompose.Term{{1, 0, []float64{0, 1}}, {0, 10, []float64{inf, 1}}}, []float64{10, 1}, 1},
		{"a kind that costs nothing comes", []decompose.Term{{4, 2, []float64{0.5, 1}}, {0, 0, []float64{inf, 1}}}, []float64{0.5, 1}, 1},
		{"nothing before", []decompose.Term{{0, 10, []float64{inf, 1}}}, []float64{nan, nan}, nan},
		{"nothing now", []decompose.Term{{10, 0, []float64{0, 1}}}, []float64{nan, nan}, nan},
		{"no terms", nil, []float64{nan, nan}, nan},
		{"a negative term", []decompose.Term{{-1, 2, []float64{2, 1}}, {5, 5, []float64{1, 1}}}, []float64{nan, nan}, nan},
		{"a factor left out is in the rest", []decompose.Term{{1, 8, []float64{2, 1}}}, []float64{2, 1}, 4},
	} {
		got := make([]float64, 2)
		rest := decompose.Index(got, c.terms)
		for k := range got {
			if !same(got[k], c.want[k]) && !close(got[k], c.want[k]) {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
				break
			}
		}
		if !same(rest, c.rest) && !close(rest, c.rest) {
			t.Errorf("%s: rest %v, want %v", c.name, rest, c.rest)
		}
	}
	// The rule is a limit: a tiny share in the place of none comes close, as slowly as 1/ln.
	const tiny = 1e-300
	got := make([]float64, 2)
	decompose.Index(got, []decompose.Term{{1, tiny, []float64{tiny, 1}}, {tiny * 10, 10, []float64{1 / tiny, 1}}})
	if math.Abs(got[0]-10) > 0.05 {
		t.Errorf("near zero: %v, want about [10 1]", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("lengths that differ went through")
		}
	}()
	decompose.Index(got, []decompose.Term{{1, 2, []float64{2}}})
}

func ExampleIndex() {
	// A dear model's share of the tokens rises from a tenth to a half, at ten times the price of the other, which is cut by a fifth.
	terms := []decompose.Term{
		{Before: 0.9 * 1, Now: 0.5 * 0.8, Ratios: []float64{0.5 / 0.9, 0.8}},
		{Before: 0.1 * 10, Now: 0.5 * 10, Ratios: []float64{5, 1}},
	}
	parts := make([]float64, 2)
	rest := decompose.Index(parts, terms)
	fmt.Printf("shares x%.2f, prices x%.2f, unexplained x%.2f\n", parts[0], parts[1], rest)
	// Output: shares x2.96, prices x0.96, unexplained x1.00
}

func BenchmarkIndex(b *testing.B) {
	terms := make([]decompose.Term, 24)
	for i := range terms {
		terms[i] = decompose.Term{Before: 1, Now: float64(i + 1), Ratios: []float64{float64(i + 1), 1, 1}}
	}
	dst := make([]float64, 3)
	b.ReportAllocs()
	for b.Loop() {
		decompose.Index(dst, terms)
	}
}
