package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

func testTopics(t *testing.T, c *cluster) {
	client := c.client(t)
	ctx := testContext(t)
	cluster, err := client.Cluster(ctx)
	if err != nil || cluster.ID == "" || len(cluster.Brokers) != 1 {
		t.Fatalf("cluster %+v, %v", cluster, err)
	}
	spec := stream.TopicSpec{
		Name: fmt.Sprintf("made-%d", time.Now().UnixNano()), Partitions: 3, Cleanup: stream.Compact,
		Retention: 48 * time.Hour, Settings: map[string]string{"segment.ms": "60000"},
	}
	for range 2 { // made, then found as wanted
		if err := client.EnsureTopic(ctx, spec); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := client.TopicSettings(ctx, spec.Name, "cleanup.policy", "retention.ms", "segment.ms")
	if err != nil || settings["cleanup.policy"] != "compact" || settings["retention.ms"] != "172800000" || settings["segment.ms"] != "60000" {
		t.Fatalf("settings %v, %v", settings, err)
	}
	both := stream.TopicSpec{Name: spec.Name + "-both", Partitions: 1, Cleanup: stream.CompactAndDelete, Retention: stream.Forever}
	if err := client.EnsureTopic(ctx, both); err != nil {
		t.Fatal(err)
	}
	both.Cleanup = "delete,compact" // the same in another order
	if err := client.EnsureTopic(ctx, both); err != nil {
		t.Fatal(err)
	}
	short := stream.TopicSpec{Name: spec.Name + "-short", Partitions: 1, Retention: time.Hour}
	if err := client.EnsureTopic(ctx, short); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		spec stream.TopicSpec
		want stream.TopicError
	}{
		"policy": {
			stream.TopicSpec{Name: spec.Name},
			stream.TopicError{Topic: spec.Name, Setting: "cleanup.policy", Found: "compact", Wanted: "delete"},
		},
		"partitions": {
			stream.TopicSpec{Name: spec.Name, Cleanup: stream.Compact, Partitions: 4},
			stream.TopicError{Topic: spec.Name, Setting: "partitions", Found: "3", Wanted: "4"},
		},
		"retention": {
			stream.TopicSpec{Name: short.Name, Retention: 2 * time.Hour},
			stream.TopicError{Topic: short.Name, Setting: "retention.ms", Found: "3600000", Wanted: "7200000"},
		},
	} {
		err := client.EnsureTopic(ctx, tc.spec)
		var te *stream.TopicError
		if !errors.As(err, &te) || *te != tc.want || !errors.Is(err, stream.ErrTopic) {
			t.Errorf("%s: %v, want %v", name, err, &tc.want)
		}
	}
	if err := client.EnsureTopic(ctx, stream.TopicSpec{Name: "no/slashes"}); err == nil {
		t.Error("an impossible name was accepted")
	}
	if _, err := client.Partitions(ctx, "never-made-"+spec.Name); err == nil {
		t.Error("a topic that is not there was described")
	}
}

// testCompacted reads a topic after the broker compacted it: with gaps between offsets, and where the records before
// the end are gone. The embedded broker does not compact: it shows all records, of which the last ones are the same.
func testCompacted(t *testing.T, c *cluster) {
	topic := c.topic(t, 1, func(s *stream.TopicSpec) {
		s.Cleanup = stream.Compact
		s.Settings = map[string]string{
			"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0", "max.compaction.lag.ms": "100",
		}
	})
	client := c.client(t)
	const keys, rounds = 20, 6
	for round := range rounds {
		ms := numbered(keys, func(i int) string { return fmt.Sprint("key-", i) })
		for i := range ms {
			ms[i].Value = fmt.Appendf(nil, "round %d", round)
		}
		write(t, client, topic, ms)
	}
	write(t, client, topic, []stream.Message{{Key: []byte("key-7")}})
	read := func() (state map[string]string, n int) {
		state = make(map[string]string)
		err := client.ReadAll(testContext(t), topic, func(m stream.Message) error {
			n++
			if m.Value == nil {
				delete(state, string(m.Key))
			} else {
				state[string(m.Key)] = string(m.Value)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return state, n
	}
	if c.compacts() {
		// Only closed segments are compacted, and only a write closes one.
		eventually(t, "compaction", func() bool {
			write(t, client, topic, []stream.Message{{Key: []byte("tick"), Value: []byte("t")}})
			time.Sleep(200 * time.Millisecond)
			_, n := read()
			return n < keys+20
		})
	}
	state, n := read()
	delete(state, "tick")
	if len(state) != keys-1 || state["key-7"] != "" || state["key-8"] != fmt.Sprintf("round %d", rounds-1) {
		t.Fatalf("state %v", state)
	}
	if !c.compacts() && n != keys*rounds+1 {
		t.Errorf("read %d records: the embedded broker compacts now, say so in its documentation", n)
	}
}

// transact writes values in one transaction.
func transact(t *testing.T, franz *kgo.Client, topic string, commit kgo.TransactionEndTry, values ...string) {
	t.Helper()
	ctx := testContext(t)
	if err := franz.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		franz.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(v)}, nil)
	}
	if err := franz.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := franz.EndTransaction(ctx, commit); err != nil {
		t.Fatal(err)
	}
}

