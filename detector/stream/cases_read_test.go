package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

func testOrder(t *testing.T, c *cluster) {
	topic := c.topic(t, 4)
	o := c.options()
	client := c.client(t, func(p *stream.Options) { p.Registerer = o.Registerer })
	const n = 5000
	write(t, client, topic, numbered(n, func(i int) string { return fmt.Sprint("user-", i%50) }))
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "all records", func() bool { return h.count() == n })
	last := make(map[string]int)
	for p := range int32(4) {
		h.mu.Lock()
		for i, r := range h.records[p] {
			if r.Offset != int64(i) {
				t.Fatalf("partition %d: record %d has offset %d", p, i, r.Offset)
			}
			var v int
			if _, err := fmt.Sscanf(r.Value, "value %d", &v); err != nil || r.Key != fmt.Sprint("user-", v%50) {
				t.Fatalf("partition %d: key %q with value %q", p, r.Key, r.Value)
			}
			if before, ok := last[r.Key]; ok && v <= before {
				t.Fatalf("key %q: value %d after %d", r.Key, v, before)
			}
			last[r.Key] = v
		}
		end := int64(len(h.records[p]))
		h.mu.Unlock()
		eventually(t, "idle at the end", func() bool { return h.idleAt(p) == end })
	}
	if len(last) != 50 {
		t.Fatalf("%d keys, want 50", len(last))
	}
	if got := metric(t, o.Registerer, "records_total"); got != n {
		t.Errorf("counted %v records, want %d", got, n)
	}
	if got := metric(t, o.Registerer, "lag_records"); got != 0 {
		t.Errorf("lag %v at the end", got)
	}
}

// testPartitioner writes the same keys with this package and with a client that follows Java's default
// partitioner, and wants the same partitions. TestMurmur2 holds the hash against Java's own test vectors.
func testPartitioner(t *testing.T, c *cluster) {
	const partitions = 7
	ours, theirs := c.topic(t, partitions), c.topic(t, partitions)
	client := c.client(t)
	ms := numbered(300, func(i int) string { return fmt.Sprintf("кey-%d-%x", i, i*i) })
	write(t, client, ours, ms)
	franz := c.franz(t, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	for _, m := range ms {
		franz.Produce(testContext(t), &kgo.Record{Topic: theirs, Key: m.Key, Value: m.Value}, nil)
	}
	if err := franz.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if a, b := partitionsByKey(t, client, ours), partitionsByKey(t, client, theirs); len(a) != 300 || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Fatalf("partitions differ:\n%v\n%v", a, b)
	}
}

