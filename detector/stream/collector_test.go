package stream_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// collector is a handler that keeps everything and commits what it has when partitions go away.
type collector struct {
	from func(stream.Assignment) int64 // nil: the commit, else Begin

	mu       sync.Mutex
	consumer *stream.Consumer
	records  map[int32][]detector.Record
	next     map[int32]int64
	idle     map[int32]int64
	assigned []stream.Assignment
	owned    map[int32]bool
	revoked  int
	faults   []string // calls out of order
}

func newCollector() *collector {
	return &collector{
		records: make(map[int32][]detector.Record), next: make(map[int32]int64),
		idle: make(map[int32]int64), owned: make(map[int32]bool),
	}
}

func (c *collector) Assigned(_ context.Context, a stream.Assignment) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owned[a.Partition] {
		c.faults = append(c.faults, "assigned twice")
	}
	c.owned[a.Partition] = true
	c.assigned = append(c.assigned, a)
	from := a.Begin
	switch {
	case c.from != nil:
		from = c.from(a)
	case a.Committed >= 0:
		from = a.Committed
	}
	c.next[a.Partition] = from
	delete(c.idle, a.Partition)
	return from, nil
}

func (c *collector) Records(_ context.Context, p int32, records []detector.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.owned[p] || len(records) == 0 {
		c.faults = append(c.faults, "records while not assigned, or none")
	}
	for _, r := range records {
		if r.Partition != p || r.Offset < c.next[p] {
			c.faults = append(c.faults, "offset goes back")
		}
		c.next[p] = r.Offset + 1
		c.records[p] = append(c.records[p], detector.Record{Partition: p, Offset: r.Offset, Key: strings.Clone(r.Key), Value: strings.Clone(r.Value)})
	}
	return nil
}

func (c *collector) Idle(_ context.Context, p int32, head int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle[p] = head
	return nil
}

func (c *collector) Revoked(p int32) {
	c.mu.Lock()
	consumer, next := c.consumer, c.next[p]
	c.revoked++
	delete(c.owned, p)
	c.mu.Unlock()
	_ = consumer.Commit(p, next)
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, rs := range c.records {
		n += len(rs)
	}
	return n
}

func (c *collector) partitions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.owned)
}

// values are those of a partition, in order.
func (c *collector) values(p int32) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var vs []string
	for _, r := range c.records[p] {
		vs = append(vs, r.Value)
	}
	return vs
}

func (c *collector) idleAt(p int32) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if head, ok := c.idle[p]; ok {
		return head
	}
	return -1
}

// start runs a member until stop is called, which returns what Run returned.
func (c *collector) start(t *testing.T, client *stream.Client, topic, group string) (stop func() error) {
	t.Helper()
	consumer, err := client.Consumer(topic, group, c)
	if err != nil {
		t.Fatal(err)
	}
	c.consumer = consumer
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- consumer.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil && !t.Failed() {
			t.Errorf("run: %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.faults) > 0 {
			t.Errorf("calls out of order: %v", c.faults)
		}
		if c.revoked != len(c.assigned) {
			t.Errorf("%d partitions assigned, %d revoked", len(c.assigned), c.revoked)
		}
	})
	return stop
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline / 2); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
