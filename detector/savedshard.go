package detector

import (
	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dedupe"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/window"
)

// Layouts of what is kept. Whatever changes in a Code method that one of them reaches, in whatever package, counts its layout up:
// a program reads its own layout only.
const (
	shardLayout   = 15
	fleetLayout   = 18
	bookingLayout = 1
)

// AppendBinary appends the shard's state as it is now, in one.
func (s *shard) AppendBinary(dst []byte) []byte {
	return state.Append(dst, "shard", shardLayout, s.code)
}

// code writes or reads the shard in one.
func (s *shard) code(c *state.Coder) {
	s.codeRest(c)
	s.users.Code(c)
	for _, x := range s.class.sets() {
		x.Code(c)
	}
	s.class.gauges.Code(c)
	s.budgets.Code(c)
	s.ties.Code(c, codeDay)
	s.threads.Code(c)
}

// codeHead writes or reads what is kept besides the pieces.
func (s *shard) codeHead(c *state.Coder) {
	s.codeRest(c)
	s.users.CodeHead(c)
	for _, x := range s.class.sets() {
		x.CodeHead(c)
	}
	s.class.gauges.CodeHead(c)
	s.budgets.CodeHead(c)
	s.ties.CodeHead(c)
	s.threads.CodeHead(c)
}

// codeRest writes or reads what is small. What the configuration says is not kept: it holds from the restart on.
func (s *shard) codeRest(c *state.Coder) {
	partition := s.partition
	if state.Ints(c, &partition); partition != s.partition {
		c.Fail("the state is of partition %d, not %d", partition, s.partition)
		return
	}
	state.Ints(c, &s.planned, &s.closed, &s.nearNow, &s.resets, &s.offset, &s.lastHour)
	s.leaves.Code(c)
	s.clock.code(c)
	s.class.book.Code(c)
	codePlans(c, &s.plans)
	state.Map(c, &s.open, func(at *int64) { state.Ints(c, at) }, func(p **tick) {
		if state.Opt(c, p, func(k *tick) { k.code(c) }); *p == nil {
			c.Fail("a tick is missing")
		}
	})
	s.late.code(c)
	clear(s.late.cells) // late rows are looked for in order
	state.Slice(c, &s.findings, func(f *profile.Finding) { f.Code(c) })
	state.Slice(c, &s.links, func(l *link) { l.code(c) })
	state.Slice(c, &s.runs, func(l *link) { l.code(c) })
	if c.Reading() {
		for i := range s.runs {
			s.running[xxhash.Sum64String(s.runs[i].user)] = i
		}
	}
	state.Map(c, &s.near, c.String, func(at *int64) { state.Ints(c, at) })
	s.counts.code(c)
	codeIndex(c, &s.index)
	state.Ints(c, &s.said, &s.muted)
	c.String(&s.told)
	state.Slice(c, &s.pauses, func(p *Pause) { state.Ints(c, &p.Seq, &p.Offset) })
	if s.open == nil || s.near == nil {
		c.Fail("a map of the shard is missing")
	}
}

// sets are the memories of what was counted.
func (c *classifier) sets() []*dedupe.Set { return []*dedupe.Set{c.rows, c.requests, c.copies} }

func codeIndex(c *state.Coder, index *[]hourOffset) {
	state.Slice(c, index, func(h *hourOffset) { state.Ints(c, &h.at, &h.offset) })
}

func (c *clock) code(to *state.Coder) {
	state.Ints(to, &c.head, &c.top.at, &c.second.at)
	state.Uints(to, &c.top.user, &c.second.user)
	to.Bools(&c.started)
	state.Ints(to, &c.near, &c.run)
	state.Slice(to, &c.held, func(r *Record) {
		state.Ints(to, &r.Partition)
		state.Ints(to, &r.Offset)
		to.Strings(&r.Key, &r.Value)
	})
	state.Slice(to, &c.heldAt, func(at *int64) { state.Ints(to, at) })
	state.Slice(to, &c.heldBy, func(by *uint64) { state.Uints(to, by) })
	if len(c.heldAt) != len(c.held) || len(c.heldBy) != len(c.held) {
		to.Fail("%d rows are held, with %d times of %d users", len(c.held), len(c.heldAt), len(c.heldBy))
	}
}

func (t *tick) code(c *state.Coder) {
	codeCells(c, &t.order)
	if c.Reading() {
		t.cells = map[*cohort.Leaf]*cohort.Cell{}
		for _, x := range t.order {
			t.cells[x.leaf] = x.cell
		}
	}
}

func codeCells(c *state.Coder, cells *[]cellAt) {
	codeCellsAs(c, cells, func(p **cohort.Leaf) { cohort.CodeLeaf(c, p) })
}

// codeCellsAs writes or reads cells, with their leaves as leaf does.
func codeCellsAs(c *state.Coder, cells *[]cellAt, leaf func(**cohort.Leaf)) {
	state.Slice(c, cells, func(x *cellAt) {
		leaf(&x.leaf)
		state.Ints(c, &x.at)
		if state.Opt(c, &x.cell, func(cell *cohort.Cell) { cell.Code(c) }); x.leaf == nil || x.cell == nil {
			c.Fail("a cell is missing")
		}
	})
}

func codePlans(c *state.Coder, plans *[]window.State) {
	state.Slice(c, plans, func(s *window.State) { s.Code(c) })
}

func (l *link) code(c *state.Coder) {
	c.Strings(&l.user, &l.org)
	c.Strings(&l.on[0], &l.on[1], &l.on[2])
	state.Ints(c, &l.created, &l.from, &l.at)
	c.Bools(&l.hour)
	state.Ints(c, &l.credits)
	state.Uints(c, &l.used)
}

func (n *rowCounts) code(c *state.Coder) {
	state.Ints(c, &n.Rows, &n.Counted, &n.Duplicates, &n.Conflicts, &n.Late, &n.TimeAhead, &n.First, &n.Last)
}
