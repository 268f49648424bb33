package profile

import (
	"encoding/binary"
	"math"
)

// unpacker reads what was packed; after the first fault everything is zero, and bad stands.
type unpacker struct {
	src []byte
	bad bool
}

func (r *unpacker) take(n int) []byte {
	if n > len(r.src) {
		r.bad, r.src = true, nil
		return nil
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b
}

func (r *unpacker) byte() byte {
	if len(r.src) == 0 {
		r.bad = true
		return 0
	}
	b := r.src[0]
	r.src = r.src[1:]
	return b
}

func (r *unpacker) uint24() uint32 {
	if len(r.src) < 3 {
		r.bad, r.src = true, nil
		return 0
	}
	x := uint32(r.src[0]) | uint32(r.src[1])<<8 | uint32(r.src[2])<<16
	r.src = r.src[3:]
	return x
}

func (r *unpacker) uint32() uint32 {
	if len(r.src) < 4 {
		r.bad, r.src = true, nil
		return 0
	}
	x := binary.LittleEndian.Uint32(r.src)
	r.src = r.src[4:]
	return x
}

// uvarint reads a whole number of at most a bound.
func (r *unpacker) uvarint(most uint64) uint64 {
	if len(r.src) > 0 && r.src[0] < 0x80 && uint64(r.src[0]) <= most {
		x := uint64(r.src[0])
		r.src = r.src[1:]
		return x
	}
	x, n := binary.Uvarint(r.src)
	if n <= 0 || x > most {
		r.bad, r.src = true, nil
		return 0
	}
	r.src = r.src[n:]
	return x
}

func (r *unpacker) varint(least, most int64) int64 {
	x, n := binary.Varint(r.src)
	if n <= 0 || x < least || x > most {
		r.bad, r.src = true, nil
		return 0
	}
	r.src = r.src[n:]
	return x
}

// before reads an hour by its distance from another.
func (r *unpacker) before(hour int32) int32 {
	h := int64(hour)
	return int32(h - r.varint(h-math.MaxInt32, h-math.MinInt32))
}
