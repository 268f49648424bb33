package profile

import (
	"bytes"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/state"
)

// How many users are kept as one piece.
const (
	pieceLen  = 2048 // at rest, by number: half a megabyte
	activeLen = 1024 // active, in their order
)

// marked is the table as of a mark, as far as it has changed since and is not written yet.
//
// Most users are at rest, so a piece of those is written anew only when one comes to rest, goes for ever or is new. Who wakes stays in
// the piece as last written: whoever reads it takes the active for what they are.
type marked struct {
	numbers uint32            // those below
	rested  map[uint32]rested // by number
	order   []uint32          // of the active, by number
	active  map[uint32]*User  // by number
	no      uint32            // of the mark: who bears it is new, or written, or stands in active
	open    bool              // not all of the active are written
}

// rested is what is kept of a number besides the active.
type rested struct {
	hash   uint64
	last   uint32
	record []byte // nil for the active, and free numbers
}

func (t *Table) rested(n uint32) (r rested) {
	if r.hash = t.index.Hash(n); !t.index.Taken(n) {
		return r
	}
	if s := t.seats.At(n); s.at < isActive {
		r.last, r.record = s.last, t.packed.At(s.at)
	}
	return r
}

// touch notes that what is kept of a number is about to change; but for a user who wakes, so is its piece.
func (t *Table) touch(n uint32, wakes bool) {
	k := int(n / pieceLen)
	open := t.changes.Open(k)
	if !wakes {
		t.changes.Change(k)
	}
	if !open || n >= t.marked.numbers {
		return
	}
	if _, ok := t.marked.rested[n]; !ok {
		r := t.rested(n)
		r.record = bytes.Clone(r.record)
		t.marked.rested[n] = r
	}
}

// touchActive notes that an active user is about to change.
func (t *Table) touchActive(u *User) {
	if !t.marked.open || u.mark == t.marked.no {
		return
	}
	u.mark = t.marked.no
	was := *u
	was.key = bytes.Clone(u.key)
	if u.flags != nil {
		was.flags = new(*u.flags)
	}
	t.marked.active[u.seat] = &was
}

// resting are the users of a table at rest, as they are kept.
type resting struct{ *Table }

// acting are those that are active.
type acting struct{ *Table }

// Pieces returns the users as they are kept besides the head, in the order in which they are read.
func (t *Table) Pieces(add func(name string, p state.Pieces)) {
	add("users", resting{t})
	add("active", acting{t})
}

func (t resting) Mark() {
	t.changes.Mark()
	t.marked = marked{numbers: t.index.Cap(), rested: map[uint32]rested{}, order: t.order(), active: map[uint32]*User{}, no: t.marked.no + 1, open: true}
}

func (t acting) Mark() {} // with those at rest

func (t resting) Release() {
	t.changes.Release()
	t.marked.rested = nil
}

func (t acting) Release() {
	t.marked.open, t.marked.active, t.marked.order = false, nil, nil
}

func (t resting) Range() (from, to int) {
	return 0, int((t.marked.numbers + pieceLen - 1) / pieceLen)
}

func (t acting) Range() (from, to int) {
	return 0, (len(t.marked.order) + activeLen - 1) / activeLen
}

func (t resting) Changed(k int) bool { return t.changes.Changed(k) }

func (t acting) Changed(int) bool { return true }

func (t resting) Code(c *state.Coder, k int) {
	for n := uint32(k) * pieceLen; n < min(uint32(k+1)*pieceLen, t.marked.numbers) && c.Err() == nil; n++ {
		r, ok := t.marked.rested[n]
		if !ok && !c.Reading() {
			r = t.rested(n)
		}
		t.codeRested(c, n, r)
	}
	if !c.Reading() {
		t.changes.Written(k)
	} else if _, to := t.Range(); k == to-1 && len(t.marked.order) == 0 {
		t.check(c)
	}
}

func (t acting) Code(c *state.Coder, k int) {
	for i := k * activeLen; i < min((k+1)*activeLen, len(t.marked.order)) && c.Err() == nil; i++ {
		n := t.marked.order[i]
		u := t.marked.active[n]
		if u == nil && !c.Reading() {
			u = t.active[t.seats.At(n).at-isActive]
			u.mark = t.marked.no
		}
		t.codeActive(c, n, u)
	}
	if _, to := t.Range(); c.Reading() && k == to-1 {
		t.check(c)
	}
}

// order returns the active by number.
func (t *Table) order() []uint32 {
	order := make([]uint32, len(t.active))
	for i, u := range t.active {
		order[i] = u.seat
	}
	return order
}

// Code writes or reads the users as they are now: those at rest as they are packed, so that most of it is copying.
func (t *Table) Code(c *state.Coder) {
	t.CodeHead(c)
	numbers, order := t.marked.numbers, t.marked.order
	if !c.Reading() {
		numbers, order = t.index.Cap(), t.order()
	}
	for n := uint32(0); n < numbers && c.Err() == nil; n++ {
		var r rested
		if !c.Reading() {
			r = t.rested(n)
		}
		t.codeRested(c, n, r)
	}
	for i, n := range order {
		var u *User
		if !c.Reading() {
			u = t.active[i]
		}
		t.codeActive(c, n, u)
	}
	t.check(c)
}

