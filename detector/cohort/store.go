package cohort

import (
	"slices"
	"sort"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Buckets of time, in nanoseconds.
const (
	Tick = int64(10 * time.Second)
	Five = int64(5 * time.Minute)
	Hour = int64(time.Hour)
)

// How long a Store keeps each resolution, and how many cells of hours it holds at most.
const (
	KeepTicks = int64(10 * time.Minute)
	KeepFives = int64(6 * time.Hour)
	KeepHours = int64(8 * 24 * time.Hour)
	MaxCells  = 4_000_000
)

// bucket is a cell of one stretch of time that starts at. In small traffic most leaves have one tick of rows in five
// minutes, often in an hour, so its cell stands for all three: a shared cell is copied before it is added to.
type bucket struct {
	at     int64
	cell   *Cell
	shared bool
}

// Series is the history of one leaf at three resolutions, each in order of time and only where there were rows.
type Series struct {
	Leaf                *Leaf
	First               int64 // start of the first tick with rows
	ticks, fives, hours []bucket
	values              [event.NumDims]*Value

	// Hidden is what open incidents already explain of this leaf: the statistics of its values do not see it. Epoch tells
	// its owner when it was set.
	Hidden Hidden
	Epoch  int
}

// Hidden is a set of flags and measures that are explained.
type Hidden struct {
	Flags    Flags
	Measures uint16
}

// Values returns the statistics of the leaf's values; nil for unknown ones.
func (r *Series) Values() *[event.NumDims]*Value { return &r.values }

// Store holds the series of all leaves and the rolling statistics of every dimension value.
type Store struct {
	byLeaf   map[*Leaf]*Series
	byValues map[[event.NumDims]string]*Series
	list     []*Series
	Values   []*Value // in order of first appearance
	All      *Value   // everybody
	byName   [event.NumDims]map[string]*Value
	cells    int
	Dropped  int64 // hour cells given up under MaxCells
	head     int64
}

// NewStore returns an empty store.
func NewStore() *Store {
	s := &Store{byLeaf: map[*Leaf]*Series{}, byValues: map[[event.NumDims]string]*Series{}, All: &Value{Dim: event.NumDims}}
	for d := range s.byName {
		s.byName[d] = map[string]*Value{}
	}
	return s
}

// Add adds a cell of a leaf's series for the tick that starts at, and keeps it: nobody may change it any more. Late cells
// find their buckets.
func (s *Store) Add(r *Series, at int64, c *Cell) {
	r.First = min(r.First, at)
	s.cells -= len(r.hours)
	into(&r.ticks, at, c)
	into(&r.fives, at-at%Five, c)
	into(&r.hours, at-at%Hour, c)
	s.cells += len(r.hours)
	s.toValues(r, at-at%Five, c, r.Hidden, 1)
}

// toValues adds sign times what h does not hide of c to the statistics of the leaf's values and of everybody.
func (s *Store) toValues(r *Series, five int64, c *Cell, h Hidden, sign int64) {
	x := shareOf(c)
	s.All.add(five, &x, h, sign)
	for _, v := range r.values {
		if v != nil {
			v.add(five, &x, h, sign)
		}
	}
}

// Explain takes what h names out of the statistics of the values, for leaves that fulfil where, from the five minutes that
// hold from on; with sign −1 it puts it back. Series keep it: only what is still unexplained should alarm. What but returns of a series is
// left as it is; nil is nothing.
func (s *Store) Explain(where Where, h Hidden, from int64, sign int64, but func(*Series) Hidden) {
	for _, r := range s.list {
		if !where.Matches(&r.Leaf.Values) {
			continue
		}
		rest := Hidden{Flags: ^h.Flags, Measures: ^h.Measures}
		if but != nil {
			x := but(r)
			rest.Flags, rest.Measures = rest.Flags|x.Flags, rest.Measures|x.Measures
		}
		for i := range r.fives {
			if b := &r.fives[i]; b.at > from-Five {
				s.toValues(r, b.at, b.cell, rest, -sign)
			}
		}
	}
}

// Canon returns the leaf with the same values that the store has, else leaf itself: of those that come as bytes there is one each then.
func (s *Store) Canon(leaf *Leaf) *Leaf {
	if r := s.byValues[leaf.Values]; r != nil {
		return r.Leaf
	}
	return leaf
}

// Series returns the series of leaf; at is its first tick if it is new.
func (s *Store) Series(leaf *Leaf, at int64) *Series {
	if r := s.byLeaf[leaf]; r != nil {
		return r
	}
	r := s.byValues[leaf.Values]
	if r == nil {
		r = &Series{Leaf: leaf, First: at}
		for d, name := range leaf.Values {
			if name != "" && name != Other {
				r.values[d] = s.value(event.Dim(d), name, at)
			}
		}
		s.byValues[leaf.Values] = r
		s.list = append(s.list, r)
	}
	s.byLeaf[leaf] = r
	return r
}

func (s *Store) value(d event.Dim, name string, at int64) *Value {
	v := s.byName[d][name]
	if v == nil {
		v = &Value{Dim: d, Name: name, First: at}
		s.byName[d][name] = v
		s.Values = append(s.Values, v)
	}
	return v
}

// First returns the start of the first tick in which a leaf that fulfils where had rows, 0 if none had.
func (s *Store) First(where Where) int64 {
	first := int64(0)
	for _, r := range s.list {
		if where.Matches(&r.Leaf.Values) && (first == 0 || r.First < first) {
			first = r.First
		}
	}
	return first
}

// Value returns the statistics of one value of a dimension, nil if it was never seen.
func (s *Store) Value(d event.Dim, name string) *Value { return s.byName[d][name] }

// into adds c to the bucket that starts at, near the end of list.
func into(list *[]bucket, at int64, c *Cell) {
	l := *list
	i := len(l)
	for i > 0 && l[i-1].at > at {
		i--
	}
	if i == 0 || l[i-1].at != at {
		*list = slices.Insert(l, i, bucket{at, c, true})
		return
	}
	b := &l[i-1]
	if b.shared {
		own := new(Cell)
		own.Add(b.cell)
		b.cell, b.shared = own, false
	}
	b.cell.Add(c)
}

// Head tells the store how far it has been told everything.
func (s *Store) Head(now int64) { s.head = now }

// Advance forgets what is older than the store keeps. Cost: O(leaves), so call it every few minutes.
func (s *Store) Advance() {
	now := s.head
	s.cells = 0
	for _, r := range s.list {
		drop(&r.ticks, now-KeepTicks)
		drop(&r.fives, now-KeepFives)
		drop(&r.hours, now-KeepHours)
		s.cells += len(r.hours)
	}
	for keep := KeepHours; s.cells > MaxCells && keep > Hour; {
		keep -= Hour * 12
		s.cells = 0
		for _, r := range s.list {
			n := len(r.hours)
			drop(&r.hours, now-keep)
			s.Dropped += int64(n - len(r.hours))
			s.cells += len(r.hours)
		}
	}
	s.list = slices.DeleteFunc(s.list, func(r *Series) bool {
		if len(r.hours) > 0 {
			return false
		}
		delete(s.byValues, r.Leaf.Values)
		for leaf, x := range s.byLeaf {
			if x == r {
				delete(s.byLeaf, leaf)
			}
		}
		return true
	})
}

func drop(list *[]bucket, before int64) {
	l := *list
	i := 0
	for i < len(l) && l[i].at < before {
		i++
	}
	clear(l[:i]) // what they point to may go now; their room when the list next grows
	*list = l[i:]
}

// Each calls fn with the sums of every leaf over [from, to), rounded outwards to the finest buckets that are kept.
// The cell is reused between calls.
func (s *Store) Each(from, to int64, fn func(*Leaf, *Cell)) {
	for _, r := range s.list {
		var sum Cell
		if r.sum(&sum, from, to, s.head) {
			fn(r.Leaf, &sum)
		}
	}
}

// Cells calls fn with each cell over [from, to) of the leaves that fulfil where, at the resolution that Each sums.
func (s *Store) Cells(where Where, from, to int64, fn func(at int64, leaf *Leaf, c *Cell)) {
	for _, r := range s.list {
		if !where.Matches(&r.Leaf.Values) {
			continue
		}
		span := r.span(from, to, s.head)
		for i := range span {
			fn(span[i].at, r.Leaf, span[i].cell)
		}
	}
}

// Sum returns the sums over [from, to) of the leaves that fulfil where, as Each rounds.
func (s *Store) Sum(where Where, from, to int64) Cell {
	var sum Cell
	for _, r := range s.list {
		if where.Matches(&r.Leaf.Values) {
			r.sum(&sum, from, to, s.head)
		}
	}
	return sum
}

// Active calls fn with the leaves that fulfil where and have rows in [from, to), as Each rounds. It sums nothing.
func (s *Store) Active(where Where, from, to int64, fn func(*Leaf)) {
	for _, r := range s.list {
		if where.Matches(&r.Leaf.Values) && len(r.span(from, to, s.head)) > 0 {
			fn(r.Leaf)
		}
	}
}

func (r *Series) sum(c *Cell, from, to, head int64) (found bool) {
	span := r.span(from, to, head)
	for i := range span {
		c.Add(span[i].cell)
	}
	return len(span) > 0
}

// span returns the finest buckets that are kept of [from, to).
func (r *Series) span(from, to, head int64) []bucket {
	list, size := r.fives, Five
	switch {
	case from >= head-KeepTicks+Five:
		list, size = r.ticks, Tick
	case from < head-KeepFives+Five:
		list, size = r.hours, Hour
	}
	i := sort.Search(len(list), func(i int) bool { return list[i].at > from-size })
	n := sort.Search(len(list)-i, func(k int) bool { return list[i+k].at >= to })
	return list[i : i+n]
}

// Hourly calls fn with each hour cell of the leaves that fulfil where, over [from, to).
func (s *Store) Hourly(where Where, from, to int64, fn func(hour int64, leaf *Leaf, c *Cell)) {
	for _, r := range s.list {
		if !where.Matches(&r.Leaf.Values) {
			continue
		}
		first := sort.Search(len(r.hours), func(i int) bool { return r.hours[i].at >= from })
		for i := first; i < len(r.hours) && r.hours[i].at < to; i++ {
			fn(r.hours[i].at, r.Leaf, r.hours[i].cell)
		}
	}
}

// Fives calls fn with each 5-minute cell of the leaves that fulfil where, over [from, to), as far back as they are kept.
func (s *Store) Fives(where Where, from, to int64, fn func(at int64, leaf *Leaf, c *Cell)) {
	for _, r := range s.list {
		if !where.Matches(&r.Leaf.Values) {
			continue
		}
		for i := range r.fives {
			if t := r.fives[i].at; t >= from && t < to {
				fn(t, r.Leaf, r.fives[i].cell)
			}
		}
	}
}

// Ticks calls fn with each 10-second cell of the leaves that fulfil where, as far back as they are kept.
func (s *Store) Ticks(where Where, fn func(at int64, leaf *Leaf, c *Cell)) {
	for _, r := range s.list {
		if where.Matches(&r.Leaf.Values) {
			for i := range r.ticks {
				fn(r.ticks[i].at, r.Leaf, r.ticks[i].cell)
			}
		}
	}
}
