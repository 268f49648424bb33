package dense

// Table holds a value of fixed size for each hash. The zero value is empty.
type Table[T any] struct {
	index Index
	value Column[T]
}

// Len returns the number of hashes.
func (t *Table[T]) Len() int { return t.index.Len() }

// Get returns the value of a hash, nil if there is none. It holds until the hash is removed.
func (t *Table[T]) Get(hash uint64) *T {
	n, ok := t.index.Find(hash)
	if !ok {
		return nil
	}
	return t.value.At(n)
}

// Add gives a hash that is not there a value, zero at first.
func (t *Table[T]) Add(hash uint64) *T {
	n := t.index.Add(hash)
	t.value.Grow(n + 1)
	v := t.value.At(n)
	var zero T
	*v = zero
	return v
}

// Remove gives up a hash and its value, if there is one.
func (t *Table[T]) Remove(hash uint64) {
	if n, ok := t.index.Find(hash); ok {
		t.index.Remove(n)
	}
}

// Keep looks at every value, by number, and removes those that are not to be kept.
func (t *Table[T]) Keep(keep func(*T) bool) {
	for n := range t.index.Cap() {
		if t.index.Hash(n) != none && !keep(t.value.At(n)) {
			t.index.Remove(n)
		}
	}
}
