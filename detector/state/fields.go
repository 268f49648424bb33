package state

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// Integer is any type of whole numbers.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Ints are whole numbers, small ones in few bytes.
func Ints[T Integer](c *Coder, fields ...*T) {
	for _, p := range fields {
		x := int64(*p)
		z := c.uvarint(uint64(x)<<1 ^ uint64(x>>63))
		if c.reading {
			x = int64(z>>1) ^ -int64(z&1)
			if *p = T(x); int64(*p) != x {
				c.Fail("%d is out of the field's range", x)
			}
		}
	}
}

// Uints are whole numbers that are never negative.
func Uints[T ~uint8 | ~uint16 | ~uint32 | ~uint64](c *Coder, fields ...*T) {
	for _, p := range fields {
		v := c.uvarint(uint64(*p))
		if c.reading {
			if *p = T(v); uint64(*p) != v {
				c.Fail("%d is out of the field's range", v)
			}
		}
	}
}

// Floats are kept to the bit, round numbers in few bytes.
func Floats[T ~float64](c *Coder, fields ...*T) {
	for _, p := range fields {
		v := c.uvarint(bits.ReverseBytes64(math.Float64bits(float64(*p))))
		if c.reading {
			*p = T(math.Float64frombits(bits.ReverseBytes64(v)))
		}
	}
}

// Floats32 are kept to the bit.
func (c *Coder) Floats32(fields ...*float32) {
	for _, p := range fields {
		v := uint32(c.uvarint(uint64(bits.ReverseBytes32(math.Float32bits(*p)))))
		if c.reading {
			*p = math.Float32frombits(bits.ReverseBytes32(v))
		}
	}
}

// Bools take a byte each.
func (c *Coder) Bools(fields ...*bool) {
	for _, p := range fields {
		v := uint64(0)
		if *p {
			v = 1
		}
		if v = c.uvarint(v); v > 1 {
			c.Fail("%d is neither true nor false", v)
		}
		if c.reading {
			*p = v == 1
		}
	}
}

// String is a string, which shares no memory with what was read.
func (c *Coder) String(p *string) {
	n := c.Count(len(*p), 1)
	if !c.reading {
		c.buf = append(c.buf, *p...)
		return
	}
	*p = string(c.Raw(n))
}

// Bytes are kept as they are; none and nil are one.
func (c *Coder) Bytes(p *[]byte) {
	n := c.Count(len(*p), 1)
	if !c.reading {
		c.buf = append(c.buf, *p...)
		return
	}
	*p = slices.Clone(c.Raw(n))
}

// Strings are several.
func (c *Coder) Strings(fields ...*string) {
	for _, p := range fields {
		c.String(p)
	}
}

// Slice is a list; nil stays nil.
func Slice[T any](c *Coder, p *[]T, item func(*T)) {
	n, there := c.list(len(*p), *p != nil)
	if c.reading {
		if *p = nil; !there {
			return
		}
		*p = []T{}
		for i := 0; i < n && c.err == nil; i++ { // grown, not made: an item may be far larger than what it was read from
			var x T
			item(&x)
			*p = append(*p, x)
		}
		return
	}
	for i := range *p {
		item(&(*p)[i])
	}
}

// Map is a map in the order of its keys; nil stays nil.
func Map[K cmp.Ordered, V any](c *Coder, p *map[K]V, key func(*K), value func(*V)) {
	n, there := c.list(len(*p), *p != nil)
	if c.reading {
		if *p = nil; !there {
			return
		}
		*p = map[K]V{}
		var last K
		for i := 0; i < n && c.err == nil; i++ {
			var k K
			var v V
			if key(&k); i > 0 && k <= last {
				c.Fail("the keys of a map are not in order")
			}
			value(&v)
			(*p)[k], last = v, k
		}
		return
	}
	keys := make([]K, 0, len(*p))
	for k := range *p {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		v := (*p)[k]
		key(&k)
		value(&v)
	}
}

// Opt is what a pointer points to, if it does, and nobody else.
func Opt[T any](c *Coder, p **T, value func(*T)) {
	there := *p != nil
	if c.Bools(&there); !there {
		*p = nil
		return
	}
	if c.reading {
		*p = new(T)
	}
	value(*p)
}

// Ref is a pointer to what others point to as well: written where it first stands, and from then on by its number.
func Ref[T any](c *Coder, p **T, value func(*T)) {
	n, known := c.number(*p, *p == nil)
	ref(c, p, n, known, value)
}

// Equal is Ref for what never changes: pointers to equal values are one.
func Equal[T comparable](c *Coder, p **T, value func(*T)) {
	n, known := c.number(*p, *p == nil)
	if !c.reading && !known && *p != nil {
		was := n
		if n, known = c.numbers[**p]; !known {
			n = was
			c.numbers[**p] = n
		} else {
			c.numbers[*p], c.given = n, c.given-1
		}
	}
	ref(c, p, n, known, value)
}

// number returns the number of what is written, and whether it has been; 0 is nil.
func (c *Coder) number(p any, isNil bool) (n uint64, known bool) {
	if c.reading || isNil {
		return 0, isNil
	}
	if n, known = c.numbers[p]; !known {
		if c.numbers == nil {
			c.numbers = map[any]uint64{}
		}
		c.given++
		n = c.given
		c.numbers[p] = n
	}
	return n, known
}

func ref[T any](c *Coder, p **T, n uint64, known bool, value func(*T)) {
	n = c.uvarint(n)
	switch next := uint64(len(c.objects)) + 1; {
	case !c.reading && known:
	case !c.reading:
		value(*p)
	case n == 0 || c.err != nil:
		*p = nil
	case n < next:
		x, ok := c.objects[n-1].(*T)
		if !ok {
			c.Fail("reference %d is to something else", n)
		}
		*p = x
	case n == next:
		*p = new(T)
		c.objects = append(c.objects, *p)
		value(*p)
	default:
		*p = nil
		c.Fail("reference %d is to nothing", n)
	}
}
