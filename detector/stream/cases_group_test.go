package stream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

// testRebalance runs one member, two, and the second alone, while records come. Each partition goes on where the
// member before it committed, so every record arrives exactly once.
func testRebalance(t *testing.T, c *cluster) {
	topic := c.topic(t, 4)
	writer := c.client(t)
	stopWriting := make(chan struct{})
	var wrote int
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if err := writer.Write(testContext(t), topic, numbered(40, func(i int) string { return fmt.Sprint("user-", i) })); err != nil {
				t.Error(err)
				return
			}
			wrote += 40
			select {
			case <-stopWriting:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	a, b := newCollector(), newCollector()
	stopA := a.start(t, c.client(t), topic, "g-"+topic)
	eventually(t, "the first member has all", func() bool { return a.partitions() == 4 && a.count() > 0 })
	b.start(t, c.client(t), topic, "g-"+topic)
	eventually(t, "they share", func() bool { return a.partitions() == 2 && b.partitions() == 2 && b.count() > 0 })
	if err := stopA(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second member has all", func() bool { return b.partitions() == 4 })
	close(stopWriting)
	wg.Wait()
	eventually(t, "all records", func() bool { return a.count()+b.count() >= wrote })
	for p := range int32(4) {
		seen := make(map[int64]bool)
		for _, h := range []*collector{a, b} {
			h.mu.Lock()
			for _, r := range h.records[p] {
				if seen[r.Offset] {
					t.Errorf("partition %d: offset %d came twice", p, r.Offset)
				}
				seen[r.Offset] = true
			}
			h.mu.Unlock()
		}
		_, end, err := writer.Bounds(testContext(t), topic, p)
		if err != nil || int64(len(seen)) != end {
			t.Errorf("partition %d: %d of %d records, %v", p, len(seen), end, err)
		}
	}
}

func testCommit(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	client := c.client(t)
	keys := []string{"", ""} // one for each partition
	for i := 0; keys[0] == "" || keys[1] == ""; i++ {
		k := fmt.Sprint("k", i)
		keys[stream.PartitionOf([]byte(k), 2)] = k
	}
	write(t, client, topic, numbered(200, func(i int) string { return keys[i%2] }))
	h := newCollector()
	stop := h.start(t, client, topic, "g-"+topic)
	eventually(t, "all records", func() bool { return h.count() == 200 })
	h.mu.Lock()
	h.next = map[int32]int64{0: 60, 1: -1} // what is committed when the member leaves; a negative offset commits nothing
	h.mu.Unlock()
	if err := h.consumer.Commit(7, 1); !errors.Is(err, stream.ErrNotAssigned) {
		t.Errorf("commit of a partition that is not ours: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := h.consumer.Commit(0, 99); !errors.Is(err, stream.ErrNotAssigned) {
		t.Errorf("commit after leaving: %v", err)
	}
	again := newCollector()
	again.start(t, client, topic, "g-"+topic)
	eventually(t, "the rest", func() bool { return again.idleAt(0) == 100 && again.idleAt(1) == 100 })
	for _, a := range again.assigned {
		if want := map[int32]int64{0: 60, 1: -1}[a.Partition]; a.Committed != want {
			t.Errorf("partition %d: committed %d, want %d", a.Partition, a.Committed, want)
		}
	}
	if n, m := len(again.values(0)), len(again.values(1)); n != 40 || m != 100 {
		t.Errorf("read %d and %d records, want 40 and 100", n, m)
	}
}

func testPartitionsAdded(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "one partition", func() bool { return h.idleAt(0) == 0 })
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = 10_000
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, 3
	req.Topics = append(req.Topics, rt)
	if res, err := req.RequestWith(testContext(t), c.franz(t)); err != nil || res.Topics[0].ErrorCode != 0 {
		t.Fatalf("add partitions: %v %+v", err, res)
	}
	eventually(t, "three partitions", func() bool { return h.partitions() == 3 })
	if n, err := client.Partitions(testContext(t), topic); n != 3 || err != nil {
		t.Errorf("%d partitions, %v", n, err)
	}
}

// testSASL logs in by each mechanism. Real Kafka offers all three at one listener; the embedded broker is started with the
// one that is asked for.
func testSASL(t *testing.T, c *cluster) {
	for _, mechanism := range []string{stream.PLAIN, stream.SCRAMSHA256, stream.SCRAMSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			login := stream.SASL{Mechanism: mechanism, Username: kafkatest.User, Password: kafkatest.Password}
			at := *c
			if c.real != nil {
				at.brokers = []string{c.real.SASL()}
			} else {
				e, err := stream.StartEmbedded(stream.EmbeddedOptions{SASL: login})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(e.Close)
				at.brokers = e.Brokers()
			}
			client := at.client(t, func(o *stream.Options) { o.SASL = login })
			topic := fmt.Sprintf("sasl-%d", time.Now().UnixNano())
			if err := client.EnsureTopic(testContext(t), stream.TopicSpec{Name: topic, Partitions: 1}); err != nil {
				t.Fatal(err)
			}
			write(t, client, topic, numbered(10, func(int) string { return "" }))
			h := newCollector()
			h.start(t, client, topic, "g-"+topic)
			eventually(t, "all records", func() bool { return h.count() == 10 })

			wrong := at.client(t, func(o *stream.Options) { o.SASL = login; o.SASL.Password = "wrong" })
			if _, err := wrong.Cluster(testContext(t)); !errors.Is(err, kafka.SASLAuthenticationFailed) {
				t.Errorf("wrong password: %v", err)
			}
			consumer, err := wrong.Consumer(topic, "g", newCollector())
			if err != nil {
				t.Fatal(err)
			}
			if err := consumer.Run(testContext(t)); !errors.Is(err, kafka.SASLAuthenticationFailed) {
				t.Errorf("wrong password, as a member: %v", err)
			}
		})
	}
}

