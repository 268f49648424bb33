package warroom

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Bounds of a Board: beyond them the oldest resolved incident goes, and of a timeline all but the first and the latest.
const (
	maxIncidents = 10_000
	maxChanges   = 500
)

// Board holds the incidents as the alerts said them. It is safe for concurrent use; its zero value is empty.
type Board struct {
	mu    sync.RWMutex
	by    map[string]*entry
	order []*entry // the oldest first
	gone  int      // given up for room
}

// entry is one incident.
type entry struct {
	opened  time.Time // when it was first detected: its place in lists, which never changes
	latest  incident.Record
	changes []incident.Change
	first   int // revisions up to the first that is known
	dropped int // changes left out of the timeline
}

// Add takes the next revision of an incident; one that is known, or older, changes nothing.
func (b *Board) Add(r incident.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by == nil {
		b.by = map[string]*entry{}
	}
	e := b.by[r.Incident]
	if e == nil {
		e = &entry{opened: r.DetectedAt, latest: r, changes: []incident.Change{incident.First(&r)}, first: r.Revision}
		b.by[r.Incident] = e
		i, _ := slices.BinarySearchFunc(b.order, e, byAge)
		b.order = slices.Insert(b.order, i, e)
		b.makeRoom()
		return
	}
	if r.Revision <= e.latest.Revision {
		return
	}
	e.changes = append(e.changes, incident.Between(&e.latest, &r))
	if len(e.changes) > maxChanges {
		e.changes = slices.Delete(e.changes, 1, 2)
		e.dropped++
	}
	e.latest = r
}

func byAge(a, b *entry) int {
	return cmp.Or(a.opened.Compare(b.opened), cmp.Compare(a.latest.Incident, b.latest.Incident))
}

func (b *Board) makeRoom() {
	for len(b.order) > maxIncidents {
		i := max(slices.IndexFunc(b.order, func(e *entry) bool { return e.latest.Status == incident.Resolved }), 0)
		delete(b.by, b.order[i].latest.Incident)
		b.order = slices.Delete(b.order, i, i+1)
		b.gone++
	}
}

// incidentFilter says which incidents are asked for. Zero fields ask for all.
type incidentFilter struct {
	status, class string
	from, to      time.Time // it went on at some time in between
	after         *place    // only those older than this one
	limit         int
}

// place is where an incident stands in lists.
type place struct {
	opened time.Time
	id     string
}

func (f *incidentFilter) wants(e *entry) bool {
	r := &e.latest
	switch {
	case f.status != "" && f.status != string(r.Status), f.class != "" && f.class != r.Class:
		return false
	case !f.to.IsZero() && !r.StartedAt.Before(f.to):
		return false
	case !f.from.IsZero() && r.EndedAt != nil && r.EndedAt.Before(f.from):
		return false
	}
	return true
}

// list returns incidents, the youngest first, and whether there are more.
func (b *Board) list(f *incidentFilter) (out []entry, more bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	end := len(b.order)
	if f.after != nil {
		end, _ = slices.BinarySearchFunc(b.order, f.after, func(e *entry, p *place) int {
			return cmp.Or(e.opened.Compare(p.opened), cmp.Compare(e.latest.Incident, p.id))
		})
	}
	for _, e := range slices.Backward(b.order[:end]) {
		if !f.wants(e) {
			continue
		}
		if len(out) == f.limit {
			return out, true
		}
		out = append(out, *e)
	}
	return out, false
}

// one returns an incident as it stands.
func (b *Board) one(id string) (entry, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.by[id]
	if e == nil {
		return entry{}, false
	}
	x := *e
	x.changes = slices.Clone(e.changes)
	return x, true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
