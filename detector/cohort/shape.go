package cohort

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Fault is how a charge comes about where something multiplies what rows cost: all of it, the input alone (tokens counted wrong), or
// cached input, which is charged in full. Faults that a row bears at once make one Fault: see And.
type Fault struct {
	Flat  float64 // times everything
	Input float64 // times the input
	Full  bool    // without the discount for cached input
}

// None is the fault of a row that is charged right.
var None = Fault{Flat: 1, Input: 1}

// And returns what both come to on the same row.
func (f Fault) And(g Fault) Fault {
	return Fault{f.Flat * g.Flat, f.Input * g.Input, f.Full || g.Full}
}

// Like says whether both are the same, as far as charges tell.
func (f Fault) Like(g Fault) bool {
	near := func(x, y float64) bool { return math.Abs(x-y) <= 4*FaultTolerance*max(x, y) }
	return near(f.Flat, g.Flat) && near(f.Input, g.Input) && f.Full == g.Full
}

// Kind says which multiples differ from 1.
func (f Fault) Kind() Kind {
	switch {
	case f.Full:
		return Undiscounted
	case f.Input != 1:
		return Recounted
	}
	return Repriced
}

// Kind is one way in which a charge can come to be too high.
type Kind uint8

// The kinds, the simplest explanation first.
const (
	Undiscounted Kind = iota // Fault.Full
	Repriced                 // Fault.Flat
	Recounted                // Fault.Input
	NumKinds
)

// FaultTolerance is the relative difference between charges that are alike: what rounding makes of those that count here. A wider one
// takes every tenth row that one fault charges for another's.
const FaultTolerance = 0.005

// line returns y = b + s·x + c·d of a fault: see Shape.
func (f Fault) line() (b, s, c float64) {
	a := f.Flat * f.Input
	if f.Full {
		c = a
	}
	return f.Flat, a - f.Flat, c
}

// Charge returns the charge over the list price of a row with a share x of its list price in the input, whose discount is d of it.
func (f Fault) Charge(x, d float64) float64 {
	b, s, c := f.line()
	return b + float64(s*x) + float64(c*d)
}

// Shape tells what multiplied the charges of rows that are Over. With list price L, of which I is the input's, and discount D for
// cached input, every Fault makes a charge
//
//	C = flat·(L − I) + flat·input·(I + [full]·D)
//
// so that y = C/L lies on a plane over x = I/L and d = D/L. The sums of their products tell of any fault how far the rows are from
// its plane; and sums of several cells add up.
type Shape struct {
	N, X, D, Y, XX, XD, DD, XY, DY, YY float64
}

// Observe adds a row.
func (s *Shape) Observe(x, d, y float64) {
	s.N++
	s.X += x
	s.D += d
	s.Y += y
	s.XX += float64(x * x)
	s.XD += float64(x * d)
	s.DD += float64(d * d)
	s.XY += float64(x * y)
	s.DY += float64(d * y)
	s.YY += float64(y * y)
}

func (s *Shape) fields() [10]*float64 {
	return [...]*float64{&s.N, &s.X, &s.D, &s.Y, &s.XX, &s.XD, &s.DD, &s.XY, &s.DY, &s.YY}
}

// Add adds the rows of t.
func (s *Shape) Add(t *Shape) {
	to, from := s.fields(), t.fields()
	for i := range to {
		*to[i] += *from[i]
	}
}

// Off returns how far the rows are from a fault: the root of the mean squared difference between their charges and its, over their
// mean charge; 0 without rows.
func (s *Shape) Off(f Fault) float64 {
	if s == nil || s.N == 0 {
		return 0
	}
	b, g, c := f.line()
	with := func(n, x, d float64) float64 { return float64(b*n) + float64(g*x) + float64(c*d) }
	// Σ(y − p)² = Σy² − 2Σyp + Σp², with p = b + g·x + c·d.
	yp, pp := with(s.Y, s.XY, s.DY), float64(b*with(s.N, s.X, s.D))+float64(g*with(s.X, s.XX, s.XD))+float64(c*with(s.D, s.XD, s.DD))
	return math.Sqrt(max(s.YY-2*yp+pp, 0)/s.N) / (s.Y / s.N)
}

// Fits says whether the rows were charged as a fault charges.
func (s *Shape) Fits(f Fault) bool { return s.Off(f) <= FaultTolerance }

// Solve returns the fault of a kind that, on top of one that is known, comes nearest to the rows; false where none does, or they would
// be charged no more than without it.
func (s *Shape) Solve(k Kind, known Fault) (Fault, bool) {
	b, g, c := known.line()
	sums := func(b, g, c float64) (yz, zz float64) { // of z = b + g·x + c·d
		yz = float64(b*s.Y) + float64(g*s.XY) + float64(c*s.DY)
		zz = float64(b*(float64(b*s.N)+float64(g*s.X)+float64(c*s.D))) + float64(g*(float64(b*s.X)+float64(g*s.XX)+float64(c*s.XD))) + float64(c*(float64(b*s.D)+float64(g*s.XD)+float64(c*s.DD)))
		return yz, zz
	}
	f := None
	switch k {
	case Undiscounted:
		f.Full = true
		return f, !known.Full
	case Repriced:
		yz, zz := sums(b, g, c)
		f.Flat = yz / zz
	case Recounted: // y − flat·(1 − x) = input·z, with z = the input's part of the known charge
		yz, zz := sums(0, g+b, c)
		rest := float64(b * (float64((g+b)*(s.X-s.XX)) + float64(c*(s.D-s.XD))))
		f.Input = (yz - rest) / zz
	case NumKinds:
	}
	x := f.Flat * f.Input
	return f, x > 1+FaultTolerance && !math.IsInf(x, 0)
}

// Spreads returns how far the rows are from one multiple of everything, and from one of their input; 0 below two rows.
func (s *Shape) Spreads() (flat, input float64) {
	if s == nil || s.N < 2 {
		return 0, 0
	}
	off := func(k Kind) float64 {
		f, _ := s.Solve(k, None)
		return s.Off(f)
	}
	return off(Repriced), off(Recounted)
}

// shapeLeast is the charge below which rounding blurs the shape of an overcharge.
const shapeLeast = event.Credit / 1000

// Point returns where a row lies in a Shape; false where it costs nothing.
func (r *Row) Point() (x, d, y float64, ok bool) {
	e, q := r.Event, &r.Quote
	if q.Expected <= 0 || e.Credits <= 0 {
		return 0, 0, 0, false
	}
	list := float64(q.Expected)
	return float64(q.Expected-q.Output) / list, float64(q.Full-q.Expected) / list, float64(e.Credits) / list, true
}

func (c *Cell) shape(r *Row) {
	x, d, y, ok := r.Point()
	if !ok || r.Quote.Expected < shapeLeast {
		return
	}
	if c.Shape == nil {
		c.Shape = new(Shape)
	}
	c.Shape.Observe(x, d, y)
}

// Right returns the cell as if none of its rows were Over.
func (c *Cell) Right() *Cell {
	d := *c
	off := *c.Off
	off[Over], off[CacheLost] = Off{}, Off{}
	d.Off, d.Shape = &off, nil
	return &d
}
