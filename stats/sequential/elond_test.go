package sequential_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/sequential"
)

// gamma is the weight of the t-th test, read off the threshold.
func gamma(t int) float64 { return math.Exp(-sequential.ELOND{Tests: t - 1}.Threshold(1)) }

// The proof needs Σγ ≤ 1, the power that it is not much less. What is left after T lies between 1/ln and 1/ln of its neighbours.
func TestELONDWeightsAddUpToOne(t *testing.T) {
	const most = 1_000_000
	var sum float64
	for i := 1; i <= most; i++ {
		sum += gamma(i)
	}
	const norm = 2.10974280123689
	low, high := sum+1/(norm*math.Log(most+2)), sum+1/(norm*math.Log(most+1))
	if low > 1+1e-9 || high < 1-1e-9 {
		t.Errorf("weights add up to between %v and %v, not 1", low, high)
	}
}

// Oracle: the rule as it is written, without logarithms.
func TestELONDAgainstTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SliceOfN(rapid.Float64Range(0, 1e5), 1, 60).Draw(t, "e")
		alpha := rapid.Float64Range(0.02, 1).Draw(t, "alpha")
		var l sequential.ELOND
		rejected := 0
		for i, v := range e {
			n := float64(i + 2)
			need := 2.1097428012368919745 * n * math.Log(n) * math.Log(n) / (alpha * float64(rejected+1))
			if math.Abs(v-need) < 1e-9*need {
				return // too close to call in floats
			}
			got := l.Test(math.Log(v), alpha)
			if got != (v >= need) {
				t.Fatalf("test %d: e = %v, needed %v, rejected %v", i+1, v, need, got)
			}
			if got {
				rejected++
			}
		}
		if l != (sequential.ELOND{Tests: len(e), Rejected: rejected}) {
			t.Fatalf("state %+v after %d tests with %d rejected", l, len(e), rejected)
		}
	})
}

// More evidence for one hypothesis never rejects fewer, and a state that was saved goes on as the one that was not.
func TestELONDProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logE := rapid.SliceOfN(rapid.Float64Range(-5, 15), 2, 60).Draw(t, "logE")
		more := rapid.IntRange(0, len(logE)-1).Draw(t, "more")
		cut := rapid.IntRange(0, len(logE)).Draw(t, "cut")
		var plain, stronger, saved sequential.ELOND
		for i, v := range logE {
			if i == cut {
				text, err := json.Marshal(plain)
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(text, &saved); err != nil {
					t.Fatal(err)
				}
			}
			reject := plain.Test(v, 0.1)
			if i == more {
				v += 3
			}
			if better := stronger.Test(v, 0.1); reject && !better {
				t.Fatalf("test %d is lost when test %d has more evidence", i, more)
			}
			if i >= cut && saved.Test(logE[i], 0.1) != reject {
				t.Fatalf("test %d goes another way after a restart", i)
			}
		}
	})
}

// The promise, against the dependence that is worst for it: all hypotheses are true, each e-value is just what its test needs,
// as rarely as an e-value may be, and no two are large in the same run, so that every chance of a false discovery counts.
// The rate is alpha times the weights used up, 0.17 after 40 tests.
func TestELONDAgainstTheWorstDependence(t *testing.T) {
	const alpha, runs, hypotheses = 0.2, 20_000, 40
	rng := rand.New(rand.NewPCG(101, 3))
	var wrong float64
	for range runs {
		u, from := rng.Float64(), 0.0
		var l sequential.ELOND
		for range hypotheses {
			need := l.Threshold(alpha)
			to := from + math.Exp(-need)
			logE := -inf
			if from <= u && u < to {
				logE = need
			}
			l.Test(logE, alpha)
			from = to
		}
		if l.Rejected > 0 {
			wrong++
		}
	}
	if rate := wrong / runs; rate > alpha || rate < 0.16 {
		t.Errorf("false discovery rate %v, promised %v and at the bound's 0.17", rate, alpha)
	}
}

// The promise as it is used: true and false hypotheses whose e-values all jump together, exp(3Z − 4.5) with one Z a run, a fifth
// of them false with e⁸ times it.
func TestELONDUnderOneShock(t *testing.T) {
	const alpha, runs, hypotheses = 0.2, 5000, 40
	rng := rand.New(rand.NewPCG(101, 4))
	var fdp, found float64
	for range runs {
		shock := 3*rng.NormFloat64() - 4.5
		var l sequential.ELOND
		wrong := 0
		for i := range hypotheses {
			if i%5 == 0 {
				l.Test(shock+8, alpha)
			} else if l.Test(shock, alpha) {
				wrong++
			}
		}
		fdp += float64(wrong) / float64(max(l.Rejected, 1)) / runs
		found += float64(l.Rejected-wrong) / runs
	}
	if fdp > alpha || found < 2 {
		t.Errorf("false discovery rate %v, promised %v; %v of 8 found a run", fdp, alpha, found)
	}
}

func TestELONDEdges(t *testing.T) {
	var l sequential.ELOND
	if l.Test(nan, 0.1) || l.Tests != 1 {
		t.Errorf("a NaN was rejected or not counted: %+v", l)
	}
	if !l.Test(inf, 0.1) || l.Test(-inf, 1) {
		t.Error("+Inf was not rejected, or no evidence was")
	}
	if l != (sequential.ELOND{Tests: 3, Rejected: 1}) {
		t.Errorf("state %+v", l)
	}
	first, later := (sequential.ELOND{}).Threshold(0.1), (sequential.ELOND{Tests: 1_000_000}).Threshold(0.1)
	if first >= later || later > 23 {
		t.Errorf("the first needs %v nats, the millionth %v", first, later)
	}
	for _, alpha := range []float64{0, 1.5, nan} {
		mustPanic(t, "alpha", func() { l.Test(1, alpha) })
	}
	if l.Tests != 3 {
		t.Error("a refused test was counted")
	}
}

func ExampleELOND() {
	var l sequential.ELOND
	for i, e := range []float64{0.4, 90, 1.3, 500, 2} {
		if l.Test(math.Log(e), 0.1) {
			fmt.Println("rejected: hypothesis", i)
		}
	}
	fmt.Printf("the next needs e = %.0f\n", math.Exp(l.Threshold(0.1)))
	// Output:
	// rejected: hypothesis 1
	// rejected: hypothesis 3
	// the next needs e = 186
}

func BenchmarkELOND(b *testing.B) {
	var l sequential.ELOND
	b.ReportAllocs()
	for b.Loop() {
		l.Test(1, 0.1)
	}
}