func partitionsByKey(t *testing.T, client *stream.Client, topic string) map[string]int32 {
	t.Helper()
	at := make(map[string]int32)
	err := client.ReadAll(testContext(t), topic, func(m stream.Message) error {
		at[string(m.Key)] = m.Partition
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func testStart(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	base := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 10 {
		write(t, client, topic, []stream.Message{{Value: fmt.Append(nil, i), Time: base.Add(time.Duration(i) * time.Minute)}})
	}
	for name, tc := range map[string]struct {
		start stream.Start
		want  int64
	}{
		"earliest":          {stream.Start{}, 0},
		"latest":            {stream.Start{Latest: true}, 10},
		"time of a record":  {stream.Start{Time: base.Add(4 * time.Minute)}, 4},
		"between records":   {stream.Start{Time: base.Add(4*time.Minute + time.Second)}, 5},
		"before all":        {stream.Start{Time: base.Add(-time.Hour)}, 0},
		"after all records": {stream.Start{Time: base.Add(2 * time.Hour)}, 10},
	} {
		at, err := client.OffsetAt(testContext(t), topic, 0, tc.start)
		if err != nil || at != tc.want {
			t.Errorf("%s: offset %d, %v; want %d", name, at, err, tc.want)
		}
		member := c.client(t, func(o *stream.Options) { o.Start = tc.start })
		h := newCollector()
		stop := h.start(t, member, topic, fmt.Sprintf("g-%s-%s", topic, tc.start))
		eventually(t, "idle", func() bool { return h.idleAt(0) == 10 })
		if a := h.assigned[0]; a.Committed != -1 || a.Begin != tc.want || a.Start != 0 || a.End != 10 {
			t.Errorf("%s: assignment %+v", name, a)
		}
		if h.count() != int(10-tc.want) {
			t.Errorf("%s: %d records, want %d", name, h.count(), 10-tc.want)
		}
		_ = stop()
	}
}

func testInsideBatch(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	o := c.options()
	client := c.client(t, func(p *stream.Options) { p.Registerer = o.Registerer })
	write(t, client, topic, numbered(100, func(int) string { return "one batch" }))
	h := newCollector()
	h.from = func(stream.Assignment) int64 { return 37 }
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "the rest of the batch", func() bool { return h.idleAt(0) == 100 })
	if got := h.values(0); len(got) != 63 || got[0] != "value 37" {
		t.Fatalf("%d records from %v", len(got), got[:min(1, len(got))])
	}
	if got := metric(t, o.Registerer, "dropped_records_total"); got != 37 {
		t.Errorf("counted %v records below, want 37", got)
	}
}

// deleteRecords moves the start of a log.
func deleteRecords(t *testing.T, c *cluster, topic string, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = before
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(testContext(t), c.franz(t))
	if err != nil || res.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("delete records: %v %+v", err, res)
	}
}

func testBelowStart(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	write(t, client, topic, numbered(100, func(int) string { return "" }))
	deleteRecords(t, c, topic, 50)
	if start, end, err := client.Bounds(testContext(t), topic, 0); err != nil || start != 50 || end != 100 {
		t.Fatalf("bounds %d to %d, %v", start, end, err)
	}
	wantOffsetError(t, run(t, client, topic, 10), topic, 10, 50, 100, 40)
	err := client.History(topic).Read(testContext(t), 0, 10, 60, func(detector.Record) error { return nil })
	wantOffsetError(t, err, topic, 10, 50, 100, 40)
}

func testAboveEnd(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	write(t, client, topic, numbered(5, func(int) string { return "" }))
	wantOffsetError(t, run(t, client, topic, 9), topic, 9, 0, 5, 4)
	n := 0
	err := client.History(topic).Read(testContext(t), 0, 2, 9, func(detector.Record) error { n++; return nil })
	wantOffsetError(t, err, topic, 9, 0, 5, 4)
	if n != 3 {
		t.Errorf("handed out %d records that exist, want 3", n)
	}
	err = client.History(topic).Read(testContext(t), 0, 7, 9, func(detector.Record) error { return nil })
	wantOffsetError(t, err, topic, 7, 0, 5, 2)
}

// Who is given a partition may know more of the log than was there when its end was asked for: others go on until they hear of it.
func testMovedEnd(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	write(t, client, topic, numbered(5, func(int) string { return "" }))
	h := newCollector()
	h.from = func(a stream.Assignment) int64 {
		write(t, client, topic, numbered(4, func(int) string { return "" }))
		return a.End + 3
	}
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "the last record", func() bool { return h.idleAt(0) == 9 })
	if got := h.values(0); len(got) != 1 || got[0] != "value 3" {
		t.Fatalf("read %q", got)
	}
}

// run starts a member at an offset and returns what ends it.
func run(t *testing.T, client *stream.Client, topic string, from int64) error {
	t.Helper()
	h := newCollector()
	h.from = func(stream.Assignment) int64 { return from }
	consumer, err := client.Consumer(topic, "g-"+topic, h)
	if err != nil {
		t.Fatal(err)
	}
	h.consumer = consumer
	return consumer.Run(testContext(t))
}

func wantOffsetError(t *testing.T, err error, topic string, asked, start, end, lost int64) {
	t.Helper()
	var oe *stream.OffsetError
	if !errors.As(err, &oe) || !errors.Is(err, stream.ErrOffsetOutOfRange) {
		t.Fatalf("error %v, want an OffsetError", err)
	}
	if want := (stream.OffsetError{Topic: topic, Asked: asked, Start: start, End: end}); *oe != want || oe.Lost() != lost {
		t.Fatalf("error %+v lost %d, want %+v lost %d", *oe, oe.Lost(), want, lost)
	}
}

// slow is a handler that waits in its first Records.
type slow struct {
	*collector
	entered, leave chan struct{}
}

func (s *slow) Records(ctx context.Context, p int32, rs []detector.Record) error {
	select {
	case <-s.entered:
	default:
		close(s.entered)
		<-s.leave
	}
	return s.collector.Records(ctx, p, rs)
}

// testOvertaken lets retention pass a reader that is behind. It must be told, not moved ahead.
func testOvertaken(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t, func(o *stream.Options) { o.FetchBytes = 1000 })
	for range 20 {
		write(t, client, topic, []stream.Message{{Value: incompressible(600)}})
	}
	h := &slow{newCollector(), make(chan struct{}), make(chan struct{})}
	consumer, err := client.Consumer(topic, "g-"+topic, h)
	if err != nil {
		t.Fatal(err)
	}
	h.consumer = consumer
	done := make(chan error, 1)
	go func() { done <- consumer.Run(testContext(t)) }()
	<-h.entered
	deleteRecords(t, c, topic, 15)
	close(h.leave)
	err = <-done
	var oe *stream.OffsetError
	if !errors.As(err, &oe) || oe.Start != 15 || oe.End != 20 || oe.Asked >= 15 {
		t.Fatalf("error %v", err)
	}
	if got := h.next[0]; got != oe.Asked {
		t.Errorf("asked for %d after reading up to %d", oe.Asked, got)
	}
}

