package dedupe

const (
	shardBits = 10
	shards    = 1 << shardBits
	slotBytes = 8

	// fixedBytes is the size of an empty set, nearly all of it the headers of the tables.
	fixedBytes = shards*32 + 256

	minSlots = 8
	maxRun   = 2048 // slots looked at by one Add; a run of that length does not come about by chance below maxLoad
)

// Loads of a table, in percent. It is rebuilt at maxLoad. Where more than keepLoad would be alive afterwards it grows to
// growLoad, below shrinkLoad it shrinks to it, and in between only the dead slots go. So between two rebuilds there are inserts for
// nearly a quarter of the slots. Measured in a steady state of ten million rows: denser tables (80, 60, 55) save 3 bytes a row of
// 30 and cost 40 ns an Add of 120.
const (
	maxLoad    = 75
	keepLoad   = 52
	growLoad   = 45
	shrinkLoad = 20
)

// table is one open-addressing table with linear probing. A slot is zero, or 32 bits of the fingerprint, never zero, above the
// low 32 bits of the log position. Slots of forgotten entries stay until they are reused or the table is rebuilt.
type table struct {
	slots []uint64
	used  int // slots that are not zero
}

// tag returns the bits of a fingerprint that a slot keeps: those below the ones that choose the table.
func tag(print uint64) uint32 {
	return max(uint32(print>>(32-shardBits)), 1)
}

// home returns where a tag's run begins. It grows with the tag, so rebuilding walks both tables in order.
func home(tag uint32, slots int) int {
	return int(uint64(tag) * uint64(slots) >> 32)
}

func (s *Set) add(print uint64, content uint32) Verdict {
	if s.tidied < shards {
		s.tidy()
	}
	t := &s.index[print>>(64-shardBits)]
	tag := tag(print)
	slot, known, ok := s.find(t, tag, print)
	if known {
		b, i := s.log.at(s.log.widen(uint32(t.slots[slot])))
		if b.contents[i] == content {
			return Duplicate
		}
		return Conflict
	}
	if !ok {
		s.overflowed++
		return First
	}
	if s.log.full() {
		for s.log.live() > maxLive {
			s.evict()
		}
		s.reserve(s.log.growth())
		s.log.grow()
	}
	if slot < 0 || t.slots[slot] == 0 && (t.used+1)*100 > len(t.slots)*maxLoad {
		s.rebuild(t)
		slot = t.vacancy(tag)
	}
	if t.slots[slot] == 0 {
		t.used++
	}
	pos := s.remember(print, content)
	t.slots[slot] = uint64(tag)<<32 | uint64(uint32(pos))
	return First
}

// find looks a fingerprint up. Where it is unknown, slot is where it may be put: the first slot of its run that is
// dead or empty, or -1 if the table has none. It gives up, not ok, on a run that is too long.
func (s *Set) find(t *table, tag uint32, print uint64) (slot int, known, ok bool) {
	if len(t.slots) == 0 {
		return -1, false, true
	}
	slots := t.slots
	slot = -1
	i := home(tag, len(slots))
	for range maxRun {
		v := slots[i]
		if v == 0 {
			if slot < 0 {
				slot = i
			}
			return slot, false, true
		}
		if !s.log.isLive(uint32(v)) {
			if slot < 0 {
				slot = i
			}
		} else if uint32(v>>32) == tag {
			if b, j := s.log.at(s.log.widen(uint32(v))); b.prints[j] == print {
				return i, true, true
			}
		}
		if i++; i == len(slots) {
			i = 0
		}
	}
	return -1, false, false
}

// vacancy returns the first empty slot of a tag's run in a table that has just been rebuilt.
func (t *table) vacancy(tag uint32) int {
	i := home(tag, len(t.slots))
	for t.slots[i] != 0 {
		if i++; i == len(t.slots) {
			i = 0
		}
	}
	return i
}

// rebuild drops the dead slots of a table and sets its size by what is alive.
func (s *Set) rebuild(t *table) {
	n := len(t.slots)
	if more := n - len(s.scratch); more > 0 {
		s.reserve(int64(more) * slotBytes)
		s.scratch = make([]uint64, n)
	}
	alive := 0
	for _, v := range t.slots {
		s.scratch[alive] = v
		if v != 0 && s.log.isLive(uint32(v)) {
			alive++
		}
	}
	size := max(n, minSlots)
	switch {
	case (alive+1)*100 > size*keepLoad:
		size = (alive+1)*100/growLoad + 1
	case alive*100 < size*shrinkLoad:
		size = max((alive+1)*100/growLoad+1, minSlots)
	}
	if size == n {
		clear(t.slots)
	} else {
		s.reserve(int64(size-n) * slotBytes)
		t.slots = make([]uint64, size)
		s.tableBytes += int64(size-n) * slotBytes
	}
	for _, v := range s.scratch[:alive] {
		t.slots[t.vacancy(uint32(v>>32))] = v
	}
	t.used = alive
}

// tidy gives back memory that a busier time has left behind: after an hour is forgotten, each of the next Adds looks at
// one table, so that the work is spread.
func (s *Set) tidy() {
	t := &s.index[s.tidied]
	s.tidied++
	if average := int(s.log.live() / shards); len(t.slots) > minSlots && average*100 < len(t.slots)*shrinkLoad/2 {
		s.rebuild(t)
	}
}
