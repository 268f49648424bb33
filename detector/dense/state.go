package dense

import (
	"encoding/binary"

	"github.com/drainwatch/drainwatch/detector/state"
)

// Code writes or reads the index: hashes keep their numbers, and free numbers the order in which they are given again.
func (x *Index) Code(c *state.Coder) {
	n := c.Count(int(x.Cap()), 8)
	b := c.Raw(8 * n)
	if c.Reading() {
		*x = Index{}
		x.hash.Grow(uint32(len(b) / 8))
	}
	for i := range uint32(len(b) / 8) {
		if at := b[8*i:]; c.Reading() {
			x.restore(c, i, binary.LittleEndian.Uint64(at))
		} else {
			binary.LittleEndian.PutUint64(at, x.Hash(i))
		}
	}
	given := map[uint32]bool{}
	state.Slice(c, &x.free, func(f *uint32) {
		if state.Uints(c, f); c.Reading() {
			if *f >= uint32(n) || x.Hash(*f) != none || given[*f] {
				c.Fail("number %d is free, and is not", *f)
			}
			given[*f] = true
		}
	})
	if c.Reading() && x.len+len(given) != n {
		c.Fail("%d numbers of %d are taken, and %d free", x.len, n, len(given))
	}
	if c.Reading() && c.Err() != nil {
		*x = Index{} // whoever goes over its numbers finds none
	}
}

// restore puts a hash back under its number.
func (x *Index) restore(c *state.Coder, n uint32, hash uint64) {
	*x.hash.At(n) = none
	if hash == none || c.Err() != nil {
		return
	}
	if _, twice := x.Find(hash); twice {
		c.Fail("hash %x is there twice", hash)
		return
	}
	x.put(hash, n)
}

// Code writes or reads the table; value writes or reads what belongs to a hash.
func (t *Table[T]) Code(c *state.Coder, value func(*T)) {
	if t.index.Code(c); c.Reading() {
		t.value = Column[T]{}
		t.value.Grow(t.index.Cap())
	}
	for n := range t.index.Cap() {
		if t.index.Hash(n) != none && c.Err() == nil {
			value(t.value.At(n))
		}
	}
}
