package window

import (
	"math"
	"time"
)

// settle judges the reading that waits once no row that precedes it can come any more.
func (t *Tracker) settle(u *user, at uint32) Reading {
	if u.readAt == 0 || at <= u.readAt+t.wait {
		return Reading{}
	}
	readAt := u.readAt
	u.readAt = 0
	shown := float64(u.gauge - u.anchor)
	exact := resolution(u.gauge)
	if u.anchor != 0 {
		exact += resolution(u.anchor)
	}
	t.teach(u, shown, float64(exact))
	budget := t.plans.budget(u.plan)
	if budget == 0 {
		return Reading{}
	}
	r := compare(shown, float64(u.readLo)/budget, float64(u.readHi)/budget, float64(exact), u.gauge >= full, u.bits&partial != 0)
	if !r.Judged {
		return r
	}
	if u.bits &^= wrong; r.Kind != None {
		u.bits |= wrong
	}
	r.At = int64(readAt) * int64(time.Second)
	if r.Kind == Fast && u.bits&partial == 0 {
		// What it shows beyond the charges is what it showed before the window began.
		before := float64(u.before) / math.MaxUint16
		if over := shown - float64(u.readHi)/budget; before > 10*least && math.Abs(over-before) <= relative*before+float64(exact) {
			r.Kind = Kept
		}
	}
	return r
}

// compare holds how far a gauge moved (shown) against what the charges come to, between lo and hi of a window. exact is the
// error that rounding brings. A gauge at its end (capped) can only show too much, and so can one whose window was not seen
// from its beginning, where charges under way may stand in its first reading already. Neither says anything where both lie
// within four times the rounding.
func compare(shown, lo, hi, exact float64, capped, part bool) Reading {
	r := Reading{Shown: millionths(shown), Due: millionths(hi)}
	if max(shown, hi) < max(least, 4*exact) {
		return Reading{}
	}
	r.Judged = true
	switch {
	case shown > hi*(1+relative)+exact+least/2:
		r.Kind = Fast
	case !capped && !part && shown < lo*(1-relative)-exact-least/2:
		r.Kind = Slow
	}
	return r
}

func millionths(x float64) int64 { return int64(math.Round(min(max(x, -1e6), 1e6) * 1e6)) }

// resolution returns how exactly a gauge is told: a gauge that is a round number of percent, or of a tenth or hundredth of one,
// is taken for rounded to it, any other for exact.
func resolution(g float32) float32 {
	for _, step := range [...]float32{1e-2, 1e-3, 1e-4} {
		if n := float64(g / step); math.Abs(n-math.Round(n)) < 1e-3 {
			return step
		}
	}
	return 1e-6
}