func testEmpty(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	write(t, client, topic, []stream.Message{
		{Key: []byte("k"), Value: []byte{}}, {Key: []byte("k")}, {Key: []byte{}, Value: []byte("v")}, {Value: []byte("v")},
	})
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "four records", func() bool { return h.count() == 4 })
	var got []stream.Message
	if err := client.ReadAll(testContext(t), topic, func(m stream.Message) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[0].Value == nil || got[1].Value != nil || got[2].Key == nil || got[3].Key != nil {
		t.Fatalf("null and empty are mixed up: %+v", got)
	}
}

func testLargeRecord(t *testing.T, c *cluster) {
	topic := c.topic(t, 1, func(s *stream.TopicSpec) { s.Settings = map[string]string{"max.message.bytes": "4194304"} })
	client := c.client(t, func(o *stream.Options) { o.FetchBytes = 10_000 }) // a record may be larger than a fetch
	value := make([]byte, 1<<20)
	for i := range value {
		value[i] = byte(i * 7)
	}
	write(t, client, topic, []stream.Message{{Value: []byte("before")}, {Value: value}, {Value: []byte("after")}})
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "three records", func() bool { return h.count() == 3 })
	if got := h.values(0); got[1] != string(value) || got[2] != "after" {
		t.Fatalf("the record changed on the way: %d bytes", len(got[1]))
	}
	small := c.topic(t, 1, func(s *stream.TopicSpec) { s.Settings = map[string]string{"max.message.bytes": "1000"} })
	if err := client.Write(testContext(t), small, []stream.Message{{Value: incompressible(5000)}}); !errors.Is(err, kafka.MessageSizeTooLarge) {
		t.Errorf("a record above the topic's limit: %v", err)
	}
}

func incompressible(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func testCompression(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	var want []string
	for _, codec := range []struct {
		name string
		opt  kgo.CompressionCodec
	}{
		{"none", kgo.NoCompression()},
		{"gzip", kgo.GzipCompression()},
		{"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()},
		{"zstd", kgo.ZstdCompression()},
	} {
		franz := c.franz(t, kgo.ProducerBatchCompression(codec.opt), kgo.ProducerLinger(50*time.Millisecond))
		for i := range 500 {
			want = append(want, fmt.Sprintf("%s %d: %s", codec.name, i, "the same words again and again, the same words again and again"))
			franz.Produce(testContext(t), &kgo.Record{Topic: topic, Value: []byte(want[len(want)-1])}, nil)
		}
		if err := franz.Flush(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	client := c.client(t)
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "all records", func() bool { return h.count() == len(want) })
	if !slices.Equal(h.values(0), want) {
		t.Fatal("records changed on the way")
	}
}

func testHeaders(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	at := time.Date(2026, 6, 25, 14, 0, 7, int(250*time.Millisecond), time.UTC)
	headers := []stream.Header{{Key: "reason", Value: "credits"}, {Key: "detail", Value: "not a number: \"ω\""}, {Key: "reason", Value: ""}}
	write(t, client, topic, []stream.Message{{Key: []byte("k"), Value: []byte("v"), Headers: headers, Time: at}, {Value: []byte("w"), Time: at}})
	var got []stream.Message
	if err := client.ReadAll(testContext(t), topic, func(m stream.Message) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !slices.Equal(got[0].Headers, headers) || !got[0].Time.Equal(at) || len(got[1].Headers) != 0 || got[1].Offset != 1 {
		t.Fatalf("got %+v", got)
	}
}

func testRange(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	for i := range 5 { // batches of 20
		ms := numbered(20, func(int) string { return "" })
		for j := range ms {
			ms[j].Value = fmt.Append(nil, i*20+j)
		}
		write(t, client, topic, ms)
	}
	h := client.History(topic)
	for _, r := range [][2]int64{{0, 100}, {0, 1}, {99, 100}, {19, 21}, {35, 75}, {50, 50}, {60, 40}} {
		next := r[0]
		err := h.Read(testContext(t), 0, r[0], r[1], func(rec detector.Record) error {
			if rec.Offset != next || rec.Value != fmt.Sprint(next) {
				return fmt.Errorf("offset %d value %q, want %d", rec.Offset, rec.Value, next)
			}
			next++
			return nil
		})
		if err != nil || next != max(r[0], r[1]) {
			t.Errorf("range %v ended at %d: %v", r, next, err)
		}
	}
	stop := errors.New("enough")
	if err := h.Read(testContext(t), 0, 0, 100, func(detector.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error came back as %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Read(ctx, 0, 0, 100, func(detector.Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
