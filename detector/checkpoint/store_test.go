package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
)

// suite is what a store has to be good for. open opens the same store each time, as another process would; harm damages what the store
// holds of a checkpoint, each in a way of its own.
type suite struct {
	open func(t *testing.T) Store
	harm []func(t *testing.T, owner string, c *Checkpoint)
	size func(t *testing.T) int // how many parts and manifests there are, and whatever else takes room
}

func noise(n, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// specimen is a checkpoint of position n. One part is always the same, one is empty, and one takes several messages.
func specimen(n int) *Checkpoint {
	at := time.Date(2026, 6, 1, 0, 0, n, 0, time.UTC)
	return &Checkpoint{
		Position: int64(n),
		About: About{
			Cluster: "c", Topic: "usage", Group: "g", Installed: at, Partitions: 2, Next: map[int32]int64{0: int64(n), 1: 1 << 40},
			Landmarks: map[int32]Landmark{1: {Offset: 7, Hash: "abc"}}, EventTime: at, SavedAt: at, Program: "1.0.0", Config: "c-1",
		},
		Parts: []detector.Part{
			detector.NewPart("head", fmt.Appendf(nil, "head %d", n)), detector.NewPart("empty", nil), detector.NewPart("users-0", noise(n, 700_000)),
			detector.NewPart("ids-0", noise(-1, 5000)),
		},
	}
}

const noHash = "0000000000000000000000000000000000000000000000000000000000000000"

func (s *suite) write(t *testing.T, to Store, owner string, n int) *Checkpoint {
	t.Helper()
	c := specimen(n)
	if _, err := to.Write(t.Context(), owner, c); err != nil {
		t.Fatalf("write %d of %s: %v", n, owner, err)
	}
	return c
}

func (s *suite) newest(t *testing.T, from Store, owner string, want *Checkpoint, skips ...*Checkpoint) {
	t.Helper()
	got, skipped, err := from.Newest(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case (got == nil) != (want == nil):
		t.Errorf("the newest is %v, want %v; left out %v", got != nil, want != nil, skipped)
	case got != nil && !reflect.DeepEqual(got, want):
		t.Errorf("the newest is %s of %+v, want %s of %+v", got.ID, got.About, want.ID, want.About)
	}
	if len(skipped) != len(skips) {
		t.Fatalf("left out %v, want %d", skipped, len(skips))
	}
	for i, err := range skipped {
		if !strings.HasPrefix(err.Error(), fmt.Sprintf("checkpoint %s of %s in ", skips[i].ID, owner)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("says %q of checkpoint %s", err, skips[i].ID)
		}
	}
}

func (s *suite) run(t *testing.T) {
	t.Run("empty", s.empty)
	t.Run("the newest counts, and old ones go", s.newestCounts)
	t.Run("owners are apart", s.ownersApart)
	t.Run("what has not changed is not written again", s.unchanged)
	t.Run("what cannot be is refused", s.refused)
	t.Run("one that was given up leaves the others as they were", s.givenUp)
	t.Run("a zombie writes beside its successor", s.zombie)
	for way := range s.harm {
		t.Run(fmt.Sprint("damage ", way), func(t *testing.T) { s.damaged(t, way) })
	}
	t.Run("where none is good that is said", func(t *testing.T) {
		a, b := s.write(t, s.open(t), "none", 1), s.write(t, s.open(t), "none", 2)
		s.harm[0](t, "none", a)
		s.harm[1](t, "none", b)
		store := s.open(t)
		s.newest(t, store, "none", nil, b, a)
		s.newest(t, store, "none", s.write(t, store, "none", 0))
	})
}

func (s *suite) empty(t *testing.T) {
	s.newest(t, s.open(t), "shard-0", nil)
	if owners, err := s.open(t).Owners(t.Context()); err != nil || len(owners) > 0 {
		t.Errorf("of %v: %v", owners, err)
	}
	held, err := s.open(t).Held(t.Context(), "shard-0")
	if err != nil || held(noHash) {
		t.Errorf("holds what it never had: %v", err)
	}
}

func (s *suite) newestCounts(t *testing.T) {
	size := 0
	for n := range 6 {
		c := s.write(t, s.open(t), "newest", n) // another process each time
		s.newest(t, s.open(t), "newest", c)
		if n == Keep-1 {
			size = s.size(t)
		}
	}
	if n := s.size(t); n != size {
		t.Errorf("holds %d things after %d checkpoints, and %d after 6", size, Keep, n)
	}
	store := s.open(t)
	for n := range 6 {
		c := s.write(t, store, "newest", 6+n) // or the same
		s.newest(t, store, "newest", c)
		s.newest(t, s.open(t), "newest", c)
	}
	if n := s.size(t); n != size {
		t.Errorf("holds %d things after %d checkpoints, and %d after 12", size, Keep, n)
	}
}

func (s *suite) ownersApart(t *testing.T) {
	store := s.open(t)
	for n := range 3 {
		for k := range 4 {
			s.write(t, store, fmt.Sprint("apart-", k), 10*n+k)
		}
	}
	for k := range 4 {
		if got, _, err := s.open(t).Newest(t.Context(), fmt.Sprint("apart-", k)); err != nil || got.Position != int64(20+k) {
			t.Errorf("owner %d goes on from %v: %v", k, got, err)
		}
	}
	owners, err := s.open(t).Owners(t.Context())
	owners = slices.DeleteFunc(owners, func(o string) bool { return !strings.HasPrefix(o, "apart-") })
	if err != nil || !slices.Equal(owners, []string{"apart-0", "apart-1", "apart-2", "apart-3"}) {
		t.Errorf("owners %v: %v", owners, err)
	}
}

func (s *suite) unchanged(t *testing.T) {
	store := s.open(t)
	first := s.write(t, store, "again", 1)
	held, err := s.open(t).Held(t.Context(), "again")
	if err != nil {
		t.Fatal(err)
	}
	second := specimen(2)
	second.Parts[2] = first.Parts[2]
	want := *second
	want.Parts = slices.Clone(second.Parts)
	for i := range second.Parts {
		if p := &second.Parts[i]; held(p.Hash) {
			p.Bytes = nil
		} else if i != 0 {
			t.Errorf("part %s is not held", p.Name)
		}
	}
	written, err := s.open(t).Write(t.Context(), "again", second)
	if err != nil || written > 10_000 {
		t.Errorf("wrote %d bytes: %v", written, err)
	}
	want.ID = second.ID
	s.newest(t, s.open(t), "again", &want)
	foreign := specimen(3)
	foreign.Parts[2].Bytes = nil
	_, err = store.Write(t.Context(), "again", foreign)
	if missing, ok := errors.AsType[*MissingError](err); !ok || missing.Part != "users-0" {
		t.Errorf("a part that is nowhere: %v", err)
	}
	other := specimen(1) // parts are not shared between owners
	other.Parts[2].Bytes = nil
	if _, err := store.Write(t.Context(), "again-2", other); err == nil {
		t.Error("takes another owner's part")
	}
	s.newest(t, s.open(t), "again", &want)
}

func (s *suite) refused(t *testing.T) {
	store := s.open(t)
	for _, owner := range []string{"", "..", "a/b", "Shard", strings.Repeat("a", 65), "a\n"} {
		if _, err := store.Write(t.Context(), owner, specimen(1)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("owner %q: %v", owner, err)
		}
	}
	for name, change := range map[string]func(*Checkpoint){
		"a negative position": func(c *Checkpoint) { c.Position = -1 },
		"any hash":            func(c *Checkpoint) { c.Parts[0].Hash = "../../x" },
	} {
		c := specimen(1)
		change(c)
		if _, err := store.Write(t.Context(), "shard-0", c); err == nil {
			t.Error("takes " + name)
		}
	}
}

func (s *suite) givenUp(t *testing.T) {
	c := s.write(t, s.open(t), "given-up", 4)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.open(t).Write(ctx, "given-up", specimen(9)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.newest(t, s.open(t), "given-up", c)
}

func (s *suite) zombie(t *testing.T) {
	zombie := s.open(t)
	first := s.write(t, zombie, "zombie", 10)
	owner := s.open(t)
	s.newest(t, owner, "zombie", first)
	last := s.write(t, owner, "zombie", 20)
	for n := range 5 { // behind
		s.write(t, zombie, "zombie", 11+n)
		s.newest(t, s.open(t), "zombie", last)
	}
	s.write(t, zombie, "zombie", 20) // the same, at the same time
	s.newest(t, s.open(t), "zombie", last)
	last = s.write(t, zombie, "zombie", 30) // or ahead, which is as good
	s.newest(t, s.open(t), "zombie", last)
	for n := range 3 {
		last = s.write(t, owner, "zombie", 31+n)
		s.newest(t, s.open(t), "zombie", last)
	}
}

func (s *suite) damaged(t *testing.T, way int) {
	owner := fmt.Sprint("damage-", way)
	s.write(t, s.open(t), owner, 1)
	good, bad := s.write(t, s.open(t), owner, 2), s.write(t, s.open(t), owner, 9)
	s.harm[way](t, owner, bad)
	store := s.open(t)
	s.newest(t, store, owner, good, bad)
	held, err := store.Held(t.Context(), owner)
	if err != nil || !held(good.Parts[2].Hash) || held(noHash) {
		t.Errorf("what is good is not held: %v", err)
	}
	next := s.write(t, store, owner, 3) // below the bad one, which must not win
	s.newest(t, s.open(t), owner, next)
	again := s.write(t, store, owner, 9) // the very same, whole
	s.newest(t, s.open(t), owner, again)
}

func specimenPart() detector.Part { return detector.NewPart("ids-0", noise(-2, 5000)) }

func FuzzManifest(f *testing.F) {
	m := manifestOf("shard-0", specimen(3))
	text, id, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, id)
	f.Add([]byte("{}\n"+sum([]byte("{}"))+"\n"), id)
	f.Fuzz(func(t *testing.T, b []byte, id string) {
		if m, err := decode(b, "shard-0", id); err == nil {
			if again, _, err := m.encode(); err != nil || m.Layout != Layout {
				t.Errorf("%q: %v", again, err)
			}
		}
	})
}
