package sequential_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats/sequential"
)

func TestBet(t *testing.T) {
	b := sequential.Bet{Stake: 0.4, Guard: 3, Cap: 8}
	for _, c := range []struct {
		name    string
		y, mean float64
		want    float64
	}{
		{"at guard times the mean nothing is learned", 6, 2, 0},
		{"nothing spent", 0, 2, math.Log(0.6)},
		{"twice the guard", 12, 2, math.Log(0.6 + 0.4*2)},
		{"the cap holds", 1e9, 2, math.Log(0.6 + 0.4*8)},
		{"infinite is capped too", inf, 2, math.Log(0.6 + 0.4*8)},
		{"anything over a baseline of nothing is as large as can be", 1e-9, 0, math.Log(0.6 + 0.4*8)},
		{"nothing over nothing says nothing", 0, 0, 0},
		{"negative", -1, 2, nan},
		{"NaN", nan, 2, nan},
	} {
		if got := b.LogE(c.y, c.mean); !same(got, c.want) && math.Abs(got-c.want) > 1e-15 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := (sequential.Bet{}).LogE(100, 1); got != 0 {
		t.Errorf("a bet of nothing won %v", got)
	}
}

// For any distribution on a grid whose mean is within guard times the baseline, the expectation of e is at most 1.
func TestBetIsAnEValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := sequential.Bet{
			Stake: rapid.Float64Range(0.01, 0.99).Draw(t, "stake"),
			Guard: rapid.Float64Range(1, 4).Draw(t, "guard"),
			Cap:   rapid.Float64Range(1.1, 50).Draw(t, "cap"),
		}
		y := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 30).Draw(t, "y")
		var mean, e float64
		for _, v := range y {
			mean += v / float64(len(y))
		}
		for _, v := range y {
			e += math.Exp(b.LogE(v, mean/b.Guard)) / float64(len(y))
		}
		if e > 1+1e-12 {
			t.Fatalf("mean of e is %v", e)
		}
	})
}

// Oracle: the recursion as it is written, without logarithms.
func TestEDetectorAgainstTheRecursion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := rapid.SliceOfN(rapid.Float64Range(0, 30), 1, 60).Draw(t, "y")
		var d sequential.EDetector
		var m [4]float64
		for _, v := range y {
			got := d.Add(v, 1, 3, 8)
			var mean float64
			for i, stake := range []float64{.02, .05, .15, .4} {
				m[i] = (m[i] + 1) * (1 - stake + stake*min(v/3, 8))
				mean += m[i] / 4
			}
			if math.Abs(got-math.Log(mean)) > 1e-9 {
				t.Fatalf("ln M = %v, recursion %v", got, math.Log(mean))
			}
		}
		if e := d.LogE(len(y)); e != d.LogM()-math.Log(float64(len(y))) {
			t.Fatalf("ln e = %v", e)
		}
	})
}

// The promise: from a stream at its bound, alarms at A come at least A samples apart on average. A = 200, 400 runs of at
// most 20·A samples, exponential amounts; the mean of the runs has a standard error of about 5%.
func TestEDetectorRunLength(t *testing.T) {
	const alarm, runs = 200, 400
	rng := rand.New(rand.NewPCG(11, 12))
	var total float64
	for range runs {
		var d sequential.EDetector
		n := 0
		for n < 20*alarm {
			n++
			if d.Add(3*rng.ExpFloat64(), 1, 3, 8) >= math.Log(alarm) {
				break
			}
		}
		total += float64(n)
	}
	if mean := total / runs; mean < alarm {
		t.Errorf("mean time between false alarms %v samples, promised %d", mean, alarm)
	}
	var d sequential.EDetector
	n := 0
	for n < 1000 && d.LogM() < math.Log(1e6) {
		n++
		d.Add(20, 1, 3, 8)
	}
	if n > 20 {
		t.Errorf("a jump to 20 times took %d samples to find", n)
	}
}

func TestEDetectorEdges(t *testing.T) {
	var d sequential.EDetector
	if d.LogM() != -inf {
		t.Errorf("before the first sample ln M = %v", d.LogM())
	}
	if d.Add(nan, 1, 3, 8); d != (sequential.EDetector{}) {
		t.Error("a NaN was taken")
	}
	for range 100_000 {
		d.Add(100, 1, 3, 8)
	}
	if m := d.LogM(); math.IsInf(m, 0) || m < 100_000 {
		t.Errorf("after much evidence ln M = %v", m)
	}
	if n := testing.AllocsPerRun(100, func() { d.Add(1, 1, 3, 8) }); n != 0 {
		t.Errorf("%v allocations a sample", n)
	}
	mustPanic(t, "samples", func() { d.LogE(0) })
}

func TestLeaky(t *testing.T) {
	var l sequential.Leaky
	if w := l.Add(8, -100, 24); w != 8 {
		t.Errorf("first evidence %v", w)
	}
	if w := l.At(-76, 24); w != 4 {
		t.Errorf("a half-life later %v, want 4", w)
	}
	if w := l.Add(1, -76, 24); w != 5 {
		t.Errorf("and one more: %v, want 5", w)
	}
	if w := l.Add(1, -90, 24); w != 6 {
		t.Errorf("late evidence neither leaks nor turns the clock back: %v, want 6", w)
	}
	if l.Add(nan, 0, 24) != 6 || l.Add(1, inf, 24) != 6 {
		t.Error("evidence without a value or a time was taken")
	}
	if w := l.Add(-100, -76, 24); w != 0 {
		t.Errorf("evidence against ends at %v, not at none", w)
	}
	if w := l.Add(2, 1000, 24); w != 2 {
		t.Errorf("a fresh start: %v", w)
	}
	mustPanic(t, "half-life", func() { l.At(0, 0) })
}

