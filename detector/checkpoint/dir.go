package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Keep is how many checkpoints a store keeps: should the newest not verify, there is another.
const Keep = 3

const (
	manifestName = "manifest"
	draftSuffix  = ".draft"
)

// Dir is a store in a directory.
type Dir struct{ path string }

// OpenDir opens or makes a store, and removes what a write that was interrupted has left.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("open checkpoints %s: %w; name a directory that this program can write with state.path", path, reason(err))
	}
	d := &Dir{path: path}
	return d, d.prune()
}

// reason is an error without the path that its message says anyway.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

// Path returns the directory.
func (d *Dir) Path() string { return d.path }

// file returns the name of a file of a checkpoint.
func file(number int64, name string) string { return fmt.Sprintf("%012d.%s", number, name) }

// list returns the numbers of the manifests, newest first, and all files that belong to a checkpoint by its number.
func (d *Dir) list() (numbers []int64, files map[string]int64, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, nil, fmt.Errorf("read checkpoints %s: %w", d.path, reason(err))
	}
	files = map[string]int64{}
	for _, e := range entries {
		digits, name, _ := strings.Cut(e.Name(), ".")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n <= 0 || e.Name() != file(n, name) {
			continue // not ours
		}
		if files[e.Name()] = n; name == manifestName {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers, files, nil
}

// Write writes a checkpoint, gives it the next number, removes those beyond Keep, and returns its bytes. When it returns, the
// checkpoint survives a loss of power. After an error those before it are as they were. When ctx ends it stops between two parts.
func (d *Dir) Write(ctx context.Context, c *Checkpoint) (written int64, err error) {
	numbers, _, err := d.list()
	if err != nil {
		return 0, err
	}
	m := manifest{Layout: Layout, Number: 1, About: c.About}
	if len(numbers) > 0 {
		m.Number = numbers[0] + 1
	}
	for _, name := range slices.Sorted(maps.Keys(c.Parts)) {
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("write checkpoint %d: %w", m.Number, err)
		}
		b := c.Parts[name]
		m.Parts = append(m.Parts, part{Name: name, Bytes: int64(len(b)), SHA: sum(b)})
		if err := d.put(m.Number, name, b); err != nil {
			return 0, fmt.Errorf("write checkpoint %d: part %s: %w", m.Number, name, err)
		}
		written += int64(len(b))
	}
	text, err := m.encode()
	if err != nil {
		return 0, err
	}
	// Parts must be on disk under their names before the manifest is.
	if err := errors.Join(syncDir(d.path), d.put(m.Number, manifestName, text), syncDir(d.path)); err != nil {
		return 0, fmt.Errorf("write checkpoint %d: %w", m.Number, err)
	}
	c.Number = m.Number
	return written + int64(len(text)), d.prune()
}

// put writes a file under a draft's name, and names it once it is on disk.
func (d *Dir) put(number int64, name string, b []byte) error {
	full := filepath.Join(d.path, file(number, name))
	f, err := os.OpenFile(full+draftSuffix, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), full)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name())) // a full disk has better uses
	}
	return nil
}

// prune removes the files of all but the newest manifests.
func (d *Dir) prune() error {
	numbers, files, err := d.list()
	if err != nil {
		return err
	}
	numbers = numbers[:min(len(numbers), Keep)]
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if slices.Contains(numbers, files[name]) && !strings.HasSuffix(name, draftSuffix) {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, name)); err != nil {
			return fmt.Errorf("remove old checkpoints in %s: %w", d.path, reason(err))
		}
	}
	return nil
}

func (d *Dir) read(number int64) (*manifest, error) {
	b, err := os.ReadFile(filepath.Join(d.path, file(number, manifestName)))
	if err != nil {
		return nil, reason(err)
	}
	m, err := decode(b)
	if err == nil && m.Number != number {
		return nil, fmt.Errorf("its manifest is that of checkpoint %d", m.Number)
	}
	return m, err
}

// Newest returns the newest checkpoint that verifies, nil if none does, and for each newer one why it does not.
func (d *Dir) Newest(ctx context.Context) (c *Checkpoint, skipped []error, err error) {
	numbers, _, err := d.list()
	if err != nil {
		return nil, nil, err
	}
	for _, n := range numbers {
		if err := ctx.Err(); err != nil {
			return nil, skipped, err
		}
		c, err := d.load(n)
		if err == nil {
			return c, skipped, nil
		}
		skipped = append(skipped, fmt.Errorf("checkpoint %d in %s: %w", n, d.path, err))
	}
	return nil, skipped, nil
}

func (d *Dir) load(number int64) (*Checkpoint, error) {
	m, err := d.read(number)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Number: number, About: m.About, Parts: map[string][]byte{}}
	for _, p := range m.Parts {
		b, err := os.ReadFile(filepath.Join(d.path, file(number, filepath.Base(p.Name))))
		if err != nil {
			return nil, fmt.Errorf("its part %s: %w", p.Name, reason(err))
		}
		if err := p.verify(b); err != nil {
			return nil, err
		}
		c.Parts[p.Name] = b
	}
	return c, nil
}

// syncDir makes the names in a directory durable. Where a directory cannot be synced, as on Windows, its system sees to that.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrInvalid) || errors.Is(err, os.ErrPermission) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
