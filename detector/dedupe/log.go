package dedupe

const (
	blockLen   = 4096
	blockBytes = blockLen * (8 + 4)

	// maxLive keeps the live positions of the log apart in the 32 bits that a slot has for them.
	maxLive = 1<<32 - 2*blockLen
)

// block holds entries in the order of their arrival. It has no pointers, so the garbage collector does not look inside.
type block struct {
	prints   [blockLen]uint64
	contents [blockLen]uint32
}

// log is the queue of entries: positions first up to next are live, and only ever added at the end and forgotten at the
// front.
type log struct {
	blocks      []*block
	base        uint64 // position of the first entry of blocks[0], a multiple of blockLen
	first, next uint64
}

func (l *log) live() uint64 { return l.next - l.first }

func (l *log) bytes() int64 { return int64(len(l.blocks))*blockBytes + int64(cap(l.blocks))*8 }

// full reports whether the next entry needs a new block.
func (l *log) full() bool { return l.next == l.base+uint64(len(l.blocks))*blockLen }

// growth returns what grow adds to bytes, or more.
func (l *log) growth() int64 {
	if len(l.blocks) < cap(l.blocks) {
		return blockBytes
	}
	return blockBytes + 8*int64(cap(l.blocks)+8)
}

func (l *log) grow() { l.blocks = append(l.blocks, new(block)) }

// append adds an entry; there must be room.
func (l *log) append(print uint64, content uint32) uint64 {
	b, i := l.at(l.next)
	b.prints[i], b.contents[i] = print, content
	l.next++
	return l.next - 1
}

func (l *log) at(pos uint64) (*block, uint64) {
	return l.blocks[(pos-l.base)/blockLen], pos % blockLen
}

// isLive reports whether the entry whose position ends in these 32 bits is still remembered.
func (l *log) isLive(low uint32) bool { return low-uint32(l.first) < uint32(l.next-l.first) }

// widen returns the whole position of a live entry.
func (l *log) widen(low uint32) uint64 { return l.first + uint64(low-uint32(l.first)) }

// forget moves the start of the log and releases the blocks before it.
func (l *log) forget(first uint64) {
	l.first = first
	gone := int((first - l.base) / blockLen)
	clear(l.blocks[:gone])
	l.blocks = l.blocks[gone:]
	l.base += uint64(gone) * blockLen
}
