package dense

import (
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
