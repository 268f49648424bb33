package dedupe

import (
	"encoding/binary"
	"time"

	"github.com/drainwatch/drainwatch/detector/state"
)

// Code writes or reads what the set remembers: 12 bytes an entry, in the order of arrival. The tables are built anew, so under the
// memory cap the moment at which the oldest are forgotten before their time may differ from what it would have been. The
// window must be that of the set which was written; the memory may be another.
func (s *Set) Code(c *state.Coder) {
	length := s.segment
	if state.Ints(c, &length); length != s.segment {
		c.Fail("ids were remembered for %v, and the configuration says %v", time.Duration(length*segmentsPerWindow), time.Duration(s.segment*segmentsPerWindow))
		return
	}
	state.Ints(c, &s.hour, &s.hourEnd)
	c.Bools(&s.started)
	state.Uints(c, &s.overflowed)
	first := s.log.first
	state.Uints(c, &first)
	n := c.Count(int(s.log.live()), 12)
	b := c.Raw(12 * n)
	if c.Reading() {
		s.log = log{base: first - first%blockLen, first: first, next: first}
		s.index, s.scratch, s.tableBytes, s.tidied = [shards]table{}, nil, 0, shards
		if first != s.log.base {
			s.log.grow()
		}
	}
	for i := range n {
		at := b[12*i : 12*i+12]
		if !c.Reading() {
			block, k := s.log.at(first + uint64(i))
			binary.LittleEndian.PutUint64(at, block.prints[k])
			binary.LittleEndian.PutUint32(at[8:], block.contents[k])
			continue
		}
		if s.log.full() {
			s.log.grow()
		}
		s.log.append(binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint32(at[8:]))
	}
	state.Slice(c, &s.segments, func(x *segment) {
		state.Ints(c, &x.hour)
		state.Uints(c, &x.first)
	})
	if c.Reading() {
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
