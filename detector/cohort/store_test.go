package cohort

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/event"
)

// naive remembers every cell that was added and adds up from the start each time.
type naive struct {
	added []struct {
		leaf *Leaf
		at   int64
		cell *Cell
	}
}

func (n *naive) add(leaf *Leaf, at int64, c *Cell) {
	n.added = append(n.added, struct {
		leaf *Leaf
		at   int64
		cell *Cell
	}{leaf, at, c})
}

// sum adds up what falls into buckets of size that touch [from, to).
func (n *naive) sum(match func(*Leaf) bool, from, to, size int64) *Cell {
	sum := new(Cell)
	for _, a := range n.added {
		if b := a.at - a.at%size; match(a.leaf) && b > from-size && b < to {
			sum.Add(a.cell)
		}
	}
	return sum
}

const monday = int64(1_780_272_000e9) // 2026-06-01

func testLeaves() []*Leaf {
	l := NewLeaves()
	var out []*Leaf
	for _, v := range [][2]string{{"pro", "eu"}, {"pro", "us"}, {"free", "eu"}, {"free", Other}, {"", "us"}} {
		out = append(out, l.Of(&[event.NumDims]string{event.Plan: v[0], event.Region: v[1]}))
	}
	return out
}

// Sums over any stretch equal the naive model's at each resolution, whatever the order of arrival: rows of the last minutes,
// late ones, and a head that moves on and forgets what is too old.
func TestStoreSumsLikeANaiveModel(t *testing.T) {
	leaves := testLeaves()
	wheres := []Where{nil, NewWhere(Cond{event.Plan, "pro"}), NewWhere(Cond{event.Region, "us"}), NewWhere(Cond{event.Plan, "free"}, Cond{event.Region, "eu"}), NewWhere(Cond{event.Plan, "none"})}
	rapid.Check(t, func(t *rapid.T) {
		s, model, head := NewStore(), naive{}, monday
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			head += rapid.SampledFrom([]int64{0, Tick, Tick, Five, Hour, 7 * Hour}).Draw(t, "step")
			s.Head(head)
			for range rapid.IntRange(0, 3).Draw(t, "cells") {
				leaf, c := rapid.SampledFrom(leaves).Draw(t, "leaf"), drawCell(t)
				late := rapid.SampledFrom([]int64{0, 0, Tick, 12 * Tick, Five, Hour, 5 * Hour}).Draw(t, "late")
				at := max(head-late, monday)
				s.Add(s.Series(leaf, at), at, c)
				model.add(leaf, at, c)
			}
			if rapid.IntRange(0, 9).Draw(t, "advance") == 0 {
				s.Advance()
			}
		}
		for range 10 {
			where := rapid.SampledFrom(wheres).Draw(t, "where")
			// Within each resolution's reach, to the tick.
			reach := rapid.SampledFrom([][3]int64{{0, KeepTicks - Five, Tick}, {KeepTicks - Five + Tick, KeepFives - Five, Five}, {KeepFives - Five + Tick, KeepHours - 2*Hour, Hour}}).Draw(t, "reach")
			from := head - rapid.Int64Range(reach[0]/Tick, reach[1]/Tick).Draw(t, "from")*Tick
			to := from + rapid.Int64Range(0, 10*Hour/Tick).Draw(t, "to")*Tick
			got := s.Sum(where, from, to)
			want := model.sum(func(l *Leaf) bool { return where.Matches(&l.Values) }, from, to, reach[2])
			sameCell(t, fmt.Sprintf("%v over [head-%ds, +%ds)", where, (head-from)/1e9, (to-from)/1e9), &got, want)

			each := new(Cell)
			s.Each(from, to, func(l *Leaf, c *Cell) {
				if where.Matches(&l.Values) {
					each.Add(c)
				}
			})
			sameCell(t, "leaf by leaf", each, want)
		}
		hours, fives := new(Cell), new(Cell)
		s.Hourly(nil, head-KeepHours, head+Hour, func(_ int64, _ *Leaf, c *Cell) { hours.Add(c) })
		sameCell(t, "all hours", hours, model.sum(func(*Leaf) bool { return true }, head-KeepHours, head+Hour, Hour))
		s.Fives(nil, head-KeepFives+Five, head+Hour, func(_ int64, _ *Leaf, c *Cell) { fives.Add(c) })
		sameCell(t, "all fives", fives, model.sum(func(*Leaf) bool { return true }, head-KeepFives+2*Five-1, head+Hour, Five))
	})
}

