package profile

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/state"
)

// Code writes or reads the users: those at rest as they are packed, so that most of it is copying.
func (t *Table) Code(c *state.Coder) {
	t.index.Code(c)
	state.Slice(c, &t.leaves, func(p **cohort.Leaf) { cohort.CodeLeaf(c, p) })
	state.Slice(c, &t.active, func(p **User) {
		if state.Opt(c, p, func(u *User) { u.code(c) }); *p == nil {
			c.Fail("a user is missing")
		}
	})
	state.Ints(c, &t.activeHand)
	state.Uints(c, &t.hand)
	state.Slice(c, &t.away, func(n *uint32) {
		if state.Uints(c, n); c.Reading() && !t.index.Taken(*n) {
			c.Fail("user %d is away, and unknown", *n)
		}
	})
	state.Ints(c, &t.Evicted)
	t.logs.code(c)
	if c.Reading() {
		t.seats.Grow(t.index.Cap())
		t.link(c)
	}
	for n := range t.index.Cap() {
		if t.index.Taken(n) && c.Err() == nil {
			t.codeSeat(c, n)
		}
	}
}

// link makes the ways to what was read.
func (t *Table) link(c *state.Coder) {
	if len(t.leaves) == 0 || t.leaves[0] != nil || t.activeHand < 0 || t.hand > t.index.Cap() || len(t.active) > t.room {
		c.Fail("the users' leaves or places are not in order")
	}
	for n, l := range t.leaves {
		if n > 0 && l != nil {
			t.leafNumber[l] = uint32(n)
		}
	}
	if len(t.leafNumber) != len(t.leaves)-1 {
		c.Fail("a leaf of the users is missing, or there twice")
	}
	if c.Err() != nil {
		return
	}
	for place, u := range t.active {
		if !t.index.Taken(u.seat) || t.seats.At(u.seat).at != 0 {
			c.Fail("user %d is unknown, or there twice", u.seat)
			return
		}
		t.seats.At(u.seat).at = isActive | dense.Ref(place)
	}
}

// codeSeat writes or reads a user who is not among the active.
func (t *Table) codeSeat(c *state.Coder, n uint32) {
	s := t.seats.At(n)
	active := s.at >= isActive
	if c.Bools(&active); active != (s.at >= isActive) {
		c.Fail("user %d is active, and is not there", n)
	}
	if active {
		return
	}
	state.Uints(c, &s.last)
	if !c.Reading() {
		record := t.packed.At(s.at)
		c.Count(len(record), 1)
		copy(c.Raw(len(record)), record)
		return
	}
	record := c.Raw(c.Count(0, 1))
	var u User
	leaf, _, err := u.unpack(record, int64(s.last)*grain)
	if err != nil || int(leaf) >= len(t.leaves) || len(record) > dense.MaxRecord {
		c.Fail("user %d is packed in %d bytes that cannot be read", n, len(record))
		return
	}
	s.at = t.packed.Put(n, record)
}

func (u *User) code(c *state.Coder) {
	id := string(u.key)
	if c.String(&id); c.Reading() {
		u.key = []byte(id)
	}
	state.Uints(c, &u.seat)
	state.Ints(c, &u.FirstAt, &u.LastAt, &u.bucket, &u.since, &u.evenSince)
	cohort.CodeLeaf(c, &u.leaf)
	for _, n := range []*Counts{&u.now, &u.today, &u.past, &u.recent, &u.standing} {
		n.code(c)
	}
	for _, s := range []*spread{&u.gaps, &u.logsToday, &u.logsPast} {
		s.code(c)
	}
	c.Floats32(&u.pastDays, &u.pastActive, &u.volume, &u.novel, &u.novelNow, &u.strange, &u.strangeNow, &u.dayVolume, &u.dayNovel,
		&u.short.credits, &u.short.rows, &u.short.requests, &u.lately.n, &u.lately.sum, &u.evenness.n, &u.evenness.sum)
	state.Ints(c, &u.created, &u.dayNo, &u.hourNo, &u.freshMeasure, &u.dayMeasure, &u.weighedIn, &u.saidIn, &u.strongIn)
	state.Uints(c, &u.awake, &u.novelAwake)
	for i := range u.turns {
		state.Uints(c, &u.turns[i])
	}
	state.Uints(c, &u.turnAt, &u.dayOf, &u.heldDays, &u.bout.large, &u.bout.length)
	c.Bools(&u.said)
	c.Floats32(&u.bout.pace, &u.bout.mean, &u.bout.variance)
	state.Opt(c, &u.flags, func(s *flagState) {
		for f := range s {
			x := &s[f]
			state.Ints(c, &x.since)
			state.Ints(c, &x.fresh, &x.freshDay)
			c.Floats32(&x.past)
			state.Uints(c, &x.rows, &x.said, &x.bucket)
			c.Bools(&x.run)
		}
	})
	state.Uints(c, &u.tokens.inHour)
	state.Ints(c, &u.tokens.hour, &u.tokens.brief)
	for _, x := range [...]*tokenMean{&u.tokens.latest[0], &u.tokens.latest[1], &u.tokens.short} {
		state.Uints(c, &x.rollout, &x.n)
		for k := range x.sum {
			state.Ints(c, &x.sum[k])
		}
	}
	for k := range u.ids {
		for i := range u.ids[k] {
			id := &u.ids[k][i]
			state.Uints(c, &id.hash, &id.first, &id.last)
		}
	}
}

func (s *spread) code(c *state.Coder) { c.Floats32(&s.n, &s.sum, &s.squares) }
