package checkpoint

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/drainwatch/drainwatch/detector"
)

// Layout is the version of manifests that this program writes and reads.
const Layout = 2

// Keep is how many checkpoints of an owner a store keeps: should the newest not verify, there is another.
const Keep = 3

// orphaned is the age at which a part that no manifest names is taken for what a torn write left: younger, it may be of one under way.
const orphaned = 10 * time.Minute

// Store keeps checkpoints of several owners. Several processes may use one at once, and two may take themselves for the same owner: the
// checkpoint of the greater position counts. A Store is for one goroutine an owner.
type Store interface {
	// Write keeps a checkpoint, gives it an ID, removes what the rule does not keep, and returns how many bytes were written. When it
	// returns, the checkpoint survives a loss of power. A part without Bytes must be held; a *MissingError says that one is not,
	// and Held then says so too. After an error the checkpoints before it are as they were. When ctx ends it stops between two parts.
	Write(ctx context.Context, owner string, c *Checkpoint) (written int64, err error)
	// Newest returns the newest checkpoint that verifies, nil if none does, and for each newer one why it does not. Those are
	// removed by the next Write.
	Newest(ctx context.Context, owner string) (c *Checkpoint, skipped []error, err error)
	// Held says which parts of an owner, by hash, need not be given again.
	Held(ctx context.Context, owner string) (func(hash string) bool, error)
	// Owners returns those of whom there are checkpoints, in order.
	Owners(ctx context.Context) ([]string, error)
	// Path says where all this is, for messages.
	Path() string
}

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

// Checkpoint is one consistent state of an owner.
type Checkpoint struct {
	ID       string // given by the store
	Position int64  // how far the owner had read, such as the next offset: of two checkpoints the one of the greater position is newer
	About    About
	Parts    []detector.Part
}

// Part returns the content of a part, nil if there is none of that name.
func (c *Checkpoint) Part(name string) []byte {
	for i := range c.Parts {
		if c.Parts[i].Name == name {
			return c.Parts[i].Bytes
		}
	}
	return nil
}

// MissingError says that a part which was not given is not held either: give it.
type MissingError struct{ Owner, Part string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("write checkpoint of %s: its part %s is not there any more, and was not written again", e.Owner, e.Part)
}

var (
	ownerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	hashName  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check refuses what cannot be kept.
func (c *Checkpoint) check(owner string) error {
	if !ownerName.MatchString(owner) {
		return fmt.Errorf("write checkpoint: owner %q: want 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first", owner)
	}
	if c.Position < 0 {
		return fmt.Errorf("write checkpoint of %s: position %d is negative", owner, c.Position)
	}
	for _, p := range c.Parts {
		if !hashName.MatchString(p.Hash) {
			return fmt.Errorf("write checkpoint of %s: part %s has hash %q", owner, p.Name, p.Hash)
		}
	}
	return nil
}
