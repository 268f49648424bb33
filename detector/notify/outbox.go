package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// thread is what one sink has been and will be told of one incident.
type thread struct {
	Sink     string             `json:"sink"`
	Incident string             `json:"incident"`
	First    *incident.Record   `json:"first,omitempty"` // delivered first
	Told     *incident.Record   `json:"told,omitempty"`  // and last
	Last     *incident.Record   `json:"last,omitempty"`  // the same in full, where the protocol wants it said again
	ToldAt   time.Time          `json:"told_at,omitzero"`
	Unsure   []*incident.Record `json:"unsure,omitempty"` // attempted since, with an answer that was lost, and obsolete now
	Queue    []*entry           `json:"queue,omitempty"`  // by revision

	againAt time.Time // when Last is said again
}

// entry is one revision that waits: what the outbox is keyed by is sink, incident and revision.
type entry struct {
	Record   incident.Record `json:"record"`
	QueuedAt time.Time       `json:"queued_at"`
	FirstAt  time.Time       `json:"first_at,omitzero"` // first attempt
	DueAt    time.Time       `json:"due_at,omitzero"`
	Attempts int             `json:"attempts,omitempty"`
	Error    string          `json:"error,omitempty"` // of the last attempt

	serial int64
	change uint64 // must be durable before the first attempt
	busy   bool   // being attempted
	tried  bool   // it may have arrived: an attempt failed, or an earlier process may have made one
}

// taken is the last revision of an incident that was taken.
type taken struct {
	Incident string `json:"incident"`
	Revision int    `json:"revision"`
}

// heldBack is an incident that a sink was told of in a digest only.
type heldBack struct {
	Sink     string            `json:"sink"`
	Incident string            `json:"incident"`
	Severity incident.Severity `json:"severity"`
}

func encode(value any) []byte {
	if value == nil {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic("notify: own types do not marshal: " + err.Error())
	}
	return text
}

// load takes up what the store kept.
func (d *Dispatcher) load() error {
	orphans := map[string]int{}
	err := d.opts.Store.Load(func(key string, value []byte) error {
		kind, _, _ := strings.Cut(key, "/")
		var owner string
		var err error
		switch kind {
		case "upto":
			var t taken
			if err = json.Unmarshal(value, &t); err == nil {
				d.upto[t.Incident] = t.Revision
			}
			owner = "-"
		case "until":
			err = json.Unmarshal(value, &d.until)
			owner = "-"
		case "visited":
			if err = json.Unmarshal(value, &owner); err == nil && d.lanes[owner] != nil {
				d.lanes[owner].known = true
			}
		case "thread":
			var t thread
			if err = json.Unmarshal(value, &t); err == nil && d.lanes[t.Sink] != nil {
				for _, e := range t.Queue {
					d.serial++
					e.serial, e.tried = d.serial, true
				}
				d.lanes[t.Sink].threads[t.Incident] = &t
			}
			owner = t.Sink
		case "held":
			var h heldBack
			if err = json.Unmarshal(value, &h); err == nil && d.lanes[h.Sink] != nil {
				d.lanes[h.Sink].held[h.Incident] = h.Severity
			}
			owner = h.Sink
		case "digest":
			var g digest
			if err = json.Unmarshal(value, &g); err == nil && d.lanes[g.Sink] != nil {
				d.lanes[g.Sink].digests[g.Severity] = &g
			}
			owner = g.Sink
		case "trouble":
			var x trouble
			if err = json.Unmarshal(value, &x); err == nil {
				d.troubles[x.Kind+"/"+x.About] = &x
			}
			owner = "-"
		case "dead":
			var x Dead
			if err = json.Unmarshal(value, &x); err == nil && d.lanes[x.Sink] != nil {
				d.lanes[x.Sink].dead = append(d.lanes[x.Sink].dead, x)
			}
			owner = x.Sink
		}
		if err != nil {
			return fmt.Errorf("read outbox: key %q: %w; it is of a newer version or damaged; use the newer version, or move the outbox away", key, err)
		}
		if owner != "-" && d.lanes[owner] == nil { // the sink was taken out of the configuration
			orphans[owner]++
			d.touch(key, func() any { return nil })
		}
		return nil
	})
	if err != nil {
		return err
	}
	for name, n := range orphans {
		d.log.Warn().Str("sink", name).Int("entries", n).Msg("notify: the sink is not configured any more; what the outbox holds for it is dropped")
	}
	for _, l := range d.lanes {
		slices.SortFunc(l.dead, func(a, b Dead) int { return a.At.Compare(b.At) })
		for _, t := range l.threads { // in the order in which they were offered
			slices.SortFunc(t.Queue, func(a, b *entry) int { return a.Record.Revision - b.Record.Revision })
		}
	}
	return nil
}
