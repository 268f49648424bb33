package notify

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"
)

func openJournal(t testing.TB, dir string) (*Journal, map[string]string) {
	t.Helper()
	j, err := OpenJournal(dir, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := j.Load(func(k string, v []byte) error { got[k] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	return j, got
}

// Whatever prefix of the file a crash leaves, what was written whole is there and nothing else, and writing goes on behind it.
func TestJournalTornAnywhere(t *testing.T) {
	dir := t.TempDir()
	j, _ := openJournal(t, dir)
	states := []map[string]string{{}}
	sizes := []int64{0}
	for i := range 6 {
		c := Change{Key: fmt.Sprintf("k%d", i%3), Value: fmt.Appendf(nil, `{"n":%d,"text":"a\nb"}`, i)}
		if i == 4 {
			c.Value = nil
		}
		if err := j.Write([]Change{c}); err != nil {
			t.Fatal(err)
		}
		next := maps.Clone(states[len(states)-1])
		if delete(next, c.Key); c.Value != nil {
			next[c.Key] = string(c.Value)
		}
		states, sizes = append(states, next), append(sizes, j.size)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for n := range len(whole) + 1 {
		for at+1 < len(sizes) && int64(n) >= sizes[at+1] {
			at++
		}
		torn := t.TempDir()
		if err := os.WriteFile(filepath.Join(torn, journalName), whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j, got := openJournal(t, torn)
		if !maps.Equal(got, states[at]) {
			t.Fatalf("cut at %d of %d: %v, want %v", n, len(whole), got, states[at])
		}
		if err := j.Write([]Change{{"new", []byte(`1`)}}); err != nil {
			t.Fatal(err)
		}
		_ = j.Close()
		j, got = openJournal(t, torn)
		_ = j.Close()
		if len(got) != len(states[at])+1 || got["new"] != "1" {
			t.Fatalf("cut at %d and written on: %v", n, got)
		}
	}
}

// A line that the disk has damaged is left out and said; the others stay.
func TestJournalDamage(t *testing.T) {
	dir := t.TempDir()
	j, _ := openJournal(t, dir)
	for _, k := range []string{"a", "b", "c"} {
		if err := j.Write([]Change{{k, []byte(`"value"`)}}); err != nil {
			t.Fatal(err)
		}
	}
	_ = j.Close()
	file := filepath.Join(dir, journalName)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text[bytes.Index(text, []byte(`"b"`))+1] = 'x'
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	j, err = OpenJournal(dir, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	got := map[string]string{}
	if err := j.Load(func(k string, v []byte) error { got[k] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["a"] == "" || got["c"] == "" || !strings.Contains(log.String(), "damaged lines") {
		t.Errorf("%v; said %s", got, log.String())
	}
}

func TestJournalIsOneProcess(t *testing.T) {
	dir := t.TempDir()
	j, _ := openJournal(t, dir)
	if _, err := OpenJournal(dir, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "another process has it") {
		t.Errorf("a second one opens: %v", err)
	}
	_ = j.Close()
	j, _ = openJournal(t, dir)
	_ = j.Close()
	if _, err := OpenJournal("/dev/null/x", zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "state.path") {
		t.Errorf("opened below a file: %v", err)
	}
}

// The journal is the map that was written, through any sequence of writes, rewrites and restarts; and its file stays in
// proportion to what it holds.
func TestJournalIsAMap(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			t.Fatal(err)
		}
		open := func() (*Journal, map[string]string) {
			j, err := OpenJournal(dir, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			if err := j.Load(func(k string, v []byte) error { got[k] = string(v); return nil }); err != nil {
				t.Fatal(err)
			}
			return j, got
		}
		j, _ := open()
		model := map[string]string{}
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				var changes []Change
				for range rapid.IntRange(0, 4).Draw(t, "changes") {
					key := rapid.SampledFrom([]string{"a", "b\n", "ü", "", "thread/x/y"}).Draw(t, "key")
					if rapid.Bool().Draw(t, "remove") {
						changes = append(changes, Change{key, nil})
						delete(model, key)
						continue
					}
					value := fmt.Sprintf(`"%d"`, rapid.Int().Draw(t, "value"))
					changes = append(changes, Change{key, []byte(value)})
					model[key] = value
				}
				if err := j.Write(changes); err != nil {
					t.Fatal(err)
				}
			},
			"rewrite": func(t *rapid.T) {
				if err := j.rewrite(); err != nil {
					t.Fatal(err)
				}
				if j.size != j.held {
					t.Fatalf("%d bytes after a rewrite for %d that are needed", j.size, j.held)
				}
			},
			"restart": func(t *rapid.T) {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				var got map[string]string
				if j, got = open(); !maps.Equal(got, model) {
					t.Fatalf("%v, want %v", got, model)
				}
			},
			"": func(t *rapid.T) {
				if int64(len(j.live)) != int64(len(model)) {
					t.Fatalf("%d keys are live, want %d", len(j.live), len(model))
				}
			},
		})
		_ = j.Close()
	})
}

// A file that is mostly outdated is written anew by itself.
func TestJournalRewrites(t *testing.T) {
	j, _ := openJournal(t, t.TempDir())
	defer j.Close()
	value := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	for range 8 {
		if err := j.Write([]Change{{"k", value}, {"gone", value}, {"gone", nil}}); err != nil {
			t.Fatal(err)
		}
		if j.size > 2*j.held+journalSlack+3<<20 {
			t.Fatalf("%d MB for 1 MB", j.size>>20)
		}
	}
}
