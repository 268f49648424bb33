package warroom

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"
)

func openJournal(t testing.TB, path string) *Journal {
	t.Helper()
	j, err := OpenJournal(path, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Wherever a crash cuts the file, what was whole is read again, and what comes afterwards too.
func TestJournalSurvivesACutAnywhere(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n), "state", "journal.jsonl")
		j, err := OpenJournal(path, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		ends := []int64{0}
		states := []map[string]remarks{{}}
		snapshot := func(j *Journal) map[string]remarks {
			out := map[string]remarks{}
			for id := range j.by {
				out[id] = j.of(id)
			}
			return out
		}
		for i := range rapid.IntRange(1, 6).Draw(t, "remarks") {
			r := remark{V: 1, At: time.Unix(int64(i), 0).UTC(), Incident: rapid.SampledFrom([]string{"inc_1", "inc_2"}).Draw(t, "incident"), Kind: rapid.SampledFrom([]string{"ack", "label", "note"}).Draw(t, "kind")}
			switch r.Kind {
			case "label":
				r.Class = "abuse"
			case "note":
				r.Text = rapid.SampledFrom([]string{"x", "two\nlines", "\u2028", strings.Repeat("<", maxText)}).Draw(t, "text")
			}
			if err := j.write(r); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			ends, states = append(ends, info.Size()), append(states, snapshot(j))
		}
		cut := rapid.Int64Range(0, ends[len(ends)-1]).Draw(t, "cut")
		if err := os.Truncate(path, cut); err != nil {
			t.Fatal(err)
		}
		want := 0
		for i, end := range ends {
			if end <= cut {
				want = i
			}
		}
		again, err := OpenJournal(path, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		if got := snapshot(again); !reflect.DeepEqual(got, states[want]) {
			t.Fatalf("cut at %d of %v: %v, want %v", cut, ends, got, states[want])
		}
		last := remark{V: 1, Incident: "inc_3", Kind: "note", Text: "after"}
		if err := again.write(last); err != nil {
			t.Fatal(err)
		}
		final, err := OpenJournal(path, zerolog.Nop())
		if err != nil || len(final.of("inc_3").notes) != 1 || !reflect.DeepEqual(snapshot(final), snapshot(again)) {
			t.Fatalf("%v: %v", err, snapshot(final))
		}
	})
}

func TestJournalRules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := openJournal(t, path)
	write := func(r remark) error { r.V, r.Incident = 1, "inc_1"; return j.write(r) }
	for _, r := range []remark{{Kind: "ack", By: "ann"}, {Kind: "ack", By: "bob"}, {Kind: "label", Class: "abuse"}, {Kind: "label", Class: "organic"}} {
		if err := write(r); err != nil {
			t.Fatal(err)
		}
	}
	if x := openJournal(t, path).of("inc_1"); x.ack.By != "ann" || x.label.Class != "organic" {
		t.Errorf("%+v", x)
	}
	j.by["inc_1"].notes = make([]remark, maxNotes)
	var p *problem
	if err := write(remark{Kind: "note", Text: "one more"}); !errors.As(err, &p) || p.Status != 507 {
		t.Errorf("beyond the bound of notes: %v", err)
	}
	j.lines = maxEntries
	if err := write(remark{Kind: "label", Class: "abuse"}); !errors.As(err, &p) || p.Status != 507 {
		t.Errorf("beyond the bound of lines: %v", err)
	}
}

func TestJournalErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.jsonl")
	if err := os.WriteFile(path, []byte("{\"v\":1,\"incident\":\"inc_1\",\"kind\":\"ack\",\"at\":\"2026-06-25T14:00:00Z\"}\nrubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(path, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), path+":2: no remark of this version; repair the line, or move the file away to start without") {
		t.Errorf("a damaged line: %v", err)
	}
	if _, err := OpenJournal(dir, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	// A place that cannot be made is a fault of the request, and the program goes on.
	j := openJournal(t, filepath.Join(dir, "missing", "journal.jsonl"))
	if err := os.WriteFile(filepath.Join(dir, "missing"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.write(remark{V: 1, Incident: "inc_1", Kind: "ack"}); err == nil || j.of("inc_1").ack != nil {
		t.Errorf("written to nowhere: %v", err)
	}
}
