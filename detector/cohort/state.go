package cohort

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
)

// CodeLeaf writes or reads a pointer to a leaf. Within one state, what pointed to equal leaves points to one again.
func CodeLeaf(c *state.Coder, p **Leaf) {
	state.Equal(c, p, func(l *Leaf) {
		for d := range l.Values {
			c.String(&l.Values[d])
		}
		if state.Uints(c, &l.Rollout); l.Rollout >= 64 {
			c.Fail("a leaf's rollout is %d", l.Rollout)
		}
	})
}

// Code writes or reads the table of leaves.
func (l *Leaves) Code(c *state.Coder) {
	for d := range l.values {
		state.Map(c, &l.values[d], c.String, c.String)
	}
	state.Map(c, &l.byHash, func(k *uint64) { state.Uints(c, k) }, func(p **Leaf) {
		if CodeLeaf(c, p); *p == nil {
			c.Fail("a leaf is missing")
		}
	})
	state.Ints(c, &l.folded)
	if c.Reading() && c.Err() == nil {
		for _, v := range l.values {
			if v == nil {
				c.Fail("the values of a dimension are missing")
			}
		}
		for _, leaf := range l.byHash { // one copy of each string, as before
			for d, v := range leaf.Values {
				if k, ok := l.values[d][v]; ok {
					leaf.Values[d] = k
				}
			}
		}
	}
}

// Code writes or reads the cell.
func (c *Cell) Code(to *state.Coder) {
	state.Ints(to, &c.Rows, &c.Requests, &c.Background, &c.Turns, &c.Users, &c.Budgeted, &c.Dry, &c.Failures, &c.CachedRows, &c.PricedRows,
		&c.Gauged, &c.Follows, &c.Grows, &c.Far, &c.Input, &c.Cached, &c.CacheWrite, &c.Output)
	for _, s := range []*event.Sum{&c.Credits, &c.Usage, &c.Priced, &c.List, &c.Full} {
		s.Code(to)
	}
	state.Opt(to, &c.Off, func(off *[NumFlags]Off) {
		for f := range off {
			o := &off[f]
			state.Ints(to, &o.Rows, &o.Users, &o.DayUsers, &o.First, &o.Last)
			o.Charged.Code(to)
			o.Expected.Code(to)
		}
	})
	state.Opt(to, &c.Shape, func(s *Shape) {
		all := s.fields()
		state.Floats(to, all[:]...)
	})
	state.Opt(to, &c.Gauge, func(g *Gauge) { state.Ints(to, &g.Fast, &g.Slow, &g.Kept, &g.Shown, &g.Due) })
	state.Opt(to, &c.Moments, func(m *[NumMoments]Moment) { codeMoments(to, m) })
}

func codeMoments(c *state.Coder, all *[NumMoments]Moment) {
	for i := range all {
		m := &all[i]
		some := *m != Moment{} // most are nothing
		if c.Bools(&some); !some {
			*m = Moment{}
			continue
		}
		state.Floats(c, &m.N, &m.Sum, &m.Squares, &m.Users, &m.Days, &m.Up, &m.Brief, &m.BriefUp)
	}
}

// Code writes or reads the conditions.
func (w *Where) Code(c *state.Coder) {
	state.Slice(c, (*[]Cond)(w), func(x *Cond) {
		if state.Uints(c, &x.Dim); x.Dim >= event.NumDims {
			c.Fail("there is no dimension %d", x.Dim)
		}
		c.String(&x.Value)
	})
}

// CodeValue writes or reads a pointer to statistics of the store.
func CodeValue(c *state.Coder, p **Value) { state.Ref(c, p, func(v *Value) { v.code(c) }) }

func (v *Value) code(c *state.Coder) {
	if state.Uints(c, &v.Dim); v.Dim > event.NumDims {
		c.Fail("there is no dimension %d", v.Dim)
	}
	c.String(&v.Name)
	state.Ints(c, &v.First, &v.Marked, &v.base.upTo)
	state.Uints(c, &v.clean)
	state.Slice(c, &v.fives, func(s *short) {
		state.Ints(c, &s.at)
		for f := range NumFlags {
			state.Ints(c, &s.opp[f], &s.rows[f], &s.users[f])
		}
		codeMoments(c, &s.moments)
	})
	codeMoments(c, &v.early)
	for f := range NumFlags {
		state.Floats(c, &v.base.off[f], &v.base.n[f])
	}
	codeMoments(c, &v.base.moments)
}

// Code writes or reads the store.
func (s *Store) Code(c *state.Coder) {
	CodeValue(c, &s.All)
	state.Slice(c, &s.Values, func(p **Value) {
		if CodeValue(c, p); *p == nil {
			c.Fail("statistics of a value are missing")
		}
	})
	state.Slice(c, &s.list, func(p **Series) { state.Ref(c, p, func(r *Series) { r.code(c) }) })
	state.Ints(c, &s.cells)
	state.Ints(c, &s.Dropped, &s.head)
	if c.Reading() && c.Err() == nil {
		s.link(c)
	}
}

// link makes the ways to what was read. Leaves of shards find their series by their values when they next come.
func (s *Store) link(c *state.Coder) {
	fresh := NewStore()
	s.byLeaf, s.byValues, s.byName = fresh.byLeaf, fresh.byValues, fresh.byName
	if s.All == nil {
		c.Fail("the statistics of everybody are missing")
	}
	for _, v := range s.Values {
		if v.Dim >= event.NumDims || s.byName[v.Dim][v.Name] != nil {
			c.Fail("the statistics of dimension %d, value %q, stand there twice or cannot be", v.Dim, v.Name)
			return
		}
		s.byName[v.Dim][v.Name] = v
	}
	for _, r := range s.list {
		if r == nil || r.Leaf == nil || s.byValues[r.Leaf.Values] != nil {
			c.Fail("a series is missing, or stands there twice")
			return
		}
		s.byValues[r.Leaf.Values], s.byLeaf[r.Leaf] = r, r
	}
}

func (r *Series) code(c *state.Coder) {
	CodeLeaf(c, &r.Leaf)
	state.Ints(c, &r.First)
	for _, list := range []*[]bucket{&r.ticks, &r.fives, &r.hours} {
		state.Slice(c, list, func(b *bucket) {
			state.Ints(c, &b.at)
			c.Bools(&b.shared)
			state.Ref(c, &b.cell, func(x *Cell) { x.Code(c) })
			if b.cell == nil {
				c.Fail("a bucket of a series has no cell")
			}
		})
		if c.Reading() && !slices.IsSortedFunc(*list, func(a, b bucket) int { return int(min(max(a.at-b.at, -1), 1)) }) {
			c.Fail("a series is not in order of time")
		}
	}
	for d := range r.values {
		CodeValue(c, &r.values[d])
	}
	state.Uints(c, &r.Hidden.Flags)
	state.Uints(c, &r.Hidden.Measures)
	state.Ints(c, &r.Epoch)
}
