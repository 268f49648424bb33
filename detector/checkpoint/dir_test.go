package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func openDir(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// files counts what lies below a directory.
func files(t *testing.T, path string) (n int) {
	t.Helper()
	err := filepath.WalkDir(path, func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// change rewrites a file, or removes it.
func change(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
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

// The ways are row 31 of the fault matrix, torn and turned over, and more.
func TestFault31TornSnapshot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "checkpoints")
	d := openDir(t, path)
	flip := func(b []byte) []byte { b[len(b)/2] ^= 4; return b }
	half := func(b []byte) []byte { return b[:len(b)/2] }
	none := func([]byte) []byte { return nil }
	empty := func([]byte) []byte { return []byte{} }
	part := func(k int, fn func([]byte) []byte) func(*testing.T, string, *Checkpoint) {
		return func(t *testing.T, owner string, c *Checkpoint) {
			t.Helper()
			change(t, d.partPath(owner, c.Parts[k].Hash), fn)
		}
	}
	whole := func(fn func([]byte) []byte) func(*testing.T, string, *Checkpoint) {
		return func(t *testing.T, owner string, c *Checkpoint) {
			t.Helper()
			change(t, d.manifestPath(owner, c.ID), fn)
		}
	}
	s := suite{
		open: func(t *testing.T) Store { return openDir(t, path) },
		size: func(t *testing.T) int { return files(t, path) },
		harm: []func(*testing.T, string, *Checkpoint){
			part(2, flip), part(2, half), part(2, none), part(0, empty), whole(flip), whole(half), whole(empty),
			func(t *testing.T, owner string, c *Checkpoint) { // a manifest that is sound, and of a program to come
				m := manifestOf(owner, c)
				m.Layout++
				text, _, err := m.encode()
				if err != nil {
					t.Fatal(err)
				}
				whole(func([]byte) []byte { return text })(t, owner, c)
			},
			func(t *testing.T, owner string, c *Checkpoint) { // or of another checkpoint
				text, _, err := manifestOf(owner, specimen(8)).encode()
				if err != nil {
					t.Fatal(err)
				}
				whole(func([]byte) []byte { return text })(t, owner, c)
			},
		},
	}
	s.run(t)
}

// Whatever stands in the directory when the power fails in the middle of a write, the checkpoint before it is found, and what was begun
// is cleared away when it is old enough not to be somebody else's.
func TestDirAfterAnInterruptedWrite(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	c := specimen(1)
	for _, path := range []string{first, second} {
		if _, err := openDir(t, path).Write(t.Context(), "shard-0", c); err != nil {
			t.Fatal(err)
		}
	}
	next := specimen(2)
	if _, err := openDir(t, second).Write(t.Context(), "shard-0", next); err != nil {
		t.Fatal(err)
	}
	for _, p := range next.Parts[:3:3] {
		if p.Size == 0 {
			continue // the first has it as well
		}
		for cut := range 2 {
			for _, mark := range []string{"", draftMark + "12"} {
				from := openDir(t, second).partPath("shard-0", p.Hash)
				b, err := os.ReadFile(from)
				if err != nil {
					t.Fatal(err)
				}
				d := openDir(t, first)
				left := d.partPath("shard-0", p.Hash) + mark
				if err := os.WriteFile(left, b[:len(b)/(cut+1)], 0o600); err != nil {
					t.Fatal(err)
				}
				got, skipped, err := openDir(t, first).Newest(t.Context(), "shard-0")
				if err != nil || len(skipped) > 0 || got.Position != 1 {
					t.Fatalf("%+v, left out %v: %v", got, skipped, err)
				}
			}
		}
	}
	d := openDir(t, first)
	if err := d.prune("shard-0"); err != nil || files(t, first) == 5 {
		t.Fatalf("takes what may be under way away: %v", err)
	}
	old := time.Now().Add(-2 * orphaned)
	if err := filepath.WalkDir(first, func(name string, _ os.DirEntry, err error) error { return errors.Join(err, os.Chtimes(name, old, old)) }); err != nil {
		t.Fatal(err)
	}
	if err := d.prune("shard-0"); err != nil || files(t, first) != 5 {
		t.Errorf("%d files are left, want 4 parts and a manifest: %v", files(t, first), err)
	}
	if got, skipped, err := d.Newest(t.Context(), "shard-0"); err != nil || len(skipped) > 0 || got.Position != 1 {
		t.Errorf("%+v, left out %v: %v", got, skipped, err)
	}
}

// failing is a file on a disk that fills up after so many bytes, or is read-only.
type failing struct {
	draft
	room *int
	why  error
}

func (f failing) Write(b []byte) (int, error) {
	if *f.room -= len(b); *f.room < 0 {
		n, _ := f.draft.Write(b[:len(b)/2])
		return n, f.why
	}
	return f.draft.Write(b)
}

// Row 30 of the fault matrix, wherever the disk fails: what was kept stays good, nothing of what failed is left, and once there is room
// again the next one is kept. mounted_linux_test.go does it with real file systems.
func TestFault30DiskFails(t *testing.T) {
	for room := 0; ; room += 2500 {
		path := t.TempDir()
		d := openDir(t, path)
		c := specimen(1)
		c.Parts[2] = c.Parts[0] // small ones
		if _, err := d.Write(t.Context(), "shard-0", c); err != nil {
			t.Fatal(err)
		}
		before, create, left := files(t, path), d.create, room
		d.create = func(dir, pattern string) (draft, error) {
			f, err := create(dir, pattern)
			return failing{f, &left, syscall.ENOSPC}, err
		}
		next := specimen(2)
		next.Parts[2], next.Parts[3] = next.Parts[0], specimenPart()
		_, err := d.Write(t.Context(), "shard-0", next)
		if err == nil {
			if room == 0 {
				t.Fatal("nothing failed")
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "write checkpoint of shard-0 in "+path) {
			t.Errorf("says %v", err)
		}
		if n := files(t, path); n != before {
			t.Errorf("with room for %d bytes, %d files became %d", room, before, n)
		}
		if got, skipped, err := openDir(t, path).Newest(t.Context(), "shard-0"); err != nil || len(skipped) > 0 || got.ID != c.ID {
			t.Errorf("%v, left out %v: %v", got, skipped, err)
		}
		left = 1 << 30
		if _, err := d.Write(t.Context(), "shard-0", next); err != nil {
			t.Error(err)
		}
	}
}

// What lies on the disk unread for long, and is damaged there, is found by and by and written again.
func TestDirScrubs(t *testing.T) {
	d := openDir(t, t.TempDir())
	c := specimen(1)
	if _, err := d.Write(t.Context(), "shard-0", c); err != nil {
		t.Fatal(err)
	}
	change(t, d.partPath("shard-0", c.Parts[2].Hash), func(b []byte) []byte { b[0] ^= 1; return b })
	for range scrubs {
		if _, err := d.Held(t.Context(), "shard-0"); err != nil {
			t.Fatal(err)
		}
	}
	held, err := d.Held(t.Context(), "shard-0")
	if err != nil || held(c.Parts[2].Hash) || !held(c.Parts[3].Hash) {
		t.Errorf("a damaged part is held: %v", err)
	}
	next := specimen(2)
	next.Parts[2] = c.Parts[2]
	if _, err := d.Write(t.Context(), "shard-0", next); err != nil {
		t.Fatal(err)
	}
	if got, skipped, err := d.Newest(t.Context(), "shard-0"); err != nil || len(skipped) > 0 || got.ID != next.ID {
		t.Errorf("%v, left out %v: %v", got, skipped, err)
	}
}

func TestDirSaysLayouts(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "000000000007.manifest"), []byte(`{"layout":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, skipped, err := openDir(t, path).Newest(t.Context(), "shard-0")
	if c != nil || err != nil || len(skipped) != 1 || !strings.Contains(skipped[0].Error(), "have layout 1, and this program reads layout 2") {
		t.Errorf("%v, left out %v: %v", c, skipped, err)
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
