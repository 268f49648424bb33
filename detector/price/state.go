package price

import (
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
)

// Code writes or reads what the book has learned. The rate card and planned changes are the configuration's, and stay as they are.
func (b *Book) Code(c *state.Coder) {
	state.Map(c, &b.learned, c.String, func(p **learner) {
		if state.Opt(c, p, func(l *learner) { l.code(c) }); *p == nil {
			c.Fail("what was learned of a model is missing")
		}
	})
	if b.learned == nil {
		c.Fail("what was learned is missing")
	}
	state.Slice(c, &b.noise.sample, func(x *float64) { state.Floats(c, x) })
	state.Ints(c, &b.noise.rows, &b.noise.right, &b.voted)
	state.Floats(c, &b.noise.spread)
	c.Bools(&b.noise.exact, &b.noise.done)
	for r := range b.votes {
		state.Ints(c, &b.votes[r])
	}
	if state.Uints(c, &b.rounding); b.rounding >= numRoundings {
		c.Fail("there is no way %d of rounding", b.rounding)
	}
}

func (l *learner) code(c *state.Coder) {
	rows := func(list *[]event.Event) { state.Slice(c, list, func(e *event.Event) { e.Code(c) }) }
	rows(&l.sample)
	state.Map(c, &l.users, c.String, func(n *int) { state.Ints(c, n) })
	state.Ints(c, &l.next)
	state.Opt(c, &l.whole, func(f *fit) { f.code(c) })
	c.Bools(&l.full)
	state.Ints(c, &l.stale.times, &l.stale.off)
	for k := range l.stale.apart {
		c.Bools(&l.stale.apart[k])
	}
	if state.Uints(c, &l.by); l.by > event.NumDims {
		c.Fail("there is no dimension %d", l.by)
	}
	state.Map(c, &l.parts, c.String, func(p **fit) { state.Opt(c, p, func(f *fit) { f.code(c) }) })
	state.Map(c, &l.thin, c.String, rows)
	state.Map(c, &l.tried, c.String, func(held *bool) { c.Bools(held) })
	if l.users == nil || l.full && l.whole == nil && l.by < event.NumDims {
		c.Fail("a learned price is missing")
	}
}

func (f *fit) code(c *state.Coder) {
	state.Ints(c, &f.input, &f.cached, &f.cacheWrite, &f.output)
	for k := range f.known {
		c.Bools(&f.known[k])
	}
	state.Ints(c, &f.round, &f.abs)
	state.Floats(c, &f.spread)
	c.Bools(&f.rough)
	state.Ints(c, &f.rows)
}
