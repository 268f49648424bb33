package dense

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/state"
)

func codeInts(x *Table[int]) func(*state.Coder) {
	return func(c *state.Coder) { x.Code(c, func(v *int) { state.Ints(c, v) }) }
}

// A table that was read goes on like the one that was written.
func TestTableGoesOnFromItsState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Table[int]
		step := func(x *Table[int], hash uint64, add bool) {
			switch v := x.Get(hash); {
			case v == nil && add:
				*x.Add(hash) = int(hash)
			case !add:
				x.Remove(hash)
			default:
				*v++
			}
		}
		hash := rapid.Custom(func(t *rapid.T) uint64 { return uint64(rapid.IntRange(0, 40).Draw(t, "hash")) << 54 })
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			step(&x, hash.Draw(t, "h"), rapid.Bool().Draw(t, "add"))
		}
		b := state.Append(nil, "table", 1, codeInts(&x))
		var y Table[int]
		if err := state.Restore(b, "table", 1, codeInts(&y)); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 100).Draw(t, "more") {
			h, add := hash.Draw(t, "h"), rapid.Bool().Draw(t, "add")
			step(&x, h, add)
			step(&y, h, add)
		}
		if !bytes.Equal(state.Append(nil, "table", 1, codeInts(&x)), state.Append(nil, "table", 1, codeInts(&y))) || x.Len() != y.Len() {
			t.Fatal("the two tables have come apart")
		}
	})
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte{2, 1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255, 255, 255, 255, 255, 255, 2, 1, 9})
	f.Fuzz(func(t *testing.T, body []byte) {
		b := state.Append(nil, "table", 1, func(c *state.Coder) { copy(c.Raw(len(body)), body) })
		var x Table[int]
		if state.Restore(b, "table", 1, codeInts(&x)) == nil {
			for i := range x.index.Cap() {
				if h := x.index.Hash(i); h != none && x.Get(h) == nil {
					t.Fatalf("hash %x is not found", h)
				}
			}
			x.Remove(5)
			*x.Add(5) = 1
		}
	})
}
