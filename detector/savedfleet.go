package detector

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/detector/window"
)

// AppendBinary appends the fleet's state, with what shards have said and is not decided yet.
func (f *fleet) AppendBinary(dst []byte) []byte {
	return state.Append(dst, "fleet", fleetLayout, f.code)
}

// restore takes the state of a fleet of the same partitions into a new one.
func (f *fleet) restore(src []byte) error {
	want := sortedKeys(f.parts)
	return state.Restore(src, "fleet", fleetLayout, func(c *state.Coder) {
		if f.code(c); !slices.Equal(sortedKeys(f.parts), want) {
			c.Fail("the state is of partitions %v, not %v", sortedKeys(f.parts), want)
		}
	})
}

func (f *fleet) code(c *state.Coder) {
	partition := func(p *int32) { state.Ints(c, p) }
	state.Ints(c, &f.now, &f.head, &f.first, &f.rows, &f.fiveAt, &f.halfAt, &f.hourAt, &f.quietTo)
	state.Ints(c, &f.epoch)
	c.Bools(&f.warm)
	state.Uints(c, &f.lately, &f.seen)
	f.store.Code(c)
	state.Slice(c, &f.dirty, func(p **cohort.Value) {
		if cohort.CodeValue(c, p); *p == nil {
			c.Fail("statistics of a value are missing")
		}
	})
	state.Map(c, &f.parts, partition, func(p **part) {
		if state.Opt(c, p, func(x *part) { x.code(c) }); *p == nil {
			c.Fail("a partition is missing")
		}
	})
	state.Slice(c, &f.lives, func(p **live) {
		if state.Opt(c, p, func(l *live) { l.code(c) }); *p == nil {
			c.Fail("an incident is missing")
		}
	})
	codeHours(c, &f.hours)
	state.Slice(c, &f.suspects, func(x *profile.Finding) { x.Code(c) })
	f.ties.code(c)
	state.Map(c, &f.counts, partition, func(n *rowCounts) { n.code(c) })
	state.Map(c, &f.users, partition, func(n *int) { state.Ints(c, n) })
	state.Map(c, &f.plans, partition, func(s *[]window.State) { codePlans(c, s) })
	f.spent.code(c)
	answers := f.roller != nil
	state.Opt(c, &f.roller, func(r *roller) { r.code(c) })
	switch {
	case !c.Reading():
	case !answers:
		f.roller = nil // nobody asks now
	case f.roller == nil:
		f.roller = newRoller()
	}
	if f.hours == nil || f.counts == nil || f.users == nil || f.plans == nil {
		c.Fail("a map of the fleet is missing")
	}
}

func (p *part) code(c *state.Coder) {
	state.Ints(c, &p.upTo, &p.offset, &p.rows, &p.late)
	c.Bools(&p.idle)
	state.Slice(c, &p.pending, func(x *closing) { x.code(c) })
	state.Ints(c, &p.read, &p.head)
	codeIndex(c, &p.index)
	c.String(&p.view)
	state.Slice(c, &p.leaves, func(l **cohort.Leaf) {
		if cohort.CodeLeaf(c, l); *l == nil {
			c.Fail("a leaf is missing")
		}
	})
}

func (x *closing) code(c *state.Coder) {
	codeCells(c, &x.cells)
	x.codeRest(c)
}

// codeRest writes or reads all but the cells.
func (x *closing) codeRest(c *state.Coder) {
	state.Ints(c, &x.partition)
	state.Ints(c, &x.upTo, &x.head, &x.offset, &x.resets, &x.near)
	state.Slice(c, &x.findings, func(f *profile.Finding) { f.Code(c) })
	state.Slice(c, &x.links, func(l *link) { l.code(c) })
	c.Bools(&x.idle)
	x.counts.code(c)
	state.Ints(c, &x.users)
	codePlans(c, &x.plans)
	state.Ints(c, &x.seq)
	c.String(&x.view)
}

func codeHours(c *state.Coder, hours *map[int64]*verdict.Period) {
	state.Map(c, hours, func(h *int64) { state.Ints(c, h) }, func(p **verdict.Period) {
		if state.Opt(c, p, func(x *verdict.Period) { x.Code(c) }); *p == nil {
			c.Fail("an hour is missing")
		}
	})
}

