package window

import "testing"

// Each row says why its answer is right. Budget and window are one: shown, lo and hi are shares of a window.
func TestCompare(t *testing.T) {
	const exact = 1e-6
	for _, c := range []struct {
		name                 string
		shown, lo, hi, exact float64
		capped, part         bool
		judged               bool
		want                 Kind
	}{
		{"agrees", 0.10, 0.10, 0.10, exact, false, false, true, None},
		{"eight times", 0.80, 0.10, 0.10, exact, false, false, true, Fast},
		{"half as much again", 0.15, 0.10, 0.10, exact, false, false, true, Fast},
		{"a fifth more: within what a gauge may differ", 0.12, 0.10, 0.10, exact, false, false, true, None},
		{"jumps without any charge", 0.30, 0, 0, exact, false, false, true, Fast},
		{"does not move", 0, 0.10, 0.10, exact, false, false, true, Slow},
		{"a tenth", 0.01, 0.10, 0.10, exact, false, false, true, Slow},
		{"does not move, but nothing is sure to count", 0, 0, 0.10, exact, false, false, true, None},
		{"between what counts surely and what may", 0.05, 0.02, 0.10, exact, false, false, true, None},
		{"less, of a window seen from its middle", 0, 0.10, 0.10, exact, false, true, true, None},
		{"more, of a window seen from its middle", 0.80, 0.10, 0.10, exact, false, true, true, Fast},
		{"full, and charged beyond it", 1, 1.7, 1.7, exact, true, false, true, None},
		{"full, at a tenth of it", 1, 0.10, 0.10, exact, true, false, true, Fast},
		{"two steps of rounding say nothing", 0.02, 0.001, 0.001, 0.01, false, false, false, None},
		{"rounded, and off by less than a step", 0.05, 0.041, 0.041, 0.01, false, false, true, None},
		{"rounded, and eight times", 0.32, 0.04, 0.04, 0.01, false, false, true, Fast},
		{"too little to say", 0.0003, 0.0001, 0.0001, exact, false, false, false, None},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compare(c.shown, c.lo, c.hi, c.exact, c.capped, c.part)
			if r.Judged != c.judged || r.Kind != c.want {
				t.Errorf("judged %v as %v, want %v as %v", r.Judged, r.Kind, c.judged, c.want)
			}
		})
	}
}

func TestResolution(t *testing.T) {
	for g, want := range map[float32]float32{0: 1e-2, 0.37: 1e-2, 1: 1e-2, 0.375: 1e-3, 0.3751: 1e-4, 0.000102: 1e-6, 0.37512345: 1e-6} {
		if got := resolution(g); got != want {
			t.Errorf("%v is told to %v, want %v", g, got, want)
		}
	}
}
