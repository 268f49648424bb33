package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

// cluster is a Kafka and a topic in it.
type cluster struct {
	client *stream.Client
	topic  string
}

func clusterOf(t *testing.T, brokers []string) *cluster {
	t.Helper()
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: brokers}, FetchWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &cluster{client, fmt.Sprint("checkpoints-", time.Now().UnixNano())}
}

func embedded(t *testing.T) *cluster {
	t.Helper()
	e, err := stream.StartEmbedded(stream.EmbeddedOptions{Dir: filepath.Join(t.TempDir(), "data")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return clusterOf(t, e.Brokers())
}

func (c *cluster) open(t *testing.T) *Kafka {
	t.Helper()
	k, err := OpenKafka(t.Context(), c.client, c.topic, "g/usage")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const space = "g%2Fusage/"

// keys returns what there is once deleted keys are gone, with its length, and how many records there are.
func (c *cluster) keys(t *testing.T) (live map[string]int, records int) {
	t.Helper()
	live = map[string]int{}
	for p := range int32(topicPartitions) {
		_, err := c.client.Scan(t.Context(), c.topic, p, 0, func(_ int64, key, value string, there bool) error {
			records++
			key = strings.TrimPrefix(key, space)
			if delete(live, key); there {
				live[strings.Clone(key)] = len(value)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return live, records
}

// put writes a record beside the store.
func (c *cluster) put(t *testing.T, owner, key string, value []byte) {
	t.Helper()
	s, p := c.open(t).at(owner)
	s.mu.Unlock()
	if err := c.client.WriteTo(t.Context(), c.topic, p, [][]byte{[]byte(space + key)}, [][]byte{value}); err != nil {
		t.Fatal(err)
	}
}

// suite is the contract of stores on a cluster. Its damages are row 28 of the fault matrix: garbage under the store's keys.
func (c *cluster) suite() *suite {
	part := func(k, n int) func(owner string, x *Checkpoint) string {
		return func(owner string, x *Checkpoint) string {
			return fmt.Sprintf("%s/part/%s/%d", owner, x.Parts[k].Hash, n)
		}
	}
	whole := func(owner string, x *Checkpoint) string { return owner + "/manifest/" + x.ID }
	with := func(key func(string, *Checkpoint) string, value func(string, *Checkpoint) []byte) func(*testing.T, string, *Checkpoint) {
		return func(t *testing.T, owner string, x *Checkpoint) {
			t.Helper()
			c.put(t, owner, key(owner, x), value(owner, x))
		}
	}
	fixed := func(b []byte) func(string, *Checkpoint) []byte { return func(string, *Checkpoint) []byte { return b } }
	return &suite{
		open: func(t *testing.T) Store { return c.open(t) },
		size: func(t *testing.T) int { live, _ := c.keys(t); return len(live) },
		harm: []func(*testing.T, string, *Checkpoint){
			with(part(2, 0), fixed(noise(77, chunkBytes))), with(part(2, 1), fixed(nil)), with(part(2, 1), fixed([]byte("short"))), with(part(0, 0), fixed([]byte{})),
			with(whole, fixed([]byte("garbage"))), with(whole, fixed([]byte{})),
			with(whole, func(owner string, x *Checkpoint) []byte { // sound, and of a program to come
				m := manifestOf(owner, x)
				m.Layout++
				text, _, _ := m.encode()
				return text
			}),
		},
	}
}

func TestFault28GarbageInTopic(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	c.suite().run(t)
	for _, key := range []string{"", "x", "a/part", "a/part/x/0", "a/manifest/x", "a/b/c", "shard-0/part/" + noHash + "/x", "shard-0/part/" + noHash + "/-1", "A/manifest/x", "////"} {
		c.put(t, "shard-0", key, []byte("garbage"))
	}
	other, err := OpenKafka(t.Context(), c.client, c.topic, "other/usage")
	if err != nil {
		t.Fatal(err)
	}
	s := c.suite()
	s.write(t, other, "shard-0", 50) // of another space
	s.newest(t, c.open(t), "shard-0", s.write(t, c.open(t), "shard-0", 1))
}

// On real brokers, over a topic that is compacted all the while.
func TestKafka(t *testing.T) {
	for _, version := range kafkatest.Versions {
		t.Run(version, func(t *testing.T) {
			if os.Getenv("DRAINWATCH_REQUIRE_KAFKA") == "" {
				t.Skip("half a minute: package stream holds real Kafka to what this asks of it, and DRAINWATCH_REQUIRE_KAFKA=1 runs it")
			}
			t.Parallel()
			c := clusterOf(t, kafkatest.Start(t, kafkatest.Options{Version: version}).Brokers)
			eager := map[string]string{"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0", "max.compaction.lag.ms": "100"}
			if err := c.client.EnsureCompacted(t.Context(), c.topic, topicPartitions, eager); err != nil {
				t.Fatal(err)
			}
			s := c.suite()
			s.run(t)
			c.compacted(t, s)
		})
	}
}

// compacted waits until Kafka has removed what was deleted, and expects that what was not is there; a zombie that wakes then changes nothing.
func (c *cluster) compacted(t *testing.T, s *suite) {
	zombie, owner := c.open(t), c.open(t)
	s.write(t, zombie, "compacted", 1)
	var last *Checkpoint
	for n := range 8 {
		last = s.write(t, owner, "compacted", 10+n)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		c.put(t, "compacted", "tick", []byte("t")) // only closed segments are compacted, and only a write closes one
		old := 0
		sh, p := owner.at("compacted")
		sh.mu.Unlock()
		_, err := c.client.Scan(t.Context(), c.topic, p, 0, func(_ int64, key, _ string, there bool) error {
			if there && key == space+"compacted/part/"+specimen(10).Parts[2].Hash+"/0" {
				old++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if old == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Kafka does not compact")
		}
	}
	s.newest(t, c.open(t), "compacted", last)
	s.newest(t, owner, "compacted", last)
	s.write(t, zombie, "compacted", 2)
	s.newest(t, c.open(t), "compacted", last)
	s.newest(t, c.open(t), "compacted", s.write(t, owner, "compacted", 30))
}

// severed is a cluster whose link breaks after so many writes.
type severed struct {
	Log
	left int
}

var errSevered = errors.New("the link is broken")

func (l *severed) WriteTo(ctx context.Context, topic string, partition int32, keys, values [][]byte) error {
	for i := range keys { // record by record: a batch may be cut anywhere
		if l.left--; l.left < 0 {
			return errSevered
		}
		if err := l.Log.WriteTo(ctx, topic, partition, keys[i:i+1], values[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// Wherever an upload is cut off, the checkpoint before it is found; the next one is whole, and what was left goes when it is old.
func TestKafkaTornUpload(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	s := c.suite()
	for cut := range 6 {
		owner := fmt.Sprint("torn-", cut)
		first := s.write(t, c.open(t), owner, 1)
		k := c.open(t)
		k.log = &severed{c.client, cut}
		_, err := k.Write(t.Context(), owner, specimen(2))
		if err == nil {
			if cut < 4 {
				t.Fatalf("an upload of %d records was written", cut)
			}
			continue
		}
		if !errors.Is(err, errSevered) || strings.Contains(err.Error(), "\n") {
			t.Errorf("says %v", err)
		}
		s.newest(t, c.open(t), owner, first)
		k.log = c.client
		if _, err := k.Held(t.Context(), owner); err != nil { // it sees them
			t.Fatal(err)
		}
		old(k)
		s.newest(t, k, owner, s.write(t, k, owner, 3))
		live, _ := c.keys(t)
		hash := specimen(2).Parts[2].Hash
		if left := slices.Collect(maps.Keys(live)); slices.ContainsFunc(left, func(key string) bool { return strings.HasPrefix(key, owner+"/part/"+hash) }) {
			t.Errorf("after a cut behind record %d, parts of what was torn are left", cut)
		}
	}
}

// old lets time pass for what a store has seen.
func old(k *Kafka) {
	for p := range k.shelf {
		for _, o := range k.shelf[p].owners {
			for hash := range o.seen {
				o.seen[hash] = o.seen[hash].Add(-2 * orphaned)
			}
		}
	}
}
