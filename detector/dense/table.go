package dense

import "github.com/drainwatch/drainwatch/detector/state"

// Table holds a value of fixed size for each hash. The zero value is empty.
type Table[T any] struct {
	index Index
	value Column[T]

	changes state.Changes
	marked  uint32              // numbers as of the mark
	before  map[uint32]entry[T] // what has changed since, as it was, unless it is written
}

// entry is what belonged to a number.
type entry[T any] struct {
	hash  uint64
	value T
}

// touch notes that a number is about to change.
func (t *Table[T]) touch(n uint32) {
	if !t.changes.Change(int(n/pieceLen)) || n >= t.marked {
		return
	}
	if _, ok := t.before[n]; !ok {
		t.before[n] = entry[T]{t.index.Hash(n), *t.value.At(n)}
	}
}

// Len returns the number of hashes.
func (t *Table[T]) Len() int { return t.index.Len() }

// Get returns the value of a hash to be changed, nil if there is none. It holds until the hash is removed, or the next Mark.
func (t *Table[T]) Get(hash uint64) *T {
	n, ok := t.index.Find(hash)
	if !ok {
		return nil
	}
	t.touch(n)
	return t.value.At(n)
}

// Peek is Get for who changes nothing.
func (t *Table[T]) Peek(hash uint64) *T {
	n, ok := t.index.Find(hash)
	if !ok {
		return nil
	}
	return t.value.At(n)
}

// Add gives a hash that is not there a value, zero at first.
func (t *Table[T]) Add(hash uint64) *T {
	n := t.index.Next()
	t.value.Grow(n + 1)
	t.touch(n)
	t.index.Add(hash)
	v := t.value.At(n)
	var zero T
	*v = zero
	return v
}

// Remove gives up a hash and its value, if there is one.
func (t *Table[T]) Remove(hash uint64) {
	if n, ok := t.index.Find(hash); ok {
		t.remove(n)
	}
}

func (t *Table[T]) remove(n uint32) {
	t.touch(n)
	t.index.Remove(n)
}

// Keep looks at every value, by number, and removes those that are not to be kept. It changes none; Each does.
func (t *Table[T]) Keep(keep func(*T) bool) {
	for n := range t.index.Cap() {
		if t.index.Hash(n) != none && !keep(t.value.At(n)) {
			t.remove(n)
		}
	}
}

// Each changes every value, by number.
func (t *Table[T]) Each(change func(*T)) {
	for n := range t.index.Cap() {
		if t.index.Hash(n) != none {
			t.touch(n)
			change(t.value.At(n))
		}
	}
}

// Renew notes that every piece is to be written again.
func (t *Table[T]) Renew() {
	for n := uint32(0); n < t.index.Cap(); n += pieceLen {
		t.changes.Change(int(n / pieceLen))
	}
}