// CodeHead writes or reads what stands before the pieces.
func (t *Table) CodeHead(c *state.Coder) {
	numbers := t.index.CodeFree(c, 2*MaxUsers)
	for _, u := range t.active {
		t.numberOf(u.leaf)
	}
	state.Slice(c, &t.leaves, func(p **cohort.Leaf) { cohort.CodeLeaf(c, p) })
	order := t.order()
	state.Slice(c, &order, func(n *uint32) { state.Uints(c, n) })
	state.Ints(c, &t.activeHand)
	state.Uints(c, &t.hand)
	state.Slice(c, &t.away, func(n *uint32) { state.Uints(c, n) })
	state.Ints(c, &t.Evicted)
	t.logs.code(c)
	state.Map(c, &t.watch, func(n *uint32) { state.Uints(c, n) }, func(p **watched) { codeWatched(c, p) })
	if t.watch == nil {
		c.Fail("the users of whom something was said are missing")
	}
	if t.peers.code(c); c.Reading() {
		t.marked = marked{numbers: numbers, order: order}
		t.link(c)
	}
}

// link makes the ways to what is to be read.
func (t *Table) link(c *state.Coder) {
	if len(t.leaves) == 0 || t.leaves[0] != nil || t.activeHand < 0 || t.hand > t.marked.numbers || len(t.marked.order) > t.room {
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
	t.seats.Grow(t.marked.numbers)
	for place, n := range t.marked.order {
		if n >= t.marked.numbers || t.seats.At(n).at != 0 {
			c.Fail("user %d is unknown, or there twice", n)
			return
		}
		t.seats.At(n).at = isActive | dense.Ref(place)
	}
	if len(t.marked.order) == 0 && t.marked.numbers == 0 {
		t.check(c)
	}
}

// check says whether what was read fits together.
func (t *Table) check(c *state.Coder) {
	if !c.Reading() {
		return
	}
	t.index.Check(c, t.marked.numbers)
	for _, lists := range [][]uint32{t.marked.order, t.away} {
		for _, n := range lists {
			if !t.index.Taken(n) {
				c.Fail("user %d is active, and unknown", n)
				return
			}
		}
	}
	for n := range t.watch {
		if !t.index.Taken(n) {
			c.Fail("of user %d something was said, who is unknown", n)
			return
		}
	}
	t.marked.order = nil
}

// codeRested writes or reads what is kept of a number besides the active.
func (t *Table) codeRested(c *state.Coder, n uint32, r rested) {
	t.index.CodeHash(c, n, r.hash)
	there := r.record != nil
	if c.Bools(&there); !there || c.Err() != nil {
		return
	}
	state.Uints(c, &r.last)
	b := c.Raw(c.Count(len(r.record), 1))
	if !c.Reading() {
		copy(b, r.record)
		return
	}
	s := t.seats.At(n)
	if s.at >= isActive {
		return // has woken since this was written
	}
	var u User
	leaf, _, err := u.unpack(b, int64(r.last)*grain)
	if err != nil || int(leaf) >= len(t.leaves) || len(b) > dense.MaxRecord || !t.index.Taken(n) {
		c.Fail("user %d is packed in %d bytes that cannot be read", n, len(b))
		return
	}
	*s = seat{t.packed.Put(n, b), r.last}
}

// codeActive writes or reads an active user.
func (t *Table) codeActive(c *state.Coder, n uint32, u *User) {
	if c.Reading() {
		u = new(User)
	}
	leaf := uint32(0)
	if !c.Reading() {
		leaf = t.numberOf(u.leaf)
	}
	if state.Uints(c, &leaf); c.Reading() && int(leaf) < len(t.leaves) {
		u.leaf = t.leaves[leaf]
	}
	u.code(c)
	if !c.Reading() {
		return
	}
	if int(leaf) >= len(t.leaves) || u.seat != n {
		c.Fail("user %d stands where %d should, with leaf %d of %d", u.seat, n, leaf, len(t.leaves))
		return
	}
	t.active = append(t.active, u)
}

func (u *User) code(c *state.Coder) {
	id := string(u.key)
	if c.String(&id); c.Reading() {
		u.key = []byte(id)
	}
	state.Uints(c, &u.seat)
	state.Ints(c, &u.FirstAt, &u.LastAt, &u.bucket, &u.since, &u.evenSince)
	for _, n := range []*Counts{&u.now, &u.today, &u.past, &u.recent, &u.standing} {
		n.code(c)
	}
	for _, s := range []*spread{&u.gaps, &u.logsToday, &u.logsPast} {
		s.code(c)
	}
	c.Floats32(&u.pastDays, &u.pastActive, &u.volume, &u.novel, &u.novelNow, &u.strange, &u.strangeNow, &u.dayVolume, &u.dayNovel,
		&u.short.credits, &u.short.rows, &u.short.requests, &u.slow.sum, &u.slow.squares, &u.lately.n, &u.lately.sum, &u.evenness.n, &u.evenness.sum)
	state.Ints(c, &u.created, &u.dayNo, &u.hourNo, &u.freshMeasure, &u.dayMeasure, &u.slow.from, &u.weighedIn, &u.saidIn, &u.strongIn)
	state.Uints(c, &u.awake, &u.novelAwake)
	for i := range u.turns {
		state.Uints(c, &u.turns[i])
	}
	state.Uints(c, &u.turnAt, &u.dayOf, &u.heldDays, &u.slow.gaps, &u.slow.idle, &u.bout.large, &u.bout.length)
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
