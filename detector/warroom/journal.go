package warroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Bounds of a Journal.
const (
	maxEntries = 100_000 // remarks, so that what keeps them stays below some hundred megabytes
	maxNotes   = 200     // of one incident

	keepTimeout = 10 * time.Second // that a remark may take to be kept
)

// Journal is what people say of incidents: a line each, kept in a log that instances share before it counts. It is safe for concurrent use.
type Journal struct {
	keep func(ctx context.Context, line []byte) error // nil keeps nothing

	writing sync.Mutex // held while one is kept

	mu    sync.RWMutex
	by    map[string]*remarks
	lines int
	waits map[string]chan struct{} // by id of a remark: closed once it is heard
}

// remarks are what people said of one incident.
type remarks struct {
	ack   *remark
	label *remark // the latest counts
	notes []remark
}

// remark is a line of the journal.
type remark struct {
	V        int       `json:"v"`
	ID       string    `json:"id,omitempty"` // that of a note tells a line that was written twice
	At       time.Time `json:"at"`
	Incident string    `json:"incident"`
	Kind     string    `json:"kind"`         // ack, label or note
	By       string    `json:"by,omitempty"` // as they call themselves: nobody is authenticated
	Class    string    `json:"class,omitempty"`
	Cause    string    `json:"cause,omitempty"`
	Text     string    `json:"text,omitempty"`
}

// NewJournal returns a journal that is kept in a log: keep writes a line there, and whoever reads the log from its beginning calls Hear with
// all of it, in its order. A nil keep is a journal in memory.
func NewJournal(keep func(ctx context.Context, line []byte) error) *Journal {
	return &Journal{keep: keep, by: map[string]*remarks{}, waits: map[string]chan struct{}{}}
}

// Hear takes the next line. A line that is no remark changes nothing.
func (j *Journal) Hear(line []byte) error {
	var r remark
	if err := json.Unmarshal(line, &r); err != nil || r.V != 1 || r.Incident == "" {
		return errNoRemark
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines++
	x := j.by[r.Incident]
	if x == nil {
		x = &remarks{}
		j.by[r.Incident] = x
	}
	switch r.Kind {
	case "ack":
		if x.ack == nil {
			x.ack = &r
		}
	case "label":
		x.label = &r
	case "note":
		if r.ID == "" || !slices.ContainsFunc(x.notes, func(o remark) bool { return o.ID == r.ID }) {
			x.notes = append(x.notes, r)
		}
	}
	if heard := j.waits[r.ID]; heard != nil {
		close(heard)
		delete(j.waits, r.ID)
	}
	return nil
}

var errNoRemark = errors.New("no remark of this version")

// of returns what was said of an incident.
func (j *Journal) of(id string) remarks {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if x := j.by[id]; x != nil {
		return remarks{x.ack, x.label, slices.Clone(x.notes)}
	}
	return remarks{}
}

// write keeps a remark and returns once it counts. A second acknowledgement changes nothing: the first stands.
func (j *Journal) write(ctx context.Context, r remark) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	was := j.of(r.Incident)
	r.ID = strconv.FormatUint(rand.Uint64(), 36)
	heard := make(chan struct{})
	j.mu.Lock()
	lines := j.lines
	j.waits[r.ID] = heard
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		delete(j.waits, r.ID)
		j.mu.Unlock()
	}()
	switch {
	case r.Kind == "ack" && was.ack != nil:
		return nil
	case r.Kind == "note" && len(was.notes) >= maxNotes:
		return newProblem(http.StatusInsufficientStorage, fmt.Sprintf("the incident has %d notes, as many as are kept; write elsewhere and link to it", maxNotes))
	case lines >= maxEntries:
		return newProblem(http.StatusInsufficientStorage, fmt.Sprintf("the journal holds %d remarks, as many as are kept; write elsewhere", lines))
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if j.keep == nil {
		return j.Hear(line)
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	if err := j.keep(ctx, line); err != nil {
		return fmt.Errorf("%w: %w", notReady("what people say cannot be kept now: Kafka does not answer, or this instance is not connected yet; try again"), err)
	}
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return notReady("it is kept, but was not read back in time; ask for the incident again")
	}
}