// readByKafkaGo counts what kafka-go's fast reader hands out below an offset, asked for committed records only.
func readByKafkaGo(t *testing.T, c *cluster, topic string, end int64) (n int) {
	t.Helper()
	conn, err := kafka.DialLeader(testContext(t), "tcp", c.brokers[0], topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for next := int64(0); next < end; {
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 1 << 20, IsolationLevel: kafka.ReadCommitted})
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break
			}
			n++
			next = m.Offset + 1
		}
		if err := batch.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// testTransactions also shows why fetching is done in this package: kafka-go hands out everything.
func testTransactions(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	o := c.options()
	client := c.client(t, func(p *stream.Options) { p.Registerer = o.Registerer })
	a := c.franz(t, kgo.TransactionalID("a-"+topic))
	b := c.franz(t, kgo.TransactionalID("b-"+topic))
	ctx := testContext(t)
	transact(t, a, topic, kgo.TryCommit, "a1", "a2")
	transact(t, a, topic, kgo.TryAbort, "lost", "lost", "lost")
	write(t, client, topic, []stream.Message{{Value: []byte("plain")}})
	// Two transactions at once, of which one is aborted, with plain records between.
	for _, f := range []*kgo.Client{a, b} {
		if err := f.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		for f, v := range map[*kgo.Client]string{a: "lost", b: fmt.Sprint("b", i)} {
			if err := f.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		write(t, client, topic, []stream.Message{{Value: fmt.Append(nil, "plain", i)}})
	}
	if err := a.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if err := b.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	transact(t, a, topic, kgo.TryCommit, "after")

	want := []string{"a1", "a2", "plain", "after", "b0", "b1", "plain0", "plain1"}
	slices.Sort(want)
	check := func(got []string) {
		t.Helper()
		got = slices.Clone(got)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
	}
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "the end", func() bool { return h.idleAt(0) == 18 })
	check(h.values(0))
	if control, aborted := metric(t, o.Registerer, "control_records_total"), metric(t, o.Registerer, "aborted_records_total"); control != 5 || aborted != 5 {
		t.Errorf("counted %v markers and %v aborted records, want 5 and 5", control, aborted)
	}
	var all []string
	if err := client.ReadAll(ctx, topic, func(m stream.Message) error { all = append(all, string(m.Value)); return nil }); err != nil {
		t.Fatal(err)
	}
	check(all)

	if n := readByKafkaGo(t, c, topic, 18); n != 18 {
		t.Errorf("kafka-go hands out %d of 18 records: if it tells the 8 rows apart now, this package need not", n)
	}

	// Started in the middle of the aborted transaction, it is still known as such.
	for from := range int64(18) {
		var got []string
		err := client.History(topic).Read(ctx, 0, from, 18, func(r detector.Record) error { got = append(got, r.Value); return nil })
		if err != nil || slices.Contains(got, "lost") {
			t.Errorf("from %d: %q, %v", from, got, err)
		}
	}
}

func testOpenTransaction(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	o := c.options()
	client := c.client(t, func(p *stream.Options) { p.Registerer = o.Registerer })
	f := c.franz(t, kgo.TransactionalID("a-"+topic))
	ctx := testContext(t)
	write(t, client, topic, []stream.Message{{Value: []byte("before")}})
	if err := f.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := f.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("inside")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	write(t, client, topic, []stream.Message{{Value: []byte("behind")}})
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "the open transaction", func() bool { return h.idleAt(0) == 1 })
	eventually(t, "lag is shown", func() bool { return metric(t, o.Registerer, "lag_records") == 2 })
	if got := h.values(0); !slices.Equal(got, []string{"before"}) {
		t.Fatalf("read %q past an open transaction", got)
	}
	if err := client.ReadAll(ctx, topic, func(m stream.Message) error {
		if string(m.Value) != "before" {
			return fmt.Errorf("read %q past an open transaction", m.Value)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := f.EndTransaction(context.WithoutCancel(ctx), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rest", func() bool { return slices.Equal(h.values(0), []string{"before", "inside", "behind"}) })
}
