package dense

const (
	chunkBits = 9
	chunk     = 1 << chunkBits
)

// Column holds a value for each number. It grows by chunks, which stay where they are. The zero value is empty.
type Column[T any] struct{ chunks []*[chunk]T }

// Grow makes room for numbers below n; new values are zero.
func (c *Column[T]) Grow(n uint32) {
	for uint32(len(c.chunks))<<chunkBits < n {
		c.chunks = append(c.chunks, new([chunk]T))
	}
}

// At returns the value of a number below what Grow was called with.
func (c *Column[T]) At(n uint32) *T { return &c.chunks[n>>chunkBits][n&(chunk-1)] }
