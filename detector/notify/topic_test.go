package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/stream"
)

// startBroker returns the address of an embedded broker.
func startBroker(t *testing.T) []string {
	t.Helper()
	e, err := stream.StartEmbedded(stream.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e.Brokers()
}

func embedded(t *testing.T) *stream.Client {
	t.Helper()
	c, err := stream.New(stream.Options{Config: stream.Config{Brokers: startBroker(t)}, FetchWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// memoryLog is a log that can be compacted at any moment, and whose writer can die after some records.
type memoryLog struct {
	records []logRecord
	end     int64
	left    int
}

type logRecord struct {
	offset     int64
	key, value string
	there      bool
}

var errCut = errors.New("cut")

func (m *memoryLog) EnsureCompacted(context.Context, string, int, map[string]string) error {
	return nil
}

func (m *memoryLog) WriteTo(_ context.Context, _ string, _ int32, keys, values [][]byte) error {
	for i, key := range keys {
		if m.left == 0 {
			return errCut
		}
		m.left--
		m.records = append(m.records, logRecord{m.end, string(key), string(values[i]), values[i] != nil})
		m.end++
	}
	return nil
}

func (m *memoryLog) Scan(_ context.Context, _ string, _ int32, from int64, fn func(int64, string, string, bool) error) (int64, error) {
	for _, r := range m.records {
		if r.offset < from {
			continue
		}
		if err := fn(r.offset, r.key, r.value, r.there); err != nil {
			return from, err
		}
	}
	return m.end, nil
}

// live returns the last record of each key.
func (m *memoryLog) live() map[string]logRecord {
	live := map[string]logRecord{}
	for _, r := range m.records {
		if delete(live, r.key); r.there {
			live[r.key] = r
		}
	}
	return live
}

// compact leaves the last record of each key, as a broker may at any time but does when it likes.
func (m *memoryLog) compact() {
	live := m.live()
	m.records = slices.DeleteFunc(m.records, func(r logRecord) bool { return live[r.key] != r })
}

// takeOver opens the store as the holder of a term and returns what it finds.
func takeOver(log Log, topic string, term int64) (*Topic, map[string]string, error) {
	s, err := OpenTopic(context.Background(), log, topic)
	if err != nil {
		return nil, nil, err
	}
	if err := s.Take(context.Background(), term); err != nil {
		return nil, nil, err
	}
	got := map[string]string{}
	return s, got, s.Load(func(k string, v []byte) error { got[k] = string(v); return nil })
}

// Holders come, write, die at any record of what they write, and go on writing after others have come. Whoever takes over finds what the
// holder before had kept, and of its last write no more than a beginning.
func TestTopicPassesOn(t *testing.T) {
	const topic, endless = "outbox", 1 << 30
	rapid.Check(t, func(t *rapid.T) {
		log := &memoryLog{left: endless}
		model := map[string]string{} // what the next must find
		var holder *Topic
		var zombies []*Topic
		term := int64(0)
		draw := func() (changes []Change) {
			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "thread/x/y", "ü/\n", "until", "upto/1"}), 1, 4, rapid.ID[string]).Draw(t, "keys") {
				c := Change{Key: key}
				if rapid.Bool().Draw(t, "keep") {
					length := rapid.SampledFrom([]int{1, compressAbove * 3}).Draw(t, "length")
					c.Value = fmt.Appendf(nil, `"%s%d"`, strings.Repeat("x", length), rapid.Int().Draw(t, "value"))
				}
				changes = append(changes, c)
			}
			return changes
		}
		apply := func(changes []Change) {
			for _, c := range changes {
				if delete(model, c.Key); c.Value != nil {
					model[c.Key] = string(c.Value)
				}
			}
		}
		take := func(t *rapid.T, dies int) {
			term += int64(rapid.IntRange(1, 3).Draw(t, "terms"))
			log.left = dies
			s, got, err := takeOver(log, topic, term)
			log.left = endless
			if err != nil && !errors.Is(err, errCut) || err == nil && !maps.Equal(got, model) {
				t.Fatalf("term %d finds %v, want %v: %v", term, got, model, err)
			}
			if _, whole := log.live()[string(termKey(term, ""))]; err != nil && !whole {
				return // as if it had never been: what the holder before still writes counts
			}
			if holder != nil {
				zombies = append(zombies, holder)
			}
			holder = s
		}
		t.Repeat(map[string]func(*rapid.T){
			"take":    func(t *rapid.T) { take(t, rapid.SampledFrom([]int{0, 1, 2, 3, 5, endless}).Draw(t, "dies after")) },
			"compact": func(*rapid.T) { log.compact() },
			"write": func(t *rapid.T) {
				if holder == nil {
					t.Skip()
				}
				changes := draw()
				n := rapid.IntRange(0, len(changes)).Draw(t, "dies after")
				log.left = n
				if err := holder.Write(changes); (err != nil) != (n < len(changes)) {
					t.Fatal(err)
				}
				log.left = endless
				apply(changes[:n])
			},
			"zombie": func(t *rapid.T) {
				if len(zombies) == 0 {
					t.Skip()
				}
				if err := rapid.SampledFrom(zombies).Draw(t, "who").Write(draw()); err != nil {
					t.Fatal(err)
				}
			},
		})
		take(t, endless)
		if live := log.live(); len(live) != len(model)+1 { // what others wrote is deleted: nothing adds up
			t.Fatalf("%d keys are left for %d that are needed: %v", len(live), len(model), slices.Sorted(maps.Keys(live)))
		}
	})
}

// A request for dead letters waits for whoever holds the store next, is heard once, and outlives a change of hands.
func TestTopicAsked(t *testing.T) {
	client := embedded(t)
	const topic = "outbox"
	first, _, err := takeOver(client, topic, 1)
	if err != nil {
		t.Fatal(err)
	}
	dead := Dead{Sink: "night", Record: alert("inc_1", 2, firing), Attempts: 3, Error: "410 Gone", At: time.Unix(100, 0).UTC()}
	if err := first.Write([]Change{{deadKey(&dead), encode(dead)}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"night", "", "night"} {
		if err := first.Ask(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	given := func() ([]Dead, error) {
		s, err := OpenTopic(t.Context(), client, topic)
		if err != nil {
			t.Fatal(err)
		}
		return s.Dead()
	}
	got, err := given()
	if err != nil || len(got) != 1 || got[0].Sink != "night" || got[0].Record.Revision != 2 || got[0].Error != dead.Error {
		t.Errorf("%+v, %v", got, err)
	}
	second, _, err := takeOver(client, topic, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"", "night"}, nil} {
		if names, err := second.Asked(t.Context()); err != nil || !slices.Equal(names, want) {
			t.Errorf("asked %d: %q, want %q, %v", i, names, want, err)
		}
	}
	if err := second.Write([]Change{{deadKey(&dead), nil}}); err != nil {
		t.Fatal(err)
	}
	if got, err := given(); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// What is in the topic and is not what this program writes there is left alone, or refused with its key.
func TestTopicHostile(t *testing.T) {
	client := embedded(t)
	const topic = "outbox"
	if _, _, err := takeOver(client, topic, 1); err != nil {
		t.Fatal(err)
	}
	put := func(key string, value []byte) {
		t.Helper()
		if err := client.WriteTo(t.Context(), topic, 0, [][]byte{[]byte(key)}, [][]byte{value}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"", "/", "x", "-3/a", "0/a", "99999999999999999999/a", "1e3/a", "\xff\x00"} {
		put(key, []byte("garbage"))
	}
	s, got, err := takeOver(client, topic, 2)
	if err != nil || len(got) != 0 {
		t.Errorf("found %v, %v", got, err)
	}
	if term := s.Term(); term > 2 {
		t.Errorf("its term is %d", term)
	}
	put("2/thread/a/b", append(slices.Clone(packed), "garbage"...))
	if _, _, err := takeOver(client, topic, 3); err == nil || !strings.Contains(err.Error(), `read outbox outbox: key "thread/a/b": `) || !strings.Contains(err.Error(), "delete the topic to start without") {
		t.Errorf("%v", err)
	}
}
