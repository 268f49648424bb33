package dedupe

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/state"
)

// pieceLen is how many entries are kept as one piece: some blocks.
const pieceLen = 16 * blockLen

// mark is the log as of a mark. Blocks are never changed but by what is added behind.
type mark struct {
	blocks      []*block
	base        uint64
	first, next uint64
	before      uint64 // next of the mark before, or of what was read
}

// Code writes or reads what the set remembers: 12 bytes an entry, in the order of arrival. The tables are built anew, so under the
// memory cap the moment at which the oldest are forgotten before their time may differ from what it would have been. The
// window must be that of the set which was written; the memory may be another.
func (s *Set) Code(c *state.Coder) {
	s.CodeHead(c)
	now := s.marked
	if !c.Reading() {
		now = mark{blocks: s.log.blocks, base: s.log.base, first: s.log.first, next: s.log.next}
	}
	for from, to := now.span(); from < to; from++ {
		s.codePiece(c, &now, from)
	}
}

// CodeHead writes or reads what stands before the pieces.
func (s *Set) CodeHead(c *state.Coder) {
	length := s.segment
	if state.Ints(c, &length); length != s.segment {
		c.Fail("ids were remembered for %v, and the configuration says %v", time.Duration(length*segmentsPerWindow), time.Duration(s.segment*segmentsPerWindow))
		return
	}
	state.Ints(c, &s.hour, &s.hourEnd)
	c.Bools(&s.started)
	state.Uints(c, &s.overflowed)
	first, next := s.log.first, s.log.next
	state.Uints(c, &first, &next)
	state.Slice(c, &s.segments, func(x *segment) {
		state.Ints(c, &x.hour)
		state.Uints(c, &x.first)
	})
	if !c.Reading() {
		return
	}
	if next < first || next-first > maxLive {
		c.Fail("ids from %d to %d are remembered", first, next)
		next = first
	}
	s.log = log{base: first - first%blockLen, first: first, next: first}
	s.index, s.scratch, s.tableBytes, s.tidied = [shards]table{}, nil, 0, shards
	if first != s.log.base {
		s.log.grow()
	}
	s.marked = mark{first: first, next: next, before: next}
	if first == next {
		s.relink(c)
	}
}

// Mark implements state.Pieces.
func (s *Set) Mark() {
	s.marked = mark{blocks: slices.Clone(s.log.blocks), base: s.log.base, first: s.log.first, next: s.log.next, before: s.marked.next}
}

// Release implements state.Pieces.
func (s *Set) Release() { s.marked.blocks = nil }

// Range implements state.Pieces.
func (s *Set) Range() (from, to int) { return s.marked.span() }

func (m *mark) span() (from, to int) {
	if m.first == m.next {
		return 0, 0
	}
	return int(m.first / pieceLen), int((m.next-1)/pieceLen) + 1
}

// Changed implements state.Pieces. What is forgotten does not change a piece.
func (s *Set) Changed(k int) bool {
	return s.marked.next > s.marked.before && uint64(k+1)*pieceLen > s.marked.before
}

// pieces is a set as it is kept.
type pieces struct{ *Set }

// Pieces returns the set as it is kept, beside its head. Whoever reads, reads the head first.
func (s *Set) Pieces() state.Pieces { return pieces{s} }

// Code implements state.Pieces.
func (s pieces) Code(c *state.Coder, k int) { s.codePiece(c, &s.marked, k) }

func (s *Set) codePiece(c *state.Coder, m *mark, k int) {
	first := max(m.first, uint64(k)*pieceLen)
	n := int(min(m.next, uint64(k+1)*pieceLen) - first)
	state.Uints(c, &first)
	b := c.Raw(12 * c.Count(n, 12))
	if c.Reading() {
		s.readPiece(c, first, b)
		return
	}
	for i := range n {
		pos := first + uint64(i) - m.base
		block, at := m.blocks[pos/blockLen], b[12*i:12*i+12]
		binary.LittleEndian.PutUint64(at, block.prints[pos%blockLen])
		binary.LittleEndian.PutUint32(at[8:], block.contents[pos%blockLen])
	}
}

// readPiece adds entries to the log, but for those forgotten since they were written.
func (s *Set) readPiece(c *state.Coder, first uint64, b []byte) {
	if first > s.log.next || s.log.next-first > pieceLen || s.log.live() > 0 && first != s.log.next {
		c.Fail("ids go on at %d, and not at %d", first, s.log.next)
		return
	}
	b = b[min(12*int(s.log.next-first), len(b)):]
	for ; len(b) > 0 && s.log.next < s.marked.next; b = b[12:] {
		if s.log.full() {
			s.log.grow()
		}
		s.log.append(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:]))
	}
	if s.log.next == s.marked.next {
		s.relink(c)
	}
}

// relink builds the tables over the log.
func (s *Set) relink(c *state.Coder) {
	for i, x := range s.segments {
		if x.first < s.log.first || x.first > s.log.next || i > 0 && x.first < s.segments[i-1].first {
			c.Fail("an hour of ids begins at %d, outside of what is remembered", x.first)
		}
	}
	if s.log.live() > maxLive || s.log.live() > 0 && len(s.segments) == 0 || s.log.first+s.log.live() < s.log.first {
		c.Fail("%d ids belong to no hour", s.log.live())
	}
	if c.Err() != nil {
		return
	}
	var alive [shards]int
	for pos := s.log.first; pos < s.log.next; pos++ {
		b, i := s.log.at(pos)
		alive[b.prints[i]>>(64-shardBits)]++
	}
	for t, n := range alive {
		if n > 0 {
			size := max(n*100/growLoad+1, minSlots)
			s.index[t].slots = make([]uint64, size)
			s.tableBytes += int64(size) * slotBytes
		}
	}
	for pos := s.log.first; pos < s.log.next; pos++ {
		b, i := s.log.at(pos)
		t, tag := &s.index[b.prints[i]>>(64-shardBits)], tag(b.prints[i])
		t.slots[t.vacancy(tag)] = uint64(tag)<<32 | uint64(uint32(pos))
		t.used++
	}
}