// Cells of one combination from two shards, each with a leaf of its own, are one series; First is its earliest tick.
func TestStoreJoinsTheLeavesOfShards(t *testing.T) {
	s, a, b := NewStore(), testLeaves()[0], testLeaves()[0]
	if a == b {
		t.Fatal("want leaves of two shards")
	}
	s.Head(monday + Hour)
	s.Add(s.Series(a, monday+Tick), monday+Tick, &Cell{Rows: 3})
	s.Add(s.Series(b, monday), monday, &Cell{Rows: 4})
	if s.Series(a, 0) != s.Series(b, 0) {
		t.Error("two series of one combination")
	}
	if got := s.Sum(nil, monday, monday+Hour).Rows; got != 7 {
		t.Errorf("%d rows, want 7", got)
	}
	if got := s.First(NewWhere(Cond{event.Plan, "pro"})); got != monday {
		t.Errorf("first at %d, want %d", got, monday)
	}
	if got := s.First(NewWhere(Cond{event.Plan, "free"})); got != 0 {
		t.Errorf("first at %d of what never was", got)
	}
}

// A leaf without rows for longer than hours are kept is forgotten, and may come back.
func TestStoreForgets(t *testing.T) {
	s, leaves := NewStore(), testLeaves()
	add := func(leaf *Leaf, at int64) {
		s.Head(at)
		s.Add(s.Series(leaf, at), at, &Cell{Rows: 1})
	}
	add(leaves[0], monday)
	add(leaves[1], monday)
	for at := monday; at <= monday+KeepHours+2*Hour; at += Hour {
		add(leaves[1], at)
		s.Advance()
	}
	if len(s.list) != 1 || len(s.byLeaf) != 1 || len(s.byValues) != 1 {
		t.Errorf("%d series, %d leaves, %d combinations are left, want 1", len(s.list), len(s.byLeaf), len(s.byValues))
	}
	if n := len(s.list[0].hours); int64(n) > KeepHours/Hour+1 || s.cells != n {
		t.Errorf("%d hours are kept, %d counted", n, s.cells)
	}
	if n := len(s.list[0].ticks); int64(n) > KeepTicks/Tick+1 {
		t.Errorf("%d ticks are kept", n)
	}
	add(leaves[0], s.head)
	if got := s.Sum(NewWhere(Cond{event.Region, "eu"}), s.head, s.head+Tick).Rows; got != 1 {
		t.Errorf("%d rows of the leaf that came back, want 1", got)
	}
}

// valueText prints what a value shows, moments to six decimals: what is taken back leaves a rounding error, of either sign.
func valueText(v *Value) string {
	out := v.Dim.String() + "=" + v.Name
	for f := range NumFlags {
		for _, s := range v.fives {
			out += fmt.Sprint(" ", v.Since(f, s.at))
		}
	}
	round := func(x float64) float64 { return math.Round(x*1e6)/1e6 + 0 } // + 0: there is no minus nought
	for m := range NumMoments {
		e := v.Early(m)
		out += fmt.Sprint(" early ", round(e.N), round(e.Sum), round(e.Squares))
		for _, s := range v.fives {
			x := v.MomentSince(m, s.at)
			out += fmt.Sprint(" ", round(x.N), round(x.Sum), round(x.Squares), round(x.Users), round(x.Days), round(x.Up))
		}
	}
	return out
}