// Oracle: what stands is the largest sum over all beginnings, each term leaked since it came, or nothing.
func TestLeakyIsTheBestBeginning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const halfLife = 24.0
		var l sequential.Leaky
		var at float64
		var times, nats []float64
		for range rapid.IntRange(1, 40).Draw(t, "n") {
			at += rapid.Float64Range(0, 50).Draw(t, "gap")
			x := rapid.Float64Range(-5, 5).Draw(t, "nats")
			times, nats = append(times, at), append(nats, x)
			want, sum := 0.0, 0.0
			for i, x := range slices.Backward(nats) {
				sum += x * math.Exp2(-(at-times[i])/halfLife)
				want = max(want, sum)
			}
			if got := l.Add(x, at, halfLife); math.Abs(got-want) > 1e-9 {
				t.Fatalf("%v, best beginning %v", got, want)
			}
		}
	})
}

func TestEBH(t *testing.T) {
	for _, c := range []struct {
		name  string
		e     []float64
		alpha float64
		want  []int
	}{
		{"nobody", nil, 0.1, nil},
		{"one of one at 1/alpha", []float64{10}, 0.1, []int{0}},
		{"one of four needs four times as much", []float64{39.9, 1, 1, 1}, 0.1, nil},
		{"and gets it", []float64{1, 40, 1, 1}, 0.1, []int{1}},
		{"two of four need half each", []float64{20, 1, 1, 20}, 0.1, []int{0, 3}},
		{"a lone one fails, a crowd passes", []float64{10, 10, 10, 10}, 0.1, []int{0, 1, 2, 3}},
		{"a later k may pass where an earlier fails", []float64{25, 14, 14, 1}, 0.1, []int{0, 1, 2}},
		{"ties share one fate", []float64{20, 20, 20}, 0.1, []int{0, 1, 2}},
		{"infinity always, NaN and zero never", []float64{nan, inf, 0, -1}, 0.05, []int{1}},
	} {
		if got := sequential.EBH(c.e, c.alpha); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	mustPanic(t, "alpha", func() { sequential.EBH(nil, 0) })
}

// Oracle: the definition over every threshold; more evidence never rejects less.
func TestEBHProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SliceOfN(rapid.Float64Range(0, 200), 1, 50).Draw(t, "e")
		alpha := rapid.Float64Range(0.02, 1).Draw(t, "alpha")
		var want []int
		for _, at := range e {
			var set []int
			for i, v := range e {
				if v >= at {
					set = append(set, i)
				}
			}
			if at*alpha*float64(len(set)) >= float64(len(e)) && len(set) > len(want) {
				want = set
			}
		}
		got := sequential.EBH(e, alpha)
		if !slices.Equal(got, want) {
			t.Fatalf("%v, definition %v", got, want)
		}
		e[rapid.IntRange(0, len(e)-1).Draw(t, "i")] += 50
		if more := sequential.EBH(e, alpha); len(more) < len(got) {
			t.Fatalf("more evidence, fewer rejections: %v after %v", more, got)
		}
	})
}

func ExampleEBH() {
	fmt.Println(sequential.EBH([]float64{0.4, 90, 1.3, 2, 60}, 0.05))
	// Output: [1 4]
}

func ExampleBet() {
	bet := sequential.Bet{Stake: 0.15, Guard: 3, Cap: 8}
	fmt.Printf("%.2f %.2f %.2f\n", bet.LogE(1, 1), bet.LogE(10, 1), bet.LogE(1e6, 1)) // as usual, tenfold, beyond the cap
	// Output: -0.11 0.30 0.72
}

func ExampleLeaky() {
	var l sequential.Leaky
	l.Add(8, 0, 24)
	fmt.Println(l.At(24, 24), l.Add(1, 48, 24))
	// Output: 4 3
}

func ExampleEDetector() {
	var d sequential.EDetector
	for bucket := 1; ; bucket++ {
		charged := 1.0
		if bucket > 100 {
			charged = 12 // a jump after a hundred ordinary buckets
		}
		if d.Add(charged, 1, 3, 8) > math.Log(1e4) {
			fmt.Printf("alarm %d buckets after the jump\n", bucket-100)
			return
		}
	}
	// Output: alarm 12 buckets after the jump
}

func BenchmarkEDetectorAdd(b *testing.B) {
	var d sequential.EDetector
	b.ReportAllocs()
	for b.Loop() {
		d.Add(2, 1, 3, 8)
	}
}

func BenchmarkBetAndLeaky(b *testing.B) {
	var l sequential.Leaky
	bet := sequential.Bet{Stake: 0.15, Guard: 3, Cap: 8}
	b.ReportAllocs()
	for at := 0.0; b.Loop(); at++ {
		l.Add(bet.LogE(10, 1), at, 24)
	}
}

func BenchmarkEBH(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		rng := rand.New(rand.NewPCG(1, 1))
		e := make([]float64, n)
		for i := range e {
			e[i] = 1 / rng.Float64()
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sequential.EBH(e, 0.1)
			}
		})
	}
}

func BenchmarkBinomLLR(b *testing.B) {
	for b.Loop() {
		sequential.BinomLLR(40, 1000, 0.03)
	}
}
