package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// store is what every store offers.
type store interface {
	Write(ctx context.Context, c *Checkpoint) (int64, error)
	Newest(ctx context.Context) (*Checkpoint, []error, error)
}

// suite is what a store has to be good for. open opens the same store each time; harm damages what the store holds of a checkpoint
// in a way of its own, whichever number it is given.
type suite struct {
	open func(t *testing.T) store
	harm func(t *testing.T, number int64, way int)
	ways int
}

func specimen(n int) *Checkpoint {
	at := time.Date(2026, 6, 1, 0, 0, n, 0, time.UTC)
	c := &Checkpoint{
		About: About{
			Cluster: "c", Topic: "usage", Group: "g", Installed: at, Partitions: 2, Next: map[int32]int64{0: int64(n), 1: 1 << 40},
			Landmarks: map[int32]Landmark{1: {Offset: 7, Hash: "abc"}}, EventTime: at, SavedAt: at, Program: "1.0.0", Config: "c-1",
		},
		Parts: map[string][]byte{"fleet": fmt.Appendf(nil, "fleet %d", n), "shard-1": {}, "shard-0": make([]byte, 1000)},
	}
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	for i := range c.Parts["shard-0"] {
		c.Parts["shard-0"][i] = byte(rng.Uint32())
	}
	return c
}

func (s *suite) write(t *testing.T, to store, n int) *Checkpoint {
	t.Helper()
	c := specimen(n)
	if written, err := to.Write(t.Context(), c); err != nil || written < 1000 {
		t.Fatalf("wrote %d bytes: %v", written, err)
	}
	return c
}

func (s *suite) newest(t *testing.T, want *Checkpoint, skips ...int64) {
	t.Helper()
	got, skipped, err := s.open(t).Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the newest is %+v, want %+v", got, want)
	}
	if len(skipped) != len(skips) {
		t.Fatalf("left out %v, want %v", skipped, skips)
	}
	for i, err := range skipped {
		if !strings.HasPrefix(err.Error(), fmt.Sprintf("checkpoint %d ", skips[i])) || strings.Contains(err.Error(), "\n") {
			t.Errorf("says %q of checkpoint %d", err, skips[i])
		}
	}
}

func (s *suite) run(t *testing.T) {
	t.Run("empty", func(t *testing.T) { s.newest(t, nil) })
	var wrote []*Checkpoint
	t.Run("the newest counts", func(t *testing.T) {
		for n := range 5 {
			c := s.write(t, s.open(t), n) // another process each time
			if c.Number != int64(n+1) {
				t.Errorf("number %d, want %d", c.Number, n+1)
			}
			wrote = append(wrote, c)
			s.newest(t, c)
		}
	})
	t.Run("one that was given up leaves the others as they were", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.open(t).Write(ctx, specimen(9)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		s.newest(t, wrote[4])
	})
	for way := range s.ways {
		t.Run(fmt.Sprint("damage ", way), func(t *testing.T) {
			s.harm(t, wrote[4].Number, way)
			s.newest(t, wrote[3], wrote[4].Number)
			c := s.write(t, s.open(t), 10+way) // and over that it goes on
			s.newest(t, c)
			wrote = append(wrote[1:], c)
			wrote[3] = s.write(t, s.open(t), 30+way)
			wrote[4] = s.write(t, s.open(t), 40+way)
		})
	}
	t.Run("old ones are gone, and where none is good that is said", func(t *testing.T) {
		for k := range Keep {
			s.harm(t, wrote[4].Number-int64(k), k)
		}
		s.newest(t, nil, wrote[4].Number, wrote[4].Number-1, wrote[4].Number-2)
	})
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "checkpoints")
	change := func(t *testing.T, name string, change func([]byte) []byte) {
		t.Helper()
		name = filepath.Join(path, name)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if b = change(b); b == nil {
			err = os.Remove(name)
		} else {
			err = os.WriteFile(name, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 4; return b }
	half := func(b []byte) []byte { return b[:len(b)/2] }
	ways := []func(t *testing.T, n int64){
		func(t *testing.T, n int64) { change(t, file(n, "shard-0"), flip) },
		func(t *testing.T, n int64) { change(t, file(n, "shard-0"), half) },
		func(t *testing.T, n int64) { change(t, file(n, "fleet"), func([]byte) []byte { return nil }) },
		func(t *testing.T, n int64) { change(t, file(n, "shard-1"), func([]byte) []byte { return []byte("x") }) },
		func(t *testing.T, n int64) { change(t, file(n, manifestName), flip) },
		func(t *testing.T, n int64) { change(t, file(n, manifestName), half) },
		func(t *testing.T, n int64) { change(t, file(n, manifestName), func([]byte) []byte { return []byte{} }) },
		func(t *testing.T, n int64) { // a manifest that is sound, and of a program to come
			m := manifest{Layout: Layout + 1, Number: n}
			text, err := m.encode()
			if err != nil {
				t.Fatal(err)
			}
			change(t, file(n, manifestName), func([]byte) []byte { return text })
		},
		func(t *testing.T, n int64) { // or of another checkpoint
			text, err := os.ReadFile(filepath.Join(path, file(n-1, manifestName)))
			if err != nil {
				t.Fatal(err)
			}
			change(t, file(n, manifestName), func([]byte) []byte { return text })
		},
	}
	s := suite{
		open: func(t *testing.T) store {
			d, err := OpenDir(path)
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
		harm: func(t *testing.T, n int64, way int) { ways[way](t, n) },
		ways: len(ways),
	}
	s.run(t)
}

// Whatever stands in the directory when the power fails in the middle of a write, the checkpoint before it is found, and what was
// begun is cleared away.
func TestDirAfterAnInterruptedWrite(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	open := func(path string) *Dir {
		d, err := OpenDir(path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	c := specimen(1)
	for _, path := range []string{first, second} {
		if _, err := open(path).Write(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(second).Write(t.Context(), specimen(2)); err != nil {
		t.Fatal(err)
	}
	_, whole, err := open(second).list()
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	for name := range maps.Keys(whole) {
		if whole[name] != 2 || strings.HasSuffix(name, manifestName) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(second, name))
		if err != nil {
			t.Fatal(err)
		}
		for cut := range 2 {
			for _, suffix := range []string{"", draftSuffix} {
				if err := os.WriteFile(filepath.Join(first, name+suffix), b[:len(b)/(cut+1)], 0o600); err != nil {
					t.Fatal(err)
				}
				begun++
				got, skipped, err := open(first).Newest(t.Context())
				if err != nil || len(skipped) > 0 || got.Number != 1 {
					t.Fatalf("%+v, left out %v: %v", got, skipped, err)
				}
				if _, files, err := open(first).list(); err != nil || len(files) != 4 {
					t.Fatalf("%v is left: %v", files, err)
				}
			}
		}
	}
	if begun != 12 {
		t.Errorf("tried %d files", begun)
	}
}

func TestOpenDirErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(path); err == nil || !strings.Contains(err.Error(), "not a directory") || !strings.Contains(err.Error(), "state.path") {
		t.Errorf("got %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	m := manifest{Layout: Layout, Number: 3, About: specimen(1).About, Parts: []part{{Name: "a", Bytes: 3, SHA: "x"}}}
	text, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}\n" + sum([]byte("{}")) + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decode(b); err == nil {
			if again, err := m.encode(); err != nil || m.Layout != Layout {
				t.Errorf("%q: %v", again, err)
			}
		}
	})
}
