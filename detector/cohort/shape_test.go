package cohort

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// anyShape draws rows that a fault charges.
func anyShape(t *rapid.T, f Fault) *Shape {
	s := &Shape{}
	for range rapid.IntRange(3, 30).Draw(t, "rows") {
		x, d := rapid.Float64Range(0.05, 0.95).Draw(t, "input"), rapid.Float64Range(0, 5).Draw(t, "discount")
		s.Observe(x, d, f.Charge(x, d))
	}
	return s
}

func anyFault(t *rapid.T, name string) Fault {
	f := None
	switch k := rapid.SampledFrom([]Kind{Undiscounted, Repriced, Recounted}).Draw(t, name); k {
	case Undiscounted:
		f.Full = true
	case Repriced:
		f.Flat = rapid.Float64Range(1.05, 50).Draw(t, name+" flat")
	default:
		f.Input = rapid.Float64Range(1.05, 50).Draw(t, name+" input")
	}
	return f
}

// What rows were charged fits the fault that charged them, alone and with another; and of two, where one is known, the other is found.
func TestShapeFindsWhatChargedItsRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g := anyFault(t, "one"), anyFault(t, "other")
		s := anyShape(t, f.And(g))
		if !s.Fits(f.And(g)) {
			t.Fatalf("%v and %v: off by %v", f, g, s.Off(f.And(g)))
		}
		got, ok := s.Solve(g.Kind(), f)
		if f.Full && g.Full {
			if ok {
				t.Fatalf("a discount lost twice is %v", got)
			}
			return
		}
		if near := math.Abs(got.Flat*got.Input-g.Flat*g.Input) <= 1e-6*g.Flat*g.Input; !ok || !near || got.Full != g.Full {
			t.Fatalf("on top of %v: %v, not %v", f, got, g)
		}
	})
}

// Sums of cells tell what one cell of all rows would.
func TestShapesAddUp(t *testing.T) {
	var one, sum Shape
	f := Fault{Flat: 3, Input: 2, Full: true}
	for i := range 20 {
		x, d := float64(i)/20, float64(i%7)
		one.Observe(x, d, f.Charge(x, d))
		var s Shape
		s.Observe(x, d, f.Charge(x, d))
		sum.Add(&s)
	}
	if one != sum || !sum.Fits(f) || sum.Fits(Fault{Flat: 3, Input: 2}) || sum.Fits(Fault{Flat: 3.2, Input: 2, Full: true}) {
		t.Errorf("%+v and %+v", one, sum)
	}
}

// A flat multiple spreads over inputs only, tokens counted wrong spread over whole rows only.
func TestShapeTellsAFlatMultipleFromTokens(t *testing.T) {
	var flat, tokens Shape
	for i := range 100 {
		x := 0.2 + 0.6*float64(i*i%97)/97
		flat.Observe(x, 0, 3)
		tokens.Observe(x, 0, 3*x+1-x)
	}
	if f, i := flat.Spreads(); !(f < 1e-6 && i > 0.05) {
		t.Errorf("a flat multiple spreads by %v over rows, %v over inputs", f, i)
	}
	if f, i := tokens.Spreads(); !(f > 0.05 && i < 1e-6) {
		t.Errorf("tokens counted wrong spread by %v over rows, %v over inputs", f, i)
	}
	var none *Shape
	if f, i := none.Spreads(); f != 0 || i != 0 {
		t.Error("nothing has a spread")
	}
}
