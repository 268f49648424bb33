package checkpoint

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/drainwatch/drainwatch/detector"
)

// manifest is what is written last: it makes parts a checkpoint.
type manifest struct {
	Layout   int    `json:"layout"`
	Owner    string `json:"owner"`
	Position int64  `json:"position"`
	About    About  `json:"about"`
	Parts    []part `json:"parts"`
}

type part struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	SHA   string `json:"sha256"`
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func manifestOf(owner string, c *Checkpoint) *manifest {
	m := &manifest{Layout: Layout, Owner: owner, Position: c.Position, About: c.About}
	for _, p := range c.Parts {
		m.Parts = append(m.Parts, part{Name: p.Name, Bytes: p.Size, SHA: p.Hash})
	}
	return m
}

// encode returns the manifest as a line of JSON and a line with its checksum, and the checkpoint's ID. IDs are in the order of
// positions, then of the time; a digest keeps apart what two writers say of one position.
func (m *manifest) encode() (text []byte, id string, err error) {
	if text, err = json.Marshal(m); err != nil {
		return nil, "", fmt.Errorf("write manifest: %w", err)
	}
	digest := sum(text)
	return fmt.Appendf(text, "\n%s\n", digest), m.id(digest), nil
}

func (m *manifest) id(digest string) string {
	return fmt.Sprintf("%019d-%013d-%s", m.Position, max(m.About.SavedAt.UnixMilli(), 0), digest[:16])
}

var idName = regexp.MustCompile(`^\d{19}-\d{13,}-[0-9a-f]{16}$`)

// decode reads the manifest of a checkpoint.
func decode(b []byte, owner, id string) (*manifest, error) {
	text, rest, ok := bytes.Cut(b, []byte("\n"))
	digest := sum(text)
	if !ok || string(rest) != digest+"\n" {
		return nil, errors.New("its manifest is torn or damaged")
	}
	var version struct{ Layout int }
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, fmt.Errorf("its manifest cannot be read: %w", err)
	}
	if version.Layout != Layout {
		return nil, fmt.Errorf("its manifest has layout %d, and this program reads layout %d", version.Layout, Layout)
	}
	m := &manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("its manifest cannot be read: %w", err)
	}
	if m.Owner != owner || m.id(digest) != id {
		return nil, fmt.Errorf("its manifest is that of checkpoint %s of %s", m.id(digest), m.Owner)
	}
	return m, nil
}

// verify says whether b is what the manifest says of the part.
func (p *part) verify(b []byte) error {
	switch {
	case int64(len(b)) != p.Bytes:
		return fmt.Errorf("its part %s has %d bytes instead of %d", p.Name, len(b), p.Bytes)
	case sum(b) != p.SHA:
		return fmt.Errorf("its part %s is damaged", p.Name)
	}
	return nil
}

// load makes the checkpoint of a manifest, whose parts read returns, several at a time.
func (m *manifest) load(id string, read func(*part) ([]byte, error)) (*Checkpoint, error) {
	c := &Checkpoint{ID: id, Position: m.Position, About: m.About, Parts: make([]detector.Part, len(m.Parts))}
	var side errgroup.Group
	side.SetLimit(runtime.GOMAXPROCS(0))
	for i := range m.Parts {
		p := &m.Parts[i]
		side.Go(func() error {
			b, err := read(p)
			if err != nil {
				return fmt.Errorf("its part %s: %w", p.Name, err)
			}
			c.Parts[i] = detector.Part{Name: p.Name, Hash: p.SHA, Size: p.Bytes, Bytes: b}
			return p.verify(b)
		})
	}
	if err := side.Wait(); err != nil {
		return nil, err
	}
	return c, nil
}

// newestFirst sorts IDs.
func newestFirst(ids []string) []string {
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(b, a) })
	return ids
}

// dropped says what the rule does not keep of an owner's manifests, nil where one cannot be read: those which did not verify, and all
// but the newest. gone are the parts that only those name, live those that others do.
func dropped(all map[string]*manifest, bad map[string]bool) (ids []string, gone, live map[string]bool) {
	gone, live = map[string]bool{}, map[string]bool{}
	kept := 0
	for _, id := range newestFirst(slices.Collect(maps.Keys(all))) {
		m := all[id]
		keeps := !bad[id] && m != nil && kept < Keep
		if keeps {
			kept++
		} else {
			ids = append(ids, id)
		}
		if m == nil {
			continue
		}
		for _, p := range m.Parts {
			if keeps {
				live[p.SHA] = true
			} else {
				gone[p.SHA] = true
			}
		}
	}
	for hash := range live {
		delete(gone, hash)
	}
	return ids, gone, live
}
