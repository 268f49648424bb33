package profile

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A steady pace counts in full however the single buckets differ, sittings of different levels do not, and what lies under the
// bar says nothing of the pace.
func TestSteadiness(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	run := func(level func(i int) float64) float64 {
		var b bout
		for i := range 100 {
			b.observe(1, level(i), 1)
		}
		return b.steadiness()
	}
	for _, c := range []struct {
		name        string
		level       func(i int) float64
		least, most float64
	}{
		{"nothing is large: unknown", func(int) float64 { return 0.5 }, 0.7, 0.7},
		{"one level", func(int) float64 { return 20 }, 1, 1},
		{"a program's buckets", func(int) float64 { return 20 * math.Exp(0.5*rng.NormFloat64()) }, 1, 1},
		{"a program's beside its owner's small ones", func(i int) float64 { return []float64{20, 0.5}[i%2] }, 1, 1},
		{"sittings of eight buckets, each at its own level", func(i int) float64 { return []float64{4, 60, 9, 200, 3}[i/8%5] }, 0.2, 0.6},
	} {
		if got := run(c.level); got < c.least || got > c.most {
			t.Errorf("%s: %.2f, want %.2f to %.2f", c.name, got, c.least, c.most)
		}
	}
}

// A bout ends with an hour's pause, its pace with six; its length does not overflow.
func TestABoutEnds(t *testing.T) {
	var b bout
	for range 1000 {
		b.observe(1, 20, 1)
	}
	if b.length != math.MaxUint8 || b.large != paceMost || b.pace != 20 {
		t.Errorf("after a week: %+v", b)
	}
	b.observe(boutPause, 20, 1)
	if b.length != math.MaxUint8 {
		t.Errorf("a pause of less than an hour ended the bout: %+v", b)
	}
	b.observe(boutPause+1, 20, 1)
	if b.length != 1 || b.large != paceMost {
		t.Errorf("after a pause of an hour: %+v", b)
	}
	b.observe(paceForget+1, 50, 1)
	if b.length != 1 || b.large != 1 || b.pace != 50 || b.variance != 0 {
		t.Errorf("after a pause of six hours: %+v", b)
	}
}
