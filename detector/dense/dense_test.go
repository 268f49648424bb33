package dense

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// The index is a map from hashes to numbers: unlike ones, of which none is ever as large as as many hashes as there were at once.
func TestIndexIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Index
		want := map[uint64]uint32{}
		most := 0
		// Few hashes, of few parts and homes, so that runs are long and wrap.
		hash := rapid.Custom(func(t *rapid.T) uint64 {
			return uint64(rapid.IntRange(0, 1).Draw(t, "part"))<<56 | uint64(rapid.SampledFrom([]uint32{0, 1 << 30, 1<<32 - 1}).Draw(t, "home")) | uint64(rapid.IntRange(0, 9).Draw(t, "rest"))<<40
		})
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			h := hash.Draw(t, "hash")
			n, ok := x.Find(h)
			if was, known := want[h]; known != ok || known && was != n {
				t.Fatalf("%x is %d, %v; want %d, %v", h, n, ok, was, known)
			}
			if ok {
				x.Remove(n)
				delete(want, h)
			} else {
				want[h] = x.Add(h)
			}
			most = max(most, len(want))
			if x.Len() != len(want) || int(x.Cap()) > most {
				t.Fatalf("%d hashes numbered below %d; there are %d, and were %d", x.Len(), x.Cap(), len(want), most)
			}
			taken := map[uint32]bool{}
			for h, n := range want {
				if got, ok := x.Find(h); !ok || got != n || x.Hash(n) != h || taken[n] || n >= x.Cap() {
					t.Fatalf("%x is %d, %v, whose hash is %x; want %d, taken: %v", h, got, ok, x.Hash(n), n, taken[n])
				}
				taken[n] = true
			}
		}
	})
}

// A table keeps a value a hash, new ones zero, and gives up what is not to be kept.
func TestTable(t *testing.T) {
	var x Table[int]
	for i := range 1000 {
		*x.Add(uint64(i) << 54) = i // 0 among them
	}
	x.Keep(func(v *int) bool { return *v%2 == 0 })
	x.Remove(500 << 54)
	x.Remove(501 << 54)
	for i := range 1000 {
		v := x.Get(uint64(i) << 54)
		if there := i%2 == 0 && i != 500; (v != nil) != there || there && *v != i {
			t.Errorf("%d: %v", i, v)
		}
	}
	if x.Len() != 499 {
		t.Errorf("%d values, want 499", x.Len())
	}
	if v := x.Add(1); *v != 0 {
		t.Errorf("a new value is %d", *v)
	}
	seen := 0
	x.Keep(func(*int) bool { seen++; return true })
	if seen != 500 {
		t.Errorf("saw %d values, want 500", seen)
	}
}

// Pages keep what was put, wherever it moves, and give back what they no longer need.
func TestPagesKeepRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Pages
		refs, want := map[uint32]Ref{}, map[uint32][]byte{}
		p.Moved = func(owner uint32, to Ref) { refs[owner] = to }
		sizes := rapid.SliceOfN(rapid.IntRange(0, MaxRecord), 1, 4).Draw(t, "sizes")
		pages := 0
		for i := range rapid.IntRange(1, 300).Draw(t, "steps") {
			n := uint32(rapid.IntRange(0, 60).Draw(t, "owner"))
			if r, ok := refs[n]; ok {
				delete(refs, n)
				delete(want, n)
				p.Free(r)
			} else {
				want[n] = bytes.Repeat([]byte{byte(i), byte(n)}, MaxRecord)[:rapid.SampledFrom(sizes).Draw(t, "size")]
				refs[n] = p.Put(n, want[n])
			}
			for n, b := range want {
				got := p.At(refs[n])
				if !bytes.HasPrefix(got, b) || len(bytes.Trim(got[len(b):], "\x00")) > 0 {
					t.Fatalf("step %d: record of %d is % x, want % x and zeros", i, n, got[:min(8, len(got))], b[:min(8, len(b))])
				}
			}
			held, needed := len(p.spare), 0
			for c := range p.classes {
				held += len(p.classes[c].pages)
				per := pageBytes / sizeOf(c)
				needed += (p.classes[c].n + per - 1) / per
			}
			if pages = max(pages, needed); held != pages {
				t.Fatalf("step %d: %d pages, where at most %d were needed at once", i, held, pages)
			}
		}
	})
}

// A record is rounded up by less than a grain of its size.
func TestSizes(t *testing.T) {
	for n := range MaxRecord + 1 {
		c, size := classOf(n)
		waste, grain := size-n-owner, fine
		if size > fineTop {
			grain = coarse
		}
		if waste < 0 || waste >= grain || sizeOf(c) != size || c >= classes || classes > 126 {
			t.Fatalf("%d bytes: class %d of %d, size %d, by class %d", n, c, classes, size, sizeOf(c))
		}
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var x Index
			rng := rand.New(rand.NewPCG(1, 1))
			hashes := make([]uint64, n)
			for i := range hashes {
				hashes[i] = rng.Uint64()
				x.Add(hashes[i])
			}
			slots := 0
			for i := range x.parts {
				slots += len(x.parts[i].slots)
			}
			i := 0
			for b.Loop() {
				if _, ok := x.Find(hashes[i]); !ok {
					b.Fatal(i)
				}
				if i++; i == n {
					i = 0
				}
			}
			b.ReportMetric(8+4*float64(slots)/float64(n), "B/hash")
		})
	}
}
