package localise

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

const (
	// denseCells is how many cells are numbered by their values, whether leaves lie in them or not; more than that are numbered
	// as they occur.
	denseCells = 1 << 20
	// sparseCells bounds leaves times cuboids, and so memory, of tables that are numbered as they occur.
	sparseCells = 1 << 24
)

// cells numbers the cells of a cube: a value of each of some dimensions. The set of dimensions, a cuboid, is a bit mask.
type cells struct {
	cards  []int
	leaves [][]uint32 // values by leaf, then dimension; 0 is unknown, and in no cell that names its dimension
	masks  []int      // cuboids that are searched, by layer
	n      int        // of cells
	stride []int      // dense: the number of a cell is the sum of value times stride
	ids    [][]int32  // sparse: by mask, then leaf; -1 for none
	of     []int32    // the mask of each cell
	sorted [][]int32  // sparse: by mask, the leaves in the order of their cells
	first  [][]int32  // sparse: by mask, the first of each cell in sorted; cells of one mask are numbered without gaps
	base   []int      // sparse: by mask, the number of its first cell
}

func newCells(cards []int, leaves [][]uint32) *cells {
	c := &cells{cards: cards, leaves: leaves}
	size := 1
	for _, card := range cards {
		if size *= card + 1; size > denseCells {
			c.number()
			return c
		}
	}
	c.stride, c.n = make([]int, len(cards)), 1
	for d := len(cards) - 1; d >= 0; d-- {
		c.stride[d] = c.n
		c.n *= cards[d] + 1
	}
	for m := range 1 << len(cards) {
		c.masks = append(c.masks, m)
	}
	c.of = make([]int32, c.n)
	for d, st := range c.stride {
		block := st * (cards[d] + 1)
		for lo := 0; lo < c.n; lo += block {
			for cell := lo + st; cell < lo+block; cell++ {
				c.of[cell] |= 1 << d
			}
		}
	}
	return c
}

// number numbers cells as they occur, cuboid by cuboid, those of few dimensions first, as far as memory is given.
func (c *cells) number() {
	d := len(c.cards)
	for m := range 1 << d {
		c.masks = append(c.masks, m)
	}
	slices.SortStableFunc(c.masks, func(a, b int) int { return bits.OnesCount(uint(a)) - bits.OnesCount(uint(b)) })
	if most := max(sparseCells/max(len(c.leaves), 1), d+1); len(c.masks) > most {
		for bits.OnesCount(uint(c.masks[most-1])) == bits.OnesCount(uint(c.masks[most])) { // whole layers only
			most--
		}
		c.masks = c.masks[:most]
	}
	c.ids, c.sorted, c.first, c.base = make([][]int32, 1<<d), make([][]int32, 1<<d), make([][]int32, 1<<d), make([]int, 1<<d)
	for _, m := range c.masks {
		c.base[m] = c.n
		c.ids[m] = make([]int32, len(c.leaves))
		if m == 0 {
			c.n = 1
		} else {
			// A cell is one with a dimension less, and a value of that.
			last := bits.Len(uint(m)) - 1
			seen, parent := map[uint64]int32{}, c.ids[m&^(1<<last)]
			for i, l := range c.leaves {
				if parent[i] < 0 || l[last] == 0 {
					c.ids[m][i] = -1
					continue
				}
				key := uint64(parent[i])<<32 | uint64(l[last])
				id, ok := seen[key]
				if !ok {
					id = int32(c.n)
					seen[key], c.n = id, c.n+1
				}
				c.ids[m][i] = id
			}
		}
		count := c.n - c.base[m]
		c.first[m] = make([]int32, count+1)
		for _, id := range c.ids[m] {
			if id >= 0 {
				c.first[m][int(id)-c.base[m]+1]++
			}
		}
		for k := range count {
			c.first[m][k+1] += c.first[m][k]
			c.of = append(c.of, int32(m))
		}
		c.sorted[m] = make([]int32, c.first[m][count])
		at := slices.Clone(c.first[m])
		for i, id := range c.ids[m] {
			if id >= 0 {
				k := int(id) - c.base[m]
				c.sorted[m][at[k]] = int32(i)
				at[k]++
			}
		}
	}
}

// mask returns the dimensions that cell names.
func (c *cells) mask(cell int) int { return int(c.of[cell]) }

// values returns a value of each dimension, 0 for any.
func (c *cells) values(cell int) []uint32 {
	out := make([]uint32, len(c.cards))
	if c.ids == nil {
		for d, st := range c.stride {
			out[d] = uint32(cell / st % (c.cards[d] + 1))
		}
		return out
	}
	m := int(c.of[cell])
	if m == 0 {
		return out // it may have no leaf
	}
	l := c.leaves[c.sorted[m][c.first[m][cell-c.base[m]]]]
	for d := range out {
		if m>>d&1 == 1 {
			out[d] = l[d]
		}
	}
	return out
}

