package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drainwatch/drainwatch/detector"
)

const (
	manifestSuffix = ".manifest"
	draftMark      = ".draft-"
	partsName      = "parts"
	scrubs         = 20 // Helds in which every part on disk is read once
)

// Dir is a store in a directory: one below it an owner, with a file a manifest, and one a part, named by its hash.
type Dir struct {
	path   string
	create func(dir, pattern string) (draft, error) // os.CreateTemp, but in tests

	mu     sync.Mutex
	owners map[string]*dirOwner
}

// draft is a file that is being written.
type draft interface {
	io.WriteCloser
	Name() string
	Sync() error
}

// dirOwner is what is known of an owner.
type dirOwner struct {
	bad   map[string]bool      // checkpoints that did not verify
	read  map[string]*manifest // never changed once written
	scrub int
}

// OpenDir opens or makes a store.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("open checkpoints %s: %w; name a directory that this program can write with state.path", path, reason(err))
	}
	return &Dir{path: path, owners: map[string]*dirOwner{}, create: func(dir, pattern string) (draft, error) { return os.CreateTemp(dir, pattern) }}, nil
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

func (d *Dir) owner(owner string) *dirOwner {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.owners[owner]
	if o == nil {
		o = &dirOwner{bad: map[string]bool{}, read: map[string]*manifest{}}
		d.owners[owner] = o
	}
	return o
}

func (d *Dir) manifestPath(owner, id string) string {
	return filepath.Join(d.path, owner, id+manifestSuffix)
}

func (d *Dir) partPath(owner, hash string) string {
	return filepath.Join(d.path, owner, partsName, hash)
}

// entries lists a directory, which may not be there.
func entries(path string) ([]os.DirEntry, error) {
	all, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read checkpoints %s: %w", path, reason(err))
	}
	return all, nil
}

// list returns the IDs of an owner's checkpoints, newest first.
func (d *Dir) list(owner string) (ids []string, err error) {
	all, err := entries(filepath.Join(d.path, owner))
	for _, e := range all {
		if id, ok := strings.CutSuffix(e.Name(), manifestSuffix); ok && idName.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return newestFirst(ids), err
}

// Owners implements Store.
func (d *Dir) Owners(context.Context) (owners []string, err error) {
	all, err := entries(d.path)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if !e.IsDir() || !ownerName.MatchString(e.Name()) {
			continue
		}
		ids, err := d.list(e.Name())
		if err != nil {
			return nil, err
		}
		if len(ids) > 0 {
			owners = append(owners, e.Name())
		}
	}
	return owners, nil
}

