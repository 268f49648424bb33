package dense

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/state"
)

func codeInt(v *int, c *state.Coder) { state.Ints(c, v) }

func codeInts(x *Table[int]) func(*state.Coder) {
	return func(c *state.Coder) { x.Code(c, codeInt) }
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

// Whatever happens after a mark, and whenever the pieces are written then, they are what there was at the mark; and the pieces that have
// not changed since the mark before are those of then.
func TestTableInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Table[int]
		hash := rapid.Custom(func(t *rapid.T) uint64 { return rapid.Uint64Range(0, 3*pieceLen).Draw(t, "hash") * 0x9e3779b97f4a7c15 })
		for i := range rapid.IntRange(0, 3*pieceLen).Draw(t, "users") {
			*x.Add(uint64(i) * 0x9e3779b97f4a7c15) = i
		}
		step := func(t *rapid.T) {
			h := hash.Draw(t, "h")
			switch v := x.Get(h); {
			case v == nil:
				*x.Add(h) = 1
			case rapid.Bool().Draw(t, "remove"):
				x.Remove(h)
			default:
				*v++
			}
			if rapid.IntRange(0, 30).Draw(t, "each") == 0 {
				x.Each(func(v *int) { *v++ })
			}
		}
		written := map[int][]byte{}
		for range rapid.IntRange(1, 4).Draw(t, "marks") {
			p := x.Pieces(codeInt)
			p.Mark()
			want := state.Append(nil, "table", 1, codeInts(&x))
			head := state.Append(nil, "head", 1, x.CodeHead)
			from, to := p.Range()
			gaveUp := rapid.IntRange(0, 5).Draw(t, "gives up") == 0
			for k := from; k < to; k++ {
				for range rapid.IntRange(0, 3).Draw(t, "steps") {
					step(t)
				}
				if written[k] != nil && !p.Changed(k) {
					continue
				}
				if delete(written, k); !gaveUp {
					written[k] = state.Append(nil, "piece", 1, func(c *state.Coder) { p.Code(c, k) })
				}
			}
			if p.Release(); gaveUp {
				continue
			}
			var y Table[int]
			if err := state.Restore(head, "head", 1, y.CodeHead); err != nil {
				t.Fatal(err)
			}
			q := y.Pieces(codeInt)
			for k := from; k < to; k++ {
				if err := state.Restore(written[k], "piece", 1, func(c *state.Coder) { q.Code(c, k) }); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(state.Append(nil, "table", 1, codeInts(&y)), want) {
				t.Fatal("the pieces are not what there was at the mark")
			}
			step(t)
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