// within appends the leaves of a cell.
func (c *cells) within(dst []int, cell int) []int {
	if c.ids != nil {
		m := int(c.of[cell])
		k := cell - c.base[m]
		for _, i := range c.sorted[m][c.first[m][k]:c.first[m][k+1]] {
			dst = append(dst, int(i))
		}
		return dst
	}
	v := c.values(cell)
next:
	for i, l := range c.leaves {
		for d, x := range v {
			if x != 0 && l[d] != x {
				continue next
			}
		}
		dst = append(dst, i)
	}
	return dst
}

// above appends the cells that leaf lies in.
func (c *cells) above(dst []int, leaf int) []int {
	if c.ids != nil {
		for _, m := range c.masks {
			if id := c.ids[m][leaf]; id >= 0 {
				dst = append(dst, int(id))
			}
		}
		return dst
	}
	from := len(dst)
	dst = append(dst, 0)
	for d, v := range c.leaves[leaf] {
		if v != 0 {
			for _, cell := range dst[from:] {
				dst = append(dst, cell+int(v)*c.stride[d])
			}
		}
	}
	return dst
}

// children appends the cells that name a value of dimension d besides what cell names.
func (c *cells) children(dst []int, cell, d int) []int {
	if c.ids == nil {
		for v := 1; v <= c.cards[d]; v++ {
			dst = append(dst, cell+v*c.stride[d])
		}
		return dst
	}
	m := int(c.of[cell])
	ids, from := c.ids[m|1<<d], len(dst)
	if ids == nil {
		return dst
	}
	k := cell - c.base[m]
	for _, i := range c.sorted[m][c.first[m][k]:c.first[m][k+1]] {
		if ids[i] >= 0 {
			dst = append(dst, int(ids[i]))
		}
	}
	slices.Sort(dst[from:])
	return dst[:from+len(slices.Compact(dst[from:]))]
}

// table holds what is kept of each cell: width sums over its leaves.
type table struct {
	width int
	sums  []float64
}

func (t *table) at(cell int) []float64 {
	return t.sums[cell*t.width : (cell+1)*t.width : (cell+1)*t.width]
}

func add(dst, src []float64) {
	for k, x := range src {
		dst[k] += x
	}
}

func subtract(dst, src []float64) {
	for k, x := range src {
		dst[k] -= x
	}
}

// total adds up what leaves have, width numbers each, into all cells.
func (c *cells) total(leaves []float64, width int) table {
	t := table{width: width, sums: make([]float64, c.n*width)}
	if c.ids != nil {
		for _, m := range c.masks {
			for i, id := range c.ids[m] {
				if id >= 0 {
					add(t.at(int(id)), leaves[i*width:(i+1)*width])
				}
			}
		}
		return t
	}
	for i, l := range c.leaves {
		cell := 0
		for d, v := range l {
			cell += int(v) * c.stride[d]
		}
		add(t.at(cell), leaves[i*width:(i+1)*width])
	}
	// A dimension at a time: cells that name none of its values get the sum of those that do, and of leaves where it is unknown.
	for d, st := range c.stride {
		row := st * width
		for lo := 0; lo < len(t.sums); lo += row * (c.cards[d] + 1) {
			whole := t.sums[lo : lo+row]
			for v := 1; v <= c.cards[d]; v++ {
				add(whole, t.sums[lo+v*row:lo+(v+1)*row])
			}
		}
	}
	return t
}

// describe returns, by mask, the length of a cell's description in nats: how many dimensions, which, and a value of each.
func (c *cells) describe() []float64 {
	d := len(c.cards)
	out := make([]float64, 1<<d)
	lnFactorial := func(n int) float64 { v, _ := math.Lgamma(float64(n) + 1); return v }
	for m := range out {
		k := bits.OnesCount(uint(m))
		out[m] = math.Log(float64(d+1)) + lnFactorial(d) - lnFactorial(k) - lnFactorial(d-k)
		for i, card := range c.cards {
			if m>>i&1 == 1 {
				out[m] += math.Log(float64(card))
			}
		}
	}
	return out
}

// simpler orders cells for ties: fewer dimensions, then earlier ones, then earlier values.
func (c *cells) simpler(a, b int) int {
	ma, mb := uint(c.mask(a)), uint(c.mask(b))
	if o := cmp.Or(cmp.Compare(bits.OnesCount(ma), bits.OnesCount(mb)), cmp.Compare(bits.Reverse(mb), bits.Reverse(ma))); o != 0 {
		return o
	}
	return slices.Compare(c.values(a), c.values(b))
}
