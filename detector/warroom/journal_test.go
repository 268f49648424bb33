package warroom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// lines is a log that journals share: what is kept there all of them hear, in one order, and some of it twice.
type lines struct {
	mu    sync.Mutex
	kept  [][]byte
	twice func() bool
}

func (l *lines) keep(_ context.Context, line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, line)
	if l.twice() { // a lost answer
		l.kept = append(l.kept, line)
	}
	return nil
}

// follow has a journal hear the log until it ends.
func (l *lines) follow(j *Journal, done <-chan struct{}) {
	for next, last := 0, false; !last; {
		select {
		case <-done:
			last = true // of what there is now
		case <-time.After(time.Millisecond):
		}
		l.mu.Lock()
		more := l.kept[next:]
		l.mu.Unlock()
		for _, line := range more {
			if err := j.Hear(line); err != nil {
				panic(err)
			}
		}
		next += len(more)
	}
}

// Whatever several instances write at once, and however often a line comes twice, a remark is there once it is answered, and in the end all
// say the same.
func TestJournalsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flip := rapid.SliceOfN(rapid.Bool(), 40, 40).Draw(t, "written twice")
		n := 0
		log := &lines{twice: func() bool { n++; return flip[n%len(flip)] }}
		done := make(chan struct{})
		var writers, followers sync.WaitGroup
		all := []*Journal{NewJournal(log.keep), NewJournal(log.keep), NewJournal(log.keep)}
		notes := 0
		for i, j := range all {
			followers.Go(func() { log.follow(j, done) })
			kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"ack", "label", "note"}), 1, 4).Draw(t, "kinds")
			for _, kind := range kinds {
				if kind == "note" {
					notes++
				}
			}
			writers.Go(func() {
				for k, kind := range kinds {
					r := remark{V: 1, Incident: "inc_1", Kind: kind, By: fmt.Sprint(i, "/", k)}
					if err := j.write(context.Background(), r); err != nil {
						panic(err)
					}
					if x := j.of("inc_1"); kind == "ack" && x.ack == nil || kind == "label" && x.label == nil || kind == "note" && len(x.notes) == 0 {
						panic(kind + " was answered and does not count")
					}
				}
			})
		}
		writers.Wait()
		close(done)
		followers.Wait()
		for _, j := range all {
			x := j.of("inc_1")
			if !reflect.DeepEqual(x, all[0].of("inc_1")) || len(x.notes) != notes {
				t.Fatalf("%d notes were written; one says %+v, another %+v", notes, x, all[0].of("inc_1"))
			}
		}
	})
}

func TestJournalRules(t *testing.T) {
	j := NewJournal(nil)
	write := func(r remark) error { r.V, r.Incident = 1, "inc_1"; return j.write(t.Context(), r) }
	for _, r := range []remark{{Kind: "ack", By: "ann"}, {Kind: "ack", By: "bob"}, {Kind: "label", Class: "abuse"}, {Kind: "label", Class: "organic"}} {
		if err := write(r); err != nil {
			t.Fatal(err)
		}
	}
	if x := j.of("inc_1"); x.ack.By != "ann" || x.label.Class != "organic" {
		t.Errorf("%+v", x)
	}
	j.by["inc_1"].notes = make([]remark, maxNotes)
	var p *problem
	if err := write(remark{Kind: "note", Text: "one more"}); !errors.As(err, &p) || p.Status != http.StatusInsufficientStorage {
		t.Errorf("beyond the bound of notes: %v", err)
	}
	j.lines = maxEntries
	if err := write(remark{Kind: "label", Class: "abuse"}); !errors.As(err, &p) || p.Status != http.StatusInsufficientStorage {
		t.Errorf("beyond the bound of lines: %v", err)
	}
	for _, line := range []string{"", "rubbish", "{}", `{"v":2,"incident":"inc_1","kind":"ack"}`, `{"v":1,"kind":"ack"}`, "null", "\xff"} {
		if err := j.Hear([]byte(line)); err == nil {
			t.Errorf("%q is taken for a remark", line)
		}
	}
}

// A log that cannot be written is a fault of the moment: whoever asks may try again, and nothing counts.
func TestJournalUnkept(t *testing.T) {
	j := NewJournal(func(context.Context, []byte) error { return errors.New("no brokers") })
	var p *problem
	if err := j.write(t.Context(), remark{V: 1, Incident: "inc_1", Kind: "ack"}); !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || p.retryAfter == 0 || j.of("inc_1").ack != nil {
		t.Errorf("%v", err)
	}
	if len(j.waits) != 0 {
		t.Error("somebody waits for ever")
	}
}
