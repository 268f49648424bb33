package notify

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	blindPrefix = "blind_"
	adviceCode  = "next" // of the evidence that says what to do about a trouble
)

// SinkTrouble is the kind of a trouble about a sink, which is told to the others.
const SinkTrouble = "sink"

// Trouble is what keeps this program from seeing, or from telling. It goes to the sinks as an incident of its own, and not to the
// alerts topic: it depends on the clock here, while what stands there follows from the rows alone. Its class is unknown, since
// the alert record has none for it, and its id begins with blind_.
type Trouble struct {
	Kind     string            // with About, what it is told apart by
	About    string            // the sink, for a SinkTrouble
	Severity incident.Severity // "" says that it is over
	Since    time.Time
	Title    string
	Detail   string
	Do       string // what to do about it
}

func (t *Trouble) key() string { return t.Kind + "/" + t.About }

// trouble is what the sinks were told of one last. It is kept, so that the next process goes on with the same incident.
type trouble struct {
	Kind   string          `json:"kind"`
	About  string          `json:"about,omitempty"`
	Record incident.Record `json:"record"`
}

// Tell has the sinks told of a trouble that begins, gets worse or is over; else it does nothing. It also begins to send: that
// nothing can be read must be told though Start waits for what was written down before.
func (d *Dispatcher) Tell(t Trouble) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.stop:
		return // the next process finds out anew
	default:
	}
	known := d.troubles[t.key()]
	now := d.opts.Now().UTC()
	switch {
	case known == nil && t.Severity == "", known != nil && t.Severity == known.Record.Severity:
		return
	case known == nil:
		known = &trouble{t.Kind, t.About, incident.Record{
			V: 1, Incident: blindID(&t), Status: incident.Firing, Class: "unknown", Cause: "unknown", Confidence: 1,
			Scope: incident.Scope{Kind: "cohort", Where: map[string]string{}}, StartedAt: t.Since.UTC(), DetectedAt: now, Links: map[string]string{},
		}}
		d.troubles[t.key()] = known
	}
	r := &known.Record
	r.Revision++
	r.UpdatedAt = now
	if t.Severity == "" {
		r.Status, r.EndedAt = incident.Resolved, &now
		delete(d.troubles, t.key())
	} else {
		r.Severity, r.Title, r.Summary = t.Severity, t.Title, t.Title+". Next: "+t.Do+"."
		r.Evidence = []incident.Evidence{{Code: "blind_" + t.Kind, Text: cut(t.Detail, 500)}, {Code: adviceCode, Text: t.Do}}
	}
	d.touch("trouble/"+t.key(), func() any {
		if k := d.troubles[t.key()]; k != nil {
			return k
		}
		return nil
	})
	routed := route(d.opts.Routes, d.names, r)
	for _, name := range d.names {
		l := d.lanes[name]
		th := l.threads[r.Incident]
		if t.Kind == SinkTrouble && name == t.About || th == nil && (!slices.Contains(routed, name) || r.Status == incident.Resolved) {
			continue
		}
		if th == nil {
			th = &thread{Sink: name, Incident: r.Incident}
			l.threads[r.Incident] = th
		}
		l.enqueue(th, r, now)
	}
	d.send()
	d.stir()
}

// blindID is fixed by what is wrong and since when, so that repeats are known, also of the next process.
func blindID(t *Trouble) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%d", t.Kind, t.About, t.Since.UnixNano())
	return fmt.Sprintf("%s%010x", blindPrefix, h.Sum64()>>24)
}

// Troubles returns what the sinks know to last, also from an earlier process, sorted by kind.
func (d *Dispatcher) Troubles() (out []Trouble) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(d.troubles)) {
		t := d.troubles[key]
		out = append(out, Trouble{Kind: t.Kind, About: t.About, Severity: t.Record.Severity, Since: t.Record.StartedAt, Title: t.Record.Title})
	}
	return out
}

// SinkState says how a sink does.
type SinkState struct {
	Name    string
	Failing time.Duration // for how long it has taken nothing; 0 if it takes alerts, or fails but once in a while
	Gone    bool          // the receiver has switched itself off
	Error   string        // what it said last
}

// SinkStates returns how the sinks do, in the order of the configuration, and for how long the store has failed.
func (d *Dispatcher) SinkStates() (sinks []SinkState, store time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.opts.Now()
	for _, name := range d.names {
		l := d.lanes[name]
		s := SinkState{Name: name, Gone: l.gone != ""}
		if s.Gone || l.fails >= breakerFails {
			s.Failing, s.Error = max(now.Sub(l.failingSince), 0), cmp.Or(l.gone, l.lastError)
		}
		sinks = append(sinks, s)
	}
	if !d.storeFailing.IsZero() {
		store = max(now.Sub(d.storeFailing), 0)
	}
	return sinks, store
}

func (n *Notification) isBlind() bool { return strings.HasPrefix(n.Record.Incident, blindPrefix) }
