package cohort

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// A baseline decays by the hour, knows nothing of what was held, and rates shrink towards everybody's: the same as adding up
// all hours with their weights.
func TestLearnAndRateLikeANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, all := &Value{First: monday}, &Value{First: monday}
		type hour struct {
			cell *Cell
			held Hidden
		}
		var past []hour
		hours := rapid.IntRange(1, 30).Draw(t, "hours")
		for h := range int64(hours) {
			at := monday + h*Hour
			now := hour{cell: new(Cell), held: Hidden{Flags: Flags(rapid.Uint16Range(0, 1<<NumFlags-1).Draw(t, "flags")), Measures: rapid.Uint16Range(0, 1<<NumMoments-1).Draw(t, "measures")}}
			for range rapid.IntRange(0, 3).Draw(t, "cells") {
				c := drawCell(t)
				v.add(at+rapid.Int64Range(0, 11).Draw(t, "five")*Five, given(c), Hidden{}, 1)
				now.cell.Add(c)
			}
			past = append(past, now)
			v.Learn(at+Hour, now.held.Flags.Has, func(m Measure) bool { return now.held.Measures&(1<<m) != 0 })
		}
		weight := func(i int) float64 { return math.Exp2(-float64(hours-1-i) / BaseHalfLifeHours) }
		near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }
		for f := range NumFlags {
			var off, n float64
			for i, h := range past {
				if !h.held.Flags.Has(f) {
					off += weight(i) * float64(h.cell.Flagged(f).Rows)
					n += weight(i) * float64(h.cell.Opportunities(f))
				}
			}
			if got := v.Learned(f); !near(got, n) {
				t.Fatalf("%v: learned %v rows, want %v", f, got, n)
			}
			if got, want := v.Rate(f, nil), (off+PriorRate*400)/(n+400); !near(got, want) {
				t.Fatalf("%v: rate %v, want %v", f, got, want)
			}
			if got, want := v.Rate(f, all), (off+PriorRate*200)/(n+200); !near(got, want) {
				t.Fatalf("%v: rate by everybody's %v, want %v", f, got, want)
			}
		}
		for m := range NumMoments {
			var want Moment
			for i, h := range past {
				if h.held.Measures&(1<<m) == 0 && h.cell.Moments != nil {
					want.add(&h.cell.Moments[m], weight(i))
				}
			}
			got := v.Base(m)
			got.Users, want.Users = 0, 0 // of the hour: no part of a baseline
			if !sameMoment(got, want) {
				t.Fatalf("%v: base %+v, want %+v", m, got, want)
			}
		}
	})
}

// Nothing seen is the prior; much seen is what was seen.
func TestRateBetweenPriorAndData(t *testing.T) {
	v := &Value{First: monday}
	if got := v.Rate(Over, nil); got != PriorRate {
		t.Errorf("rate of nothing: %v, want %v", got, PriorRate)
	}
	c := &Cell{PricedRows: 1_000_000}
	c.OffOf(Over).Rows = 50_000
	v.add(monday, given(c), Hidden{}, 1)
	if got := v.Rate(Over, nil); got != PriorRate {
		t.Errorf("an hour that is not over was learned: %v", got)
	}
	never := func(Flag) bool { return false }
	v.Learn(monday+Hour, never, func(Measure) bool { return false })
	if got := v.Rate(Over, nil); math.Abs(got-0.05) > 1e-4 {
		t.Errorf("rate %v, want about 0.05", got)
	}
	v.Learn(monday+Hour, never, func(Measure) bool { return false })
	if got := v.Learned(Over); got != 1_000_000 {
		t.Errorf("an hour was learned twice: %v rows", got)
	}
	v.Learn(monday+(1+BaseHalfLifeHours)*Hour, never, func(Measure) bool { return false })
	if got := v.Learned(Over); math.Abs(got-500_000) > 1 {
		t.Errorf("after a half-life %v rows, want 500000", got)
	}
}

// Windows reach back from now to the five minutes that hold their start, with rows in any order, and forget the old ones.
func TestValueWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, model, head := &Value{First: monday}, naive{}, monday
		leaf := &Leaf{}
		for range rapid.IntRange(1, 300).Draw(t, "adds") {
			head += rapid.SampledFrom([]int64{0, 0, Five, Five, Hour}).Draw(t, "step")
			at := max(head-rapid.SampledFrom([]int64{0, 0, 0, Five, Hour}).Draw(t, "late"), monday)
			c := &Cell{PricedRows: rapid.Int64Range(1, 9).Draw(t, "rows"), Moments: new([NumMoments]Moment)}
			c.OffOf(Over).Rows, c.OffOf(Over).Users = 1, 2
			c.Moments[Turns].Observe(0.5, true, false)
			v.add(at, given(c), Hidden{}, 1)
			model.add(leaf, at, c)
		}
		for range 10 {
			from := head - rapid.Int64Range(0, KeepFives-2*Hour).Draw(t, "from")
			want := model.sum(func(*Leaf) bool { return true }, from, math.MaxInt64, Five)
			got := v.Since(Over, from)
			if off := want.Flagged(Over); got.Rows != float64(off.Rows) || got.Users != float64(off.Users) || got.Opportunities != float64(want.PricedRows) {
				t.Fatalf("%+v, want %+v of %d", got, off, want.PricedRows)
			}
			if m := want.Moments; m != nil && !sameMoment(v.MomentSince(Turns, from), m[Turns]) {
				t.Fatalf("%+v, want %+v", v.MomentSince(Turns, from), m[Turns])
			}
		}
		if n := len(v.fives); n > 2*int(KeepFives/Five)+1 {
			t.Fatalf("%d windows are kept", n)
		}
	})
}

// A release is judged by all it has done in its first three days, and by nothing after.
func TestEarlyEndsAfterThreeDays(t *testing.T) {
	v := &Value{First: monday}
	c := &Cell{Moments: new([NumMoments]Moment)}
	c.Moments[Background].Observe(1, true, true)
	for at := monday; at < monday+EarlyFor+12*Hour; at += Hour {
		v.add(at, given(c), Hidden{}, 1)
	}
	if got := v.Early(Background).N; got != 72 {
		t.Errorf("%v values, want one an hour of three days", got)
	}
}

func given(c *Cell) *share {
	x := shareOf(c)
	return &x
}
