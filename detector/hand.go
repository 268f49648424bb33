package detector

import (
	"maps"
	"sync"
)

// hand keeps what an engine's own shards have said until it comes back from the log, so that an engine that decides need not read what it
// has just written. What is said stays the log's to decide. The zero value keeps nothing.
type hand struct {
	mu   sync.Mutex
	held map[handKey]*spoken
}

type handKey struct {
	owner string
	seq   int64
}

// open begins to keep, or ends it.
func (h *hand) open(keep bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held = nil; keep {
		h.held = map[handKey]*spoken{}
	}
}

func (h *hand) put(s *Signal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held != nil && s.whole != nil {
		h.held[handKey{s.Owner, s.Seq}] = s.whole
	}
	s.whole = nil
}

// take returns what a signal holds if it was put here, once it is whole.
func (h *hand) take(s *Signal) (x *spoken) {
	if s.Kind != SignalClosing || s.Part+1 < s.Parts {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	key := handKey{s.Owner, s.Seq}
	x = h.held[key]
	delete(h.held, key)
	return x
}

// drop forgets what an owner has said and did not come back.
func (h *hand) drop(owner string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.held, func(k handKey, _ *spoken) bool { return k.owner == owner })
}