func testTLS(t *testing.T, c *cluster) {
	if c.real == nil {
		t.Skip("the embedded broker is for loopback: it has no TLS")
	}
	addr, ca, cert, key, ok := c.real.TLS()
	if !ok {
		t.Skip("no openssl to make certificates")
	}
	at := *c
	at.brokers = []string{addr}
	topic := c.topic(t, 1)
	mine := filepath.Join(t.TempDir(), "client.pem")
	renew := func(from string) {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(mine, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	renew(cert)
	client := at.client(t, func(o *stream.Options) {
		o.TLS = stream.TLS{Enabled: true, CAFile: ca, CertFile: mine, KeyFile: key}
	})
	write(t, client, topic, numbered(10, func(int) string { return "" }))
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	eventually(t, "all records", func() bool { return h.count() == 10 })

	renew(ca) // which is not of this key
	client.Close()
	if _, err := client.Cluster(testContext(t)); err == nil || !strings.Contains(err.Error(), mine) {
		t.Errorf("with a certificate of another key: %v", err)
	}
	renew(cert)
	if _, err := client.Cluster(testContext(t)); err != nil {
		t.Errorf("once it was renewed: %v", err)
	}

	stranger := at.client(t, func(o *stream.Options) { o.TLS = stream.TLS{Enabled: true} })
	if _, err := stranger.Cluster(testContext(t)); err == nil {
		t.Error("a certificate of an unknown authority was accepted")
	}
	plain := at.client(t)
	if _, err := plain.Cluster(testContext(t)); err == nil {
		t.Error("a TLS port answered in plain")
	}
}

// failing is a handler that fails in one method. The error looks like one that is worth trying again.
type failing struct {
	*collector
	in string
}

func (f failing) fail(in string) error {
	if f.in == in {
		return fmt.Errorf("in %s: %w", in, kafka.LeaderNotAvailable)
	}
	return nil
}

func (f failing) Assigned(ctx context.Context, a stream.Assignment) (int64, error) {
	from, _ := f.collector.Assigned(ctx, a)
	return from, f.fail("Assigned")
}

func (f failing) Records(_ context.Context, _ int32, rs []detector.Record) error {
	if len(rs) < 4096 {
		return f.fail("Records")
	}
	return f.fail("Records of a full slice")
}

func (f failing) Idle(context.Context, int32, int64) error { return f.fail("Idle") }

func testHandlerErrors(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	client := c.client(t)
	write(t, client, topic, numbered(5000, func(int) string { return "" }))
	for _, in := range []string{"Assigned", "Records", "Records of a full slice", "Idle"} {
		h := failing{newCollector(), in}
		consumer, err := client.Consumer(topic, "g-"+topic, h)
		if err != nil {
			t.Fatal(err)
		}
		h.consumer = consumer
		if err := consumer.Run(testContext(t)); !errors.Is(err, kafka.LeaderNotAvailable) || !strings.Contains(err.Error(), "in "+in) {
			t.Errorf("%s: %v", in, err)
		}
		if h.revoked != 1 {
			t.Errorf("%s: %d partitions revoked, want 1", in, h.revoked)
		}
	}
}

// testCancel ends readers that wait: for a record, for a broker, for other members.
func testCancel(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	quick := func(what string, stop func() error) {
		begin := time.Now()
		if err := stop(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("%s: took %v to end", what, took)
		}
	}
	h := newCollector()
	stop := h.start(t, c.client(t, func(o *stream.Options) { o.FetchWait = 30 * time.Second }), topic, "g-"+topic)
	eventually(t, "a partition", func() bool { return h.partitions() == 1 })
	quick("waiting for a record", stop)

	nobody := *c
	nobody.brokers = []string{"127.0.0.1:1"}
	h = newCollector()
	stop = h.start(t, nobody.client(t), topic, "g-"+topic)
	quick("waiting for a broker", stop)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := nobody.client(t).Write(ctx, topic, numbered(1, func(int) string { return "" })); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("write to nobody: %v", err)
	}

	// A member that is asked to give up its partitions and does not: others wait for it.
	stuck := &slow{newCollector(), make(chan struct{}), make(chan struct{})}
	write(t, c.client(t), topic, numbered(1, func(int) string { return "" }))
	member, err := c.client(t).Consumer(topic, "h-"+topic, stuck)
	if err != nil {
		t.Fatal(err)
	}
	stuck.consumer = member
	done := make(chan error, 1)
	mctx, mcancel := context.WithCancel(context.Background())
	go func() { done <- member.Run(mctx) }()
	<-stuck.entered
	h = newCollector()
	stop = h.start(t, c.client(t), topic, "h-"+topic)
	time.Sleep(500 * time.Millisecond) // so that it has asked to join; if it has not, the case is only weaker
	quick("waiting for other members", stop)
	close(stuck.leave)
	mcancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// heldUp is a handler that is busy with one partition.
type heldUp struct {
	*collector
	partition int32
	leave     chan struct{}
}

func (h *heldUp) Records(ctx context.Context, p int32, records []detector.Record) error {
	if p == h.partition {
		select {
		case <-h.leave:
		case <-ctx.Done():
			return nil
		}
	}
	return h.collector.Records(ctx, p, records)
}

// testHeldUp has one partition wait for as long as it likes, as where most rows are: the others are read to their ends.
func testHeldUp(t *testing.T, c *cluster) {
	topic := c.topic(t, 3)
	client := c.client(t)
	write(t, client, topic, numbered(300, func(i int) string { return fmt.Sprint(i) }))
	h := &heldUp{newCollector(), 1, make(chan struct{})}
	consumer, err := client.Consumer(topic, "g-"+topic, h)
	if err != nil {
		t.Fatal(err)
	}
	h.consumer = consumer
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- consumer.Run(ctx) }()
	eventually(t, "the others are read", func() bool { return h.idleAt(0) > 0 && h.idleAt(2) > 0 })
	if n := len(h.values(1)); n > 0 {
		t.Fatalf("%d records of the partition that waits", n)
	}
	close(h.leave)
	eventually(t, "all", func() bool { return h.count() == 300 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// testRestart takes the cluster away from under a reader and a writer and brings it back. Real Kafka is killed; the
// embedded broker is closed, since a broker in the process cannot outlive it, and started anew on its directory.
func testRestart(t *testing.T, c *cluster) {
	if c.real != nil && !c.real.Own() {
		t.Skip("the cluster belongs to somebody else")
	}
	at := *c
	var embedded *stream.Embedded
	options := stream.EmbeddedOptions{Dir: filepath.Join(t.TempDir(), "data")}
	if c.real == nil {
		e, err := stream.StartEmbedded(options)
		if err != nil {
			t.Fatal(err)
		}
		embedded, at.brokers = e, e.Brokers()
		if _, err := fmt.Sscanf(e.Brokers()[0], "127.0.0.1:%d", &options.Port); err != nil {
			t.Fatal(err)
		}
	}
	topic := at.topic(t, 2)
	client := at.client(t)
	h := newCollector()
	h.start(t, client, topic, "g-"+topic)
	write(t, client, topic, numbered(1000, func(i int) string { return fmt.Sprint(i) }))
	eventually(t, "the first thousand", func() bool { return h.count() == 1000 })

	if c.real != nil {
		c.real.Kill(t, 0, syscall.SIGKILL)
	} else {
		embedded.Close()
	}
	written := make(chan error, 1)
	go func() {
		written <- client.Write(testContext(t), topic, numbered(1000, func(i int) string { return fmt.Sprint(i) }))
	}()
	time.Sleep(300 * time.Millisecond) // both notice
	if c.real != nil {
		c.real.Restart(t)
	} else {
		e, err := stream.StartEmbedded(options)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second thousand", func() bool { return h.count() >= 2000 })
	total := int64(0)
	for p := range int32(2) {
		start, end, err := client.Bounds(testContext(t), topic, p)
		if err != nil || start != 0 {
			t.Fatal(start, err)
		}
		total += end
		eventually(t, "the end", func() bool { return h.idleAt(p) == end })
		seen := make(map[int64]bool)
		for _, r := range h.records[p] {
			seen[r.Offset] = true
		}
		if int64(len(seen)) != end {
			t.Errorf("partition %d: %d of %d records", p, len(seen), end)
		}
	}
	if total < 2000 {
		t.Errorf("%d records are in the log, 2000 were acknowledged", total)
	}
}
