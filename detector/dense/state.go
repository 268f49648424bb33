package dense

import (
	"encoding/binary"

	"github.com/drainwatch/drainwatch/detector/state"
)

// pieceLen is how many numbers are kept as one piece.
const pieceLen = 4096

// CodeFree writes or reads which numbers are free, in the order in which they are given again; the hashes are to be written or
// read by CodeHash. most bounds what is believed.
func (x *Index) CodeFree(c *state.Coder, most uint32) (numbers uint32) {
	numbers = x.Cap()
	if state.Uints(c, &numbers); c.Reading() {
		if *x = (Index{}); numbers > most {
			c.Fail("there are %d numbers, more than %d", numbers, most)
			numbers = 0
		}
	}
	state.Slice(c, &x.free, func(f *uint32) { state.Uints(c, f) })
	return numbers
}

// CodeHash writes the hash of a number, which is none if it is free, or reads it: then numbers are due in order.
func (x *Index) CodeHash(c *state.Coder, n uint32, hash uint64) {
	b := c.Raw(8)
	switch {
	case !c.Reading():
		binary.LittleEndian.PutUint64(b, hash)
		return
	case b == nil:
		return
	}
	hash = binary.LittleEndian.Uint64(b)
	x.hash.Grow(n + 1)
	*x.hash.At(n) = none
	if hash == none {
		return
	}
	if _, twice := x.Find(hash); twice {
		c.Fail("hash %x is there twice", hash)
		return
	}
	x.put(hash, n)
}

// Check says whether what was read fits together. Whoever goes over the numbers of what does not finds none.
func (x *Index) Check(c *state.Coder, numbers uint32) {
	if !c.Reading() {
		return
	}
	if c.Err() != nil { // not all numbers were read
		*x = Index{}
		return
	}
	given := make(map[uint32]bool, len(x.free))
	for _, f := range x.free {
		if f >= numbers || x.Hash(f) != none || given[f] {
			c.Fail("number %d is free, and is not", f)
			break
		}
		given[f] = true
	}
	if x.len+len(given) != int(numbers) {
		c.Fail("%d numbers of %d are taken, and %d free", x.len, numbers, len(given))
	}
	if c.Err() != nil {
		*x = Index{}
	}
}

// tablePieces is a table as it is kept.
type tablePieces[T any] struct {
	*Table[T]
	code func(*T, *state.Coder)
}

// Pieces returns the table as it is kept, beside its head: value writes or reads what belongs to a hash. Whoever reads, reads the head first.
func (t *Table[T]) Pieces(value func(*T, *state.Coder)) state.Pieces {
	return tablePieces[T]{t, value}
}

// Mark implements state.Pieces.
func (t *Table[T]) Mark() {
	t.changes.Mark()
	t.marked, t.before = t.index.Cap(), map[uint32]entry[T]{}
}

// Range implements state.Pieces.
func (t *Table[T]) Range() (from, to int) { return 0, int((t.marked + pieceLen - 1) / pieceLen) }

// Release implements state.Pieces.
func (t *Table[T]) Release() {
	t.changes.Release()
	t.before = nil
}

// Changed implements state.Pieces.
func (t *Table[T]) Changed(k int) bool { return t.changes.Changed(k) }

// CodeHead writes or reads what stands before the pieces.
func (t *Table[T]) CodeHead(c *state.Coder) {
	numbers := t.index.CodeFree(c, 1<<26)
	if !c.Reading() {
		return
	}
	free := t.index.free
	*t = Table[T]{marked: numbers}
	if t.index.free = free; numbers == 0 {
		t.index.Check(c, 0)
	}
}

// Code implements state.Pieces.
func (p tablePieces[T]) Code(c *state.Coder, k int) {
	for n := uint32(k) * pieceLen; n < min(uint32(k+1)*pieceLen, p.marked) && c.Err() == nil; n++ {
		if was, ok := p.before[n]; ok && !c.Reading() {
			if p.index.CodeHash(c, n, was.hash); was.hash != none {
				p.code(&was.value, c)
			}
			continue
		}
		p.codeNumber(c, n, p.code)
	}
	if !c.Reading() {
		p.changes.Written(k)
	} else if _, of := p.Range(); k == of-1 {
		p.index.Check(c, p.marked)
	}
}

func (t *Table[T]) codeNumber(c *state.Coder, n uint32, value func(*T, *state.Coder)) {
	hash := uint64(none)
	if !c.Reading() {
		hash = t.index.Hash(n)
	}
	t.index.CodeHash(c, n, hash)
	t.value.Grow(n + 1)
	if c.Err() == nil && t.index.Hash(n) != none {
		value(t.value.At(n), c)
	}
}

// Code writes or reads all of the table as it is now.
func (t *Table[T]) Code(c *state.Coder, value func(*T, *state.Coder)) {
	t.CodeHead(c)
	numbers := t.marked
	if !c.Reading() {
		numbers = t.index.Cap()
	}
	for n := uint32(0); n < numbers && c.Err() == nil; n++ {
		t.codeNumber(c, n, value)
	}
	t.index.Check(c, numbers)
}