// Held implements Store. Each call reads some of what is on disk, so that a part which is damaged there is written again.
func (d *Dir) Held(ctx context.Context, owner string) (func(string) bool, error) {
	ids, err := d.list(owner)
	if err != nil {
		return nil, err
	}
	o := d.owner(owner)
	held := map[string]bool{}
	for _, id := range ids {
		m, err := d.manifest(owner, id)
		if err != nil || o.bad[id] {
			continue
		}
		for i, p := range m.Parts {
			if _, known := held[p.SHA]; known {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			at := d.partPath(owner, p.SHA)
			info, err := os.Stat(at)
			held[p.SHA] = err == nil && info.Size() == p.Bytes
			if held[p.SHA] && i%scrubs == o.scrub {
				if b, err := os.ReadFile(at); err != nil || p.verify(b) != nil {
					held[p.SHA] = false
				}
			}
			if !held[p.SHA] {
				_ = os.Remove(at) // else Write would take it for good
			}
		}
	}
	o.scrub = (o.scrub + 1) % scrubs
	return func(hash string) bool { return held[hash] }, nil
}

// Write implements Store.
func (d *Dir) Write(ctx context.Context, owner string, c *Checkpoint) (written int64, err error) {
	if err := c.check(owner); err != nil {
		return 0, err
	}
	m := manifestOf(owner, c)
	text, id, err := m.encode()
	if err != nil {
		return 0, err
	}
	home := filepath.Join(d.path, owner)
	var put []string
	defer func() {
		if err != nil { // a full disk has better uses
			for _, hash := range put {
				_ = os.Remove(d.partPath(owner, hash))
			}
		}
	}()
	fail := func(what string, err error) error {
		return fmt.Errorf("write checkpoint of %s in %s: %s: %w", owner, d.path, what, reason(err))
	}
	if err := os.MkdirAll(filepath.Join(home, partsName), 0o700); err != nil {
		return 0, fail("make its directory", err)
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		if err := ctx.Err(); err != nil {
			return 0, fail("given up", err)
		}
		if d.has(owner, p) {
			continue
		}
		if p.Bytes == nil {
			return 0, &MissingError{owner, p.Name}
		}
		if err := d.put(d.partPath(owner, p.Hash), p.Bytes); err != nil {
			return 0, fail("part "+p.Name, err)
		}
		put = append(put, p.Hash)
		written += p.Size
	}
	// Parts must be on disk under their names before the manifest is.
	if err := errors.Join(syncDir(filepath.Join(home, partsName)), d.put(d.manifestPath(owner, id), text), syncDir(home), syncDir(d.path)); err != nil {
		return 0, fail("manifest", err)
	}
	for i := range c.Parts { // another process that took itself for the owner may have removed what was old to it
		if !d.has(owner, &c.Parts[i]) {
			return 0, errors.Join(&MissingError{owner, c.Parts[i].Name}, os.Remove(d.manifestPath(owner, id)))
		}
	}
	c.ID = id
	d.owner(owner).read[id] = m
	return written + int64(len(text)), d.prune(owner)
}

// has says whether a part is on disk.
func (d *Dir) has(owner string, p *detector.Part) bool {
	info, err := os.Stat(d.partPath(owner, p.Hash))
	return err == nil && info.Size() == p.Size
}

// put writes a file under a draft's name, and names it once it is on disk.
func (d *Dir) put(full string, b []byte) error {
	f, err := d.create(filepath.Dir(full), filepath.Base(full)+draftMark+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), full)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// prune removes what the rule does not keep, and what torn writes have left.
func (d *Dir) prune(owner string) error {
	ids, err := d.list(owner)
	if err != nil {
		return err
	}
	o := d.owner(owner)
	all := map[string]*manifest{}
	for _, id := range ids {
		all[id], _ = d.manifest(owner, id)
	}
	drop, gone, live := dropped(all, o.bad)
	var failed error
	remove := func(name string) {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, fmt.Errorf("remove old checkpoints of %s in %s: %w", owner, d.path, reason(err)))
		}
	}
	for _, id := range drop { // before its parts: it must not be found without them
		remove(d.manifestPath(owner, id))
		delete(o.read, id)
		delete(o.bad, id)
	}
	for _, hash := range slices.Sorted(maps.Keys(gone)) {
		remove(d.partPath(owner, hash))
	}
	for _, dir := range []string{filepath.Join(d.path, owner), filepath.Join(d.path, owner, partsName)} {
		files, err := entries(dir)
		failed = errors.Join(failed, err)
		for _, e := range files {
			orphan := filepath.Base(dir) == partsName && hashName.MatchString(e.Name()) && !live[e.Name()]
			if !orphan && !strings.Contains(e.Name(), draftMark) {
				continue
			}
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > orphaned {
				remove(filepath.Join(dir, e.Name()))
			}
		}
	}
	return failed
}

// manifest reads a manifest, once.
func (d *Dir) manifest(owner, id string) (*manifest, error) {
	o := d.owner(owner)
	if m := o.read[id]; m != nil {
		return m, nil
	}
	b, err := os.ReadFile(d.manifestPath(owner, id))
	if err != nil {
		return nil, reason(err)
	}
	m, err := decode(b, owner, id)
	if err == nil {
		o.read[id] = m
	}
	return m, err
}

// Newest implements Store.
func (d *Dir) Newest(ctx context.Context, owner string) (c *Checkpoint, skipped []error, err error) {
	ids, err := d.list(owner)
	if err != nil {
		return nil, nil, err
	}
	o := d.owner(owner)
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, skipped, err
		}
		delete(o.read, id)
		m, err := d.manifest(owner, id)
		if err == nil {
			c, err = m.load(id, func(p *part) ([]byte, error) {
				b, err := os.ReadFile(d.partPath(owner, p.SHA))
				if err == nil && p.verify(b) != nil {
					_ = os.Remove(d.partPath(owner, p.SHA)) // so that it is written again
				}
				return b, reason(err)
			})
		}
		if err == nil {
			return c, skipped, nil
		}
		o.bad[id] = true
		skipped = append(skipped, fmt.Errorf("checkpoint %s of %s in %s: %w", id, owner, d.path, err))
	}
	if len(ids) == 0 {
		skipped, err = d.former()
	}
	return nil, skipped, err
}

// former finds checkpoints of the first layout, in which one of all partitions lay in the directory itself.
func (d *Dir) former() ([]error, error) {
	all, err := entries(d.path)
	for _, e := range all {
		if strings.HasSuffix(e.Name(), manifestSuffix) {
			return []error{fmt.Errorf("the checkpoints in %s have layout 1, and this program reads layout %d", d.path, Layout)}, nil
		}
	}
	return nil, err
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
