package dense

import "math"

// Loads of a part of the index, in percent: it grows at maxLoad, to growLoad.
const (
	maxLoad  = 85
	growLoad = 65
	parts    = 256
	minPart  = 4

	none = math.MaxUint64
)

// Index numbers hashes from 0 on; numbers of removed hashes are given again, the latest first. The zero value is empty. A hash
// costs 8 bytes and, between two growths, 5 to 6 of slots. It grows by 256ths, so no call stalls. The greatest hash is taken
// for the one before.
type Index struct {
	parts [parts]part
	hash  Column[uint64]
	free  []uint32
	len   int
}

// part is an open-addressing table with linear probing. A slot is zero, or a number plus 1.
type part struct {
	slots []uint32
	used  int
}

// Len returns the number of hashes.
func (x *Index) Len() int { return x.len }

// Cap returns the number that bounds all that were given.
func (x *Index) Cap() uint32 { return uint32(x.len + len(x.free)) }

// Hash returns the hash of a number below Cap, none if it is free.
func (x *Index) Hash(n uint32) uint64 { return *x.hash.At(n) }

// Taken says whether a number is that of a hash.
func (x *Index) Taken(n uint32) bool { return n < x.Cap() && x.Hash(n) != none }

// Find returns the number of a hash. Cost: about one look at the slots and one at the hashes.
func (x *Index) Find(hash uint64) (n uint32, ok bool) {
	hash = min(hash, none-1)
	p := &x.parts[hash>>56]
	if p.used == 0 {
		return 0, false
	}
	for i := home(hash, len(p.slots)); p.slots[i] != 0; {
		if n := p.slots[i] - 1; *x.hash.At(n) == hash {
			return n, true
		}
		if i++; i == len(p.slots) {
			i = 0
		}
	}
	return 0, false
}

// Next returns the number that the next hash will get.
func (x *Index) Next() uint32 {
	if k := len(x.free); k > 0 {
		return x.free[k-1]
	}
	return x.Cap()
}

// Add numbers a hash that is not there.
func (x *Index) Add(hash uint64) (n uint32) {
	hash, n = min(hash, none-1), x.Next()
	if k := len(x.free); k > 0 {
		x.free = x.free[:k-1]
	}
	x.hash.Grow(n + 1)
	x.put(hash, n)
	return n
}

// put enters a hash under its number, for which there is room.
func (x *Index) put(hash uint64, n uint32) {
	*x.hash.At(n) = hash
	x.len++
	p := &x.parts[hash>>56]
	if (p.used+1)*100 > len(p.slots)*maxLoad {
		old := p.slots
		p.slots = make([]uint32, max((p.used+1)*100/growLoad+1, minPart))
		for _, s := range old {
			if s != 0 {
				p.put(*x.hash.At(s - 1), s)
			}
		}
	}
	p.used++
	p.put(hash, n+1)
}

// Remove gives up a number and its hash.
func (x *Index) Remove(n uint32) {
	hash := x.Hash(n)
	p := &x.parts[hash>>56]
	size := len(p.slots)
	hole := home(hash, size)
	for p.slots[hole] != n+1 {
		hole = (hole + 1) % size
	}
	// What follows in the run moves up, unless its run begins behind the hole.
	for i := (hole + 1) % size; p.slots[i] != 0; i = (i + 1) % size {
		h := home(x.Hash(p.slots[i]-1), size)
		if (i-h+size)%size >= (i-hole+size)%size {
			p.slots[hole], hole = p.slots[i], i
		}
	}
	p.slots[hole] = 0
	*x.hash.At(n) = none
	p.used--
	x.len--
	x.free = append(x.free, n)
}

func (p *part) put(hash uint64, slot uint32) {
	i := home(hash, len(p.slots))
	for p.slots[i] != 0 {
		if i++; i == len(p.slots) {
			i = 0
		}
	}
	p.slots[i] = slot
}

// home returns where a hash's run begins. The part is chosen by other bits.
func home(hash uint64, slots int) int { return int(uint64(uint32(hash)) * uint64(slots) >> 32) }
