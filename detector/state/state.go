package state

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// magic begins every state.
const magic = "dwst"

// A Coder writes fields, or reads them. After a fault it reads zeros; Err tells. It is for one goroutine.
type Coder struct {
	buf     []byte // written so far, or left to read
	size    int    // of what there was to read
	reading bool
	err     error
	numbers map[any]uint64 // of pointers, and of values, that were written
	given   uint64         // numbers so far
	objects []any          // pointers that were read, by number
}

// Append appends the state that code writes, under a header with its kind and layout and before a checksum.
func Append(dst []byte, kind string, layout uint64, code func(*Coder)) []byte {
	from := len(dst)
	dst = binary.AppendUvarint(append(dst, magic...), uint64(len(kind)))
	dst = binary.AppendUvarint(append(dst, kind...), layout)
	c := &Coder{buf: dst}
	code(c)
	return binary.LittleEndian.AppendUint64(c.buf, xxhash.Sum64(c.buf[from:]))
}

// Restore reads what Append wrote. The error says what is wrong: bytes that are torn, of another kind, of another layout, or that
// do not hold what code asks for. What code filled in is then worth nothing.
func Restore(src []byte, kind string, layout uint64, code func(*Coder)) error {
	n := len(src) - 8
	if n < len(magic) || string(src[:len(magic)]) != magic {
		return fmt.Errorf("restore %s: %d bytes that are no state", kind, len(src))
	}
	if binary.LittleEndian.Uint64(src[n:]) != xxhash.Sum64(src[:n]) {
		return fmt.Errorf("restore %s: the checksum over %d bytes does not match: the state is torn or damaged", kind, n)
	}
	c := &Coder{buf: src[len(magic):n], size: n, reading: true}
	var found string
	var with uint64
	c.String(&found)
	Uints(c, &with)
	switch {
	case c.err != nil:
	case found != kind:
		return fmt.Errorf("restore %s: the state is of %q", kind, found)
	case with != layout:
		return fmt.Errorf("restore %s: the state has layout %d, and this program reads layout %d", kind, with, layout)
	default:
		code(c)
		if c.err == nil && len(c.buf) > 0 {
			c.Fail("%d bytes are left over", len(c.buf))
		}
	}
	if c.err != nil {
		return fmt.Errorf("restore %s: %w", kind, c.err)
	}
	return nil
}

// Reading says whether fields are filled in.
func (c *Coder) Reading() bool { return c.reading }

// Err returns what went wrong in reading.
func (c *Coder) Err() error { return c.err }

// Fail notes that what was read cannot be, unless something was wrong before.
func (c *Coder) Fail(format string, args ...any) {
	if c.reading && c.err == nil {
		c.err = fmt.Errorf("at byte %d: %w", c.size-len(c.buf), fmt.Errorf(format, args...))
	}
	if c.err != nil {
		c.buf = nil
	}
}

// uvarint writes or reads a number.
func (c *Coder) uvarint(v uint64) uint64 {
	if !c.reading {
		c.buf = binary.AppendUvarint(c.buf, v)
		return v
	}
	v, n := binary.Uvarint(c.buf)
	if n <= 0 {
		c.Fail("the state ends within a number, or it is too large")
		return 0
	}
	c.buf = c.buf[n:]
	return v
}

// list writes or reads how many entries follow, of a byte or more, and whether there is a list at all.
func (c *Coder) list(n int, there bool) (int, bool) {
	if c.Bools(&there); !there {
		return 0, false
	}
	return c.Count(n, 1), true
}

// Count writes or reads how many things follow, of which each takes least bytes or more.
func (c *Coder) Count(n, least int) int {
	v := c.uvarint(uint64(n))
	if c.reading && v > uint64(len(c.buf)/max(least, 1)) {
		c.Fail("%d entries cannot be in the %d bytes that are left", v, len(c.buf))
		return 0
	}
	return int(v)
}

// Raw writes n bytes, or reads them: what it returns is to be filled, or read, at once. It is nil where there is nothing to read.
func (c *Coder) Raw(n int) []byte {
	if !c.reading {
		at := len(c.buf)
		c.buf = append(c.buf, make([]byte, n)...)
		return c.buf[at:]
	}
	if n > len(c.buf) {
		c.Fail("%d bytes are needed, and %d are left", n, len(c.buf))
		return nil
	}
	b := c.buf[:n]
	c.buf = c.buf[n:]
	return b
}
