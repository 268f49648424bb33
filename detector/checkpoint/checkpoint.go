package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Layout is the version of manifests that this program writes and reads.
const Layout = 1

// About says what a checkpoint is of.
type About struct {
	Cluster    string             `json:"cluster"`
	Topic      string             `json:"topic"`
	Group      string             `json:"group"`
	Installed  time.Time          `json:"installed_at"` // when the installation made its first start
	Partitions int                `json:"partitions"`
	Next       map[int32]int64    `json:"next_offsets"` // to be read next; absent before a partition's first record
	Landmarks  map[int32]Landmark `json:"landmarks"`
	EventTime  time.Time          `json:"event_time"` // up to which ticks are decided
	SavedAt    time.Time          `json:"saved_at"`
	Program    string             `json:"program_version"`
	Config     string             `json:"config_version"`
}

// Landmark is a record that was read: a topic that was made anew has another one there.
type Landmark struct {
	Offset int64  `json:"offset"`
	Hash   string `json:"hash"`
}

// Checkpoint is one consistent state.
type Checkpoint struct {
	Number int64 // given by the store, counting up
	About  About
	Parts  map[string][]byte
}

// manifest is what is written last.
type manifest struct {
	Layout int    `json:"layout"`
	Number int64  `json:"number"`
	About  About  `json:"about"`
	Parts  []part `json:"parts"`
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

// encode returns the manifest as a line of JSON and a line with its checksum.
func (m *manifest) encode() ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return fmt.Appendf(text, "\n%s\n", sum(text)), nil
}

func decode(b []byte) (*manifest, error) {
	text, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok || string(rest) != sum(text)+"\n" {
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