// What an incident explains goes out of the statistics of every value it touches, and comes back whole when it is taken
// back, however the two interleave with other incidents.
func TestExplainTakenBackRestoresEveryValue(t *testing.T) {
	leaves := testLeaves()
	rapid.Check(t, func(t *rapid.T) {
		s, head := NewStore(), monday
		for range rapid.IntRange(1, 20).Draw(t, "cells") {
			head += rapid.SampledFrom([]int64{0, Tick, Five, Hour}).Draw(t, "step")
			s.Head(head)
			s.Add(s.Series(rapid.SampledFrom(leaves).Draw(t, "leaf"), head), head, drawCell(t))
		}
		text := func() (out []string) {
			for _, v := range append([]*Value{s.All}, s.Values...) {
				out = append(out, valueText(v))
			}
			return out
		}
		before := text()
		type explained struct {
			where Where
			h     Hidden
			from  int64
		}
		var open []explained
		for range rapid.IntRange(1, 3).Draw(t, "incidents") {
			x := explained{
				where: rapid.SampledFrom([]Where{nil, NewWhere(Cond{event.Plan, "pro"}), NewWhere(Cond{event.Region, "us"})}).Draw(t, "where"),
				h:     Hidden{Flags: Flags(rapid.Uint16Range(0, 1<<NumFlags-1).Draw(t, "flags")), Measures: rapid.Uint16Range(0, 1<<NumMoments-1).Draw(t, "measures")},
				from:  head - rapid.Int64Range(0, 2*Hour).Draw(t, "ago"),
			}
			open = append(open, x)
			s.Explain(x.where, x.h, x.from, 1, nil)
		}
		for _, i := range rapid.Permutation(open).Draw(t, "order") {
			s.Explain(i.where, i.h, i.from, -1, nil)
		}
		if after := text(); !slices.Equal(before, after) {
			t.Fatalf("before %v\nafter  %v", before, after)
		}
	})
}

// While it is explained, exactly what the incident names is gone, from its onset on, where it is.
func TestExplainHidesWhatItNames(t *testing.T) {
	s, leaves := NewStore(), testLeaves()
	cell := func() *Cell {
		c := &Cell{Rows: 10, PricedRows: 10, Moments: new([NumMoments]Moment)}
		c.OffOf(Over).Rows, c.OffOf(Duplicate).Rows = 4, 2
		c.Moments[Turns].Observe(1, true, true)
		return c
	}
	onset := monday + Hour
	for _, leaf := range leaves[:3] { // pro eu, pro us, free eu
		for _, at := range []int64{monday, onset} {
			s.Head(at)
			s.Add(s.Series(leaf, at), at, cell())
		}
	}
	h := Hidden{Flags: Flags(0).With(Over), Measures: 1 << Turns}
	pro := NewWhere(Cond{event.Plan, "pro"})
	s.Explain(pro, h, onset, 1, nil)
	for _, c := range []struct {
		name       string
		v          *Value
		over, dups float64
		turns      float64
	}{
		{"pro: what came before", s.Value(event.Plan, "pro"), 8, 8, 2},
		{"free is not in it", s.Value(event.Plan, "free"), 8, 4, 2},
		{"eu is half in it", s.Value(event.Region, "eu"), 12, 8, 3},
		{"everybody", s.All, 16, 12, 4},
	} {
		if got := c.v.Since(Over, monday).Rows; got != c.over {
			t.Errorf("%s: %v rows over, want %v", c.name, got, c.over)
		}
		if got := c.v.Since(Duplicate, monday).Rows; got != c.dups {
			t.Errorf("%s: %v duplicates, want %v", c.name, got, c.dups)
		}
		if got := c.v.MomentSince(Turns, monday).N; got != c.turns {
			t.Errorf("%s: %v turns, want %v", c.name, got, c.turns)
		}
	}
	// A series that its owner marked keeps new cells out in the first place.
	r := s.Series(leaves[0], onset)
	r.Hidden = h
	s.Add(r, onset, cell())
	if got := s.Value(event.Plan, "pro").Since(Over, onset); got.Rows != 0 || got.Opportunities != 0 {
		t.Errorf("explained rows came through: %+v", got)
	}
	if sum := s.Sum(pro, onset, onset+Tick); sum.Flagged(Over).Rows != 12 {
		t.Errorf("the sums hold %d rows over, want all 12", sum.Flagged(Over).Rows)
	}
}