func (l *live) code(c *state.Coder) {
	l.Incident.Code(c)
	l.finding.Code(c)
	state.Uints(c, &l.by)
	state.Uints(c, &l.flag)
	state.Uints(c, &l.measure)
	if l.by > byCost || l.flag >= cohort.NumFlags || l.measure >= cohort.NumMoments {
		c.Fail("an incident is seen by %d, flag %d, measure %d", l.by, l.flag, l.measure)
	}
	for _, w := range []*cohort.Where{&l.where, &l.dated, &l.hoursOf, &l.summed} {
		w.Code(c)
	}
	c.Strings(&l.user, &l.loser)
	codeFault(c, &l.fault)
	state.Opt(c, &l.drawn, func(f *profile.Finding) { f.Code(c) })
	state.Ints(c, &l.openedAt, &l.onset, &l.refinedAt, &l.hoursTo, &l.summedFrom, &l.lastHit, &l.outsideAt, &l.outsideRows, &l.cleanHit,
		&l.silentTo, &l.endedAt, &l.outsideUse, &l.righted, &l.tick.hits, &l.tick.opportunities, &l.tick.users, &l.tick.last)
	for h := range l.spared {
		state.Ints(c, &l.spared[h])
	}
	state.Opt(c, &l.day, func(d *hitDay) {
		for h := range d.hit {
			state.Floats(c, &d.hit[h], &d.all[h])
		}
		state.Floats(c, &d.rate)
		d.where.Code(c)
		state.Ints(c, &d.from, &d.to)
	})
	state.Floats(c, &l.rate, &l.base, &l.cluster, &l.gain, &l.shift, &l.elsewhere, &l.clean, &l.hits, &l.chances, &l.gap, &l.widest)
	codeHours(c, &l.hours)
	l.inside.Code(c)
	l.outside.Code(c)
	l.hit.Code(c)
	l.then.Code(c)
	l.before.Code(c)
	l.unasked.Code(c)
	l.blends[0].Code(c)
	l.blends[1].Code(c)
	l.left.Code(c)
	state.Slice(c, &l.like, func(p *verdict.Period) { p.Code(c) })
	c.Bools(&l.compared, &l.bracketed)
	state.Slice(c, &l.told, func(t *told) {
		t.where.Code(c)
		codeFault(c, &t.fault)
		state.Ints(c, &t.onset, &t.until)
	})
}

func codeFault(c *state.Coder, fault **cohort.Fault) {
	state.Opt(c, fault, func(x *cohort.Fault) {
		state.Floats(c, &x.Flat, &x.Input)
		c.Bools(&x.Full)
	})
}

func (s *spending) code(c *state.Coder) {
	state.Ints(c, &s.week, &s.near, &s.held)
	state.Ints(c, &s.tests.Rejected, &s.at)
	for i := range s.hours {
		state.Ints(c, &s.hours[i])
	}
	state.Floats(c, &s.usual, &s.days)
	if s.at < 0 || s.at >= len(s.hours) {
		c.Fail("hour %d of a day", s.at)
	}
}

func (r *roller) code(c *state.Coder) {
	state.Slice(c, &r.leaves, func(p **cohort.Leaf) {
		other := *p == otherLeaf
		if c.Bools(&other); other {
			*p = otherLeaf
		} else if cohort.CodeLeaf(c, p); *p == nil {
			c.Fail("a leaf is missing")
		}
	})
	if c.Reading() {
		r.number, r.same = newRoller().number, newRoller().same
		for n, leaf := range r.leaves {
			r.number[leaf], r.same[leaf.Values] = uint32(n), uint32(n)
		}
	}
	state.Slice(c, &r.slabs, func(b *openSlab) {
		if state.Opt(c, &b.slab, func(s *slab) { s.code(c, uint32(len(r.leaves))) }); b.slab == nil {
			c.Fail("five minutes are missing")
		}
	})
	state.Ints(c, &r.rows)
	state.Ints(c, &r.folded)
	c.Bools(&r.tried)
}

func (s *slab) code(c *state.Coder, leaves uint32) {
	state.Ints(c, &s.at)
	state.Slice(c, &s.leaf, func(n *uint32) {
		if state.Uints(c, n); *n >= leaves {
			c.Fail("leaf %d of %d", *n, leaves)
		}
	})
	for i := range s.counts {
		state.Slice(c, &s.counts[i], func(x *int64) { state.Ints(c, x) })
		if len(s.counts[i]) != len(s.leaf) {
			c.Fail("%d counts of %d leaves", len(s.counts[i]), len(s.leaf))
		}
	}
	for i := range s.money {
		state.Slice(c, &s.money[i], func(x *event.Sum) { x.Code(c) })
		if len(s.money[i]) != len(s.leaf) {
			c.Fail("%d sums of %d leaves", len(s.money[i]), len(s.leaf))
		}
	}
}
