package sequential_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/sequential"
)

// What is rejected one by one stands at the end, too; without a budget it is among what EBH rejects of the whole family; with
// alpha 0 it is what passes a fixed bar.
func TestEBudgetProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SliceOfN(rapid.Float64Range(0, 1e4), 1, 40).Draw(t, "e")
		n := float64(len(e))
		budget := rapid.SampledFrom([]float64{0, 0.3, 2}).Draw(t, "budget")
		alpha := rapid.SampledFrom([]float64{0.05, 0.3, 1}).Draw(t, "alpha")
		var b, fixed sequential.EBudget
		var took []float64
		for _, v := range e {
			if b.Test(math.Log(v), n, budget, alpha) {
				took = append(took, v)
			}
			if budget > 0 && fixed.Test(math.Log(v), n, budget, 0) != (math.Log(v) >= math.Log(n)-math.Log(budget)) {
				t.Fatalf("alpha 0: %v is judged by more than the bar", v)
			}
		}
		for _, v := range took {
			if v < n/(budget+alpha*float64(len(took)))*(1-1e-9) {
				t.Fatalf("%v was rejected, and does not hold among %d", v, len(took))
			}
		}
		for i := range e {
			e[i] *= 1 + 1e-9 // the two round differently at the bar
		}
		if most := len(sequential.EBH(e, alpha)); budget == 0 && len(took) > most {
			t.Fatalf("%d rejected of %d that EBH rejects", len(took), most)
		}
	})
}

// The promise, against all true hypotheses whose e-values jump together, are large one at a time, or are independent: each is
// all or nothing, just what a rejection needs.
func TestEBudgetAgainstDependence(t *testing.T) {
	const n, runs = 50, 20_000
	for _, c := range []struct{ budget, alpha float64 }{{2, 0}, {0, 0.1}, {0.5, 0.1}} {
		need := n / (c.budget + c.alpha)
		for name, large := range map[string]func(rng *rand.Rand) func(i int) bool{
			"together": func(rng *rand.Rand) func(int) bool {
				all := rng.Float64() < 1/need
				return func(int) bool { return all }
			},
			"one at a time": func(rng *rand.Rand) func(int) bool {
				u := rng.Float64()
				return func(i int) bool { return float64(i)/need <= u && u < float64(i+1)/need }
			},
			"independent": func(rng *rand.Rand) func(int) bool { return func(int) bool { return rng.Float64() < 1/need } },
		} {
			rng := rand.New(rand.NewPCG(101, 7))
			sum := 0.0
			for range runs {
				is, b := large(rng), sequential.EBudget{}
				for i := range n {
					logE := math.Inf(-1)
					if is(i) {
						logE = math.Log(need) + 1e-9
					}
					b.Test(logE, n, c.budget, c.alpha)
				}
				sum += float64(b.Rejected) / (c.budget + c.alpha*float64(b.Rejected))
			}
			if mean := sum / runs; mean > 1.05 {
				t.Errorf("budget %v, alpha %v, %s: mean of V/(b + alpha R) is %v, promised 1", c.budget, c.alpha, name, mean)
			}
		}
	}
}

func TestEBudgetMisuse(t *testing.T) {
	for _, c := range [][3]float64{{-1, 1, 0}, {1, -1, 0.1}, {1, 1, 1.1}, {1, 0, 0}, {math.NaN(), 1, 0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v was taken", c)
				}
			}()
			sequential.EBudget{}.Threshold(c[0], c[1], c[2])
		}()
	}
}

func ExampleEBudget() {
	var b sequential.EBudget
	for i, e := range []float64{0.4, 950, 1.3, 5000} {
		if b.Test(math.Log(e), 1000, 1, 0.1) { // of a thousand, one false one is paid for
			fmt.Println("rejected: hypothesis", i)
		}
	}
	fmt.Printf("the next needs e = %.0f\n", math.Exp(b.Threshold(1000, 1, 0.1)))
	// Output:
	// rejected: hypothesis 1
	// rejected: hypothesis 3
	// the next needs e = 769
}

func BenchmarkEBudget(b *testing.B) {
	var l sequential.EBudget
	b.ReportAllocs()
	for b.Loop() {
		l.Test(1, 1e6, 1, 0.1)
	}
}
