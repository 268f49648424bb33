package state

// Pieces is what is kept piece by piece, so that a piece that has not changed need not be written again, and the others not all at
// once: they are written while what they are of goes on changing.
type Pieces interface {
	// Mark fixes what Code writes until the next Mark: what there is now. Cost: next to none; it copies no piece.
	Mark()
	// Range returns the numbers of the pieces as of the mark: from, and up to. In reading, what was read before says so.
	Range() (from, to int)
	// Changed says whether a piece has changed from the mark before to this one, or since it was read.
	Changed(k int) bool
	// Code writes a piece as of the mark, or reads it. Pieces are due in order, once a mark; some may be left out in writing.
	Code(c *Coder, k int)
	// Release ends what Mark began: nothing more is written as of it.
	Release()
}

// Changes notes which pieces change. The zero value is that of no pieces.
type Changes struct {
	now, then []bool // since the mark, and from the one before to it
	marked    bool
	next      int // pieces from here on are not written yet as of the mark
}

// Change notes that a piece is about to change, and says whether what it was is needed still: it is not written yet.
func (x *Changes) Change(k int) bool {
	for k >= len(x.now) {
		x.now = append(x.now, false)
	}
	x.now[k] = true
	return x.marked && k >= x.next
}

// Open says whether a piece is not written yet as of the mark.
func (x *Changes) Open(k int) bool { return x.marked && k >= x.next }

// Mark begins anew.
func (x *Changes) Mark() {
	x.then, x.now = x.now, append(x.then[:0], make([]bool, len(x.now))...)
	x.marked, x.next = true, 0
}

// Changed says whether a piece has changed from the mark before to this one.
func (x *Changes) Changed(k int) bool { return k < len(x.then) && x.then[k] }

// Written notes that a piece, and those before it, are written.
func (x *Changes) Written(k int) { x.next = k + 1 }

// Release notes that nothing more is written as of the mark.
func (x *Changes) Release() { x.marked = false }
