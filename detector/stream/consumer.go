package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/drainwatch/drainwatch/detector"
)

// Assignment is what is known when a partition comes to this member.
type Assignment struct {
	Partition  int32
	Committed  int64 // -1: the group has committed nothing
	Start, End int64 // of the log as it was shortly before
	Begin      int64 // where Config.Start begins, for a partition that was never read
}

// Handler takes what a Consumer reads. Calls for one partition come one after the other: Assigned, then Records
// and Idle, then Revoked. Partitions call concurrently. All methods must return soon after ctx ends: the group
// waits for them when partitions move. An error, or an offset that is not in the log, ends Run.
type Handler interface {
	// Assigned returns the offset to read from.
	Assigned(ctx context.Context, a Assignment) (from int64, err error)
	// Records takes records in order. The slice is reused after the call; its strings keep their batch in memory.
	Records(ctx context.Context, partition int32, records []detector.Record) error
	// Idle says that everything before head has been handed on and there is no more. It is said each time that
	// comes true and again every Options.FetchWait while it stays so.
	Idle(ctx context.Context, partition int32, head int64) error
	// Revoked says that the partition goes away. It may still be committed until the call returns.
	Revoked(partition int32)
}

// ErrReassign returned by a Handler has the partition assigned to it anew, as if it had come from another member.
var ErrReassign = errors.New("assign the partition anew")

// Skipper is a Handler that may go on behind a record batch that cannot be read. Others stop there.
type Skipper interface {
	// Unreadable returns nil to go on behind the batch.
	Unreadable(ctx context.Context, err *UnreadableError) error
}

// Consumer is a member of a group that reads one topic.
type Consumer struct {
	client       *Client
	topic, group string
	handler      Handler

	mu         sync.Mutex
	generation *kafka.Generation
	owned      map[int32]bool
}

// Consumer returns a member of group that reads topic. It joins when Run is called.
func (c *Client) Consumer(topic, group string, h Handler) (*Consumer, error) {
	if !validName(topic) || topic == "" {
		return nil, fmt.Errorf("consume: topic %q: want 1 to 249 of letters, digits, '.', '_' and '-'", topic)
	}
	if group == "" {
		return nil, fmt.Errorf("consume %s: group is missing", topic)
	}
	return &Consumer{client: c, topic: topic, group: group, handler: h, owned: make(map[int32]bool)}, nil
}

// records are handed on in slices of at most this many: about 1 MB of rows, so that a slow handler notices the
// end of ctx soon.
const maxRecords = 4096

// Run reads until ctx ends, which is not an error, or until reading cannot go on. Brokers that are away are waited for.
func (c *Consumer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := c.awaitTopic(ctx); err != nil {
		return stopped(ctx, err)
	}
	members := &connections{}
	group, err := kafka.NewConsumerGroup(c.config(members))
	if err != nil {
		return fmt.Errorf("consume %s as %s: %w", c.topic, c.group, err)
	}
	defer members.close(group)
	for joined := false; ; {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return stopped(ctx, nil)
		case err == nil:
			joined = true
			c.start(ctx, cancel, generation)
		case unauthenticated(err) && !joined:
			return fmt.Errorf("join group %s: %w", c.group, err)
		default: // kafka-go waits before it tries again
			c.client.warn(ctx).Err(err).Str("group", c.group).Msg("kafka: cannot join the group, trying again")
		}
	}
}

// stopped returns why ctx ended, if somebody else than Run's caller ended it, or err unless it is that of ctx.
func stopped(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); ctx.Err() != nil {
		if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
			return nil
		}
		return cause
	}
	return err
}

// awaitTopic waits until the topic exists. kafka-go would otherwise join and leave in a tight circle.
func (c *Consumer) awaitTopic(ctx context.Context) error {
	return c.client.retry(ctx, func() error {
		_, err := c.client.Partitions(ctx, c.topic)
		return err
	})
}

func (c *Consumer) config(members *connections) kafka.ConsumerGroupConfig {
	o := &c.client.opts
	d := c.client.dialer
	return kafka.ConsumerGroupConfig{
		ID: c.group, Brokers: c.client.brokers(), Topics: []string{c.topic},
		Dialer: &kafka.Dialer{
			ClientID: d.clientID, Timeout: dialTimeout, TLS: d.tls, SASLMechanism: d.mechanism, DialFunc: members.dial,
		},
		HeartbeatInterval: o.Heartbeat, SessionTimeout: o.SessionTimeout, RebalanceTimeout: o.Rebalance,
		JoinGroupBackoff: time.Second, StartOffset: kafka.FirstOffset, Timeout: dialTimeout,
	}
}

// start runs the partitions of a generation. Each goroutine ends with the generation, and ends it when it ends.
func (c *Consumer) start(ctx context.Context, cancel context.CancelCauseFunc, g *kafka.Generation) {
	assigned := g.Assignments[c.topic]
	c.mu.Lock()
	c.generation = g
	c.mu.Unlock()
	c.client.metrics.rebalances.WithLabelValues(c.topic).Inc()
	c.client.log.Info().Str("group", c.group).Int32("generation", g.ID).Int("partitions", len(assigned)).Msg("kafka: joined the group")
	run := func(fn func(context.Context) error) {
		g.Start(func(gctx context.Context) {
			pctx, stop := context.WithCancel(ctx)
			defer stop()
			defer context.AfterFunc(gctx, stop)()
			if err := fn(pctx); err != nil && pctx.Err() == nil {
				cancel(err)
			}
		})
	}
	for _, a := range assigned {
		run(func(ctx context.Context) error {
			for {
				if err := c.read(ctx, int32(a.ID), a.Offset); !errors.Is(err, ErrReassign) {
					return err
				}
			}
		})
	}
	run(c.watch)
}

// watch ends the generation when the number of partitions changes, so that the group shares them out anew.
// kafka-go's own watcher joins and leaves without pause while the topic cannot be described.
func (c *Consumer) watch(ctx context.Context) error {
	t := time.NewTicker(c.client.opts.WatchInterval)
	defer t.Stop()
	for before := 0; ; {
		switch n, err := c.client.Partitions(ctx, c.topic); {
		case err != nil:
			c.client.warn(ctx).Err(err).Msg("kafka: cannot look at the topic's partitions")
		case before == 0:
			before = n
		case n != before:
			c.client.log.Warn().Str("topic", c.topic).Int("before", before).Int("now", n).Msg("kafka: the number of partitions changed")
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// read reads one partition until ctx ends or something is wrong that trying again does not help.
func (c *Consumer) read(ctx context.Context, partition int32, committed int64) error {
	p := c.client.puller(c.topic, partition, 0, -1)
	defer p.close()
	if s, ok := c.handler.(Skipper); ok {
		p.unreadable = s.Unreadable
	}
	lag := c.client.metrics.lag
	defer lag.DeleteLabelValues(c.topic, partitionLabel(partition))

	var a Assignment
	err := c.client.retry(ctx, func() (err error) {
		a, err = c.describe(ctx, p, committed)
		return err
	})
	if err != nil {
		return err
	}
	c.own(partition, true)
	defer c.own(partition, false)
	defer c.handler.Revoked(partition)
	if p.next, err = c.handler.Assigned(ctx, a); err != nil {
		return err
	}
	if a.End, err = c.client.EndFor(ctx, c.topic, a, p.next); err != nil {
		return err
	}
	if p.next < a.Start || p.next > a.End {
		return &OffsetError{Topic: c.topic, Partition: partition, Asked: p.next, Start: a.Start, End: a.End}
	}

	records := make([]detector.Record, 0, maxRecords)
	flush := func() error {
		if len(records) == 0 {
			return nil
		}
		err := c.handler.Records(ctx, partition, records)
		clear(records)
		records = records[:0]
		return err
	}
	emit := func(r *record) error {
		records = append(records, detector.Record{Partition: partition, Offset: r.offset, Key: r.key, Value: r.value})
		if len(records) == maxRecords {
			return flush()
		}
		return nil
	}
	gauge := lag.WithLabelValues(c.topic, partitionLabel(partition))
	for failures := 0; ctx.Err() == nil; {
		f, err := p.pull(ctx, emit)
		if ferr := flush(); ferr != nil {
			return ferr
		}
		if err != nil {
			if ctx.Err() != nil || !retriable(err) {
				return err
			}
			c.client.warn(ctx).Err(err).Msg("kafka: fetch failed, trying again")
			p.count.fetchErrors.Inc()
			pause(ctx, failures)
			failures++
			continue
		}
		failures = 0
		gauge.Set(float64(f.end - p.next))
		if p.next >= f.stable {
			if err := c.handler.Idle(ctx, partition, f.stable); err != nil {
				return err
			}
		}
	}
	return nil
}

// describe connects to the leader and asks for what an Assignment says.
func (c *Consumer) describe(ctx context.Context, p *puller, committed int64) (a Assignment, err error) {
	a = Assignment{Partition: p.partition, Committed: max(committed, -1)}
	if err = p.open(ctx); err != nil {
		return a, err
	}
	if a.Start, a.End, err = p.link.bounds(ctx, p.topic, p.partition, readUncommitted); err == nil {
		a.Begin, err = p.link.resolve(ctx, p.topic, p.partition, c.client.opts.Start)
	}
	if err != nil {
		p.close()
	}
	return a, err
}

func (c *Consumer) own(partition int32, owned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if owned {
		c.owned[partition] = true
	} else {
		delete(c.owned, partition)
	}
}

// Given says whether this member has joined the group, and how many partitions it was given last.
func (c *Consumer) Given() (joined bool, partitions int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == nil {
		return false, 0
	}
	return true, len(c.generation.Assignments[c.topic])
}

// Commit stores offset, that of the next record to read, with the group. It is advice for tools that show lag and
// for a start without a checkpoint; a failure loses nothing.
func (c *Consumer) Commit(partition int32, offset int64) error {
	c.mu.Lock()
	g, owned := c.generation, c.owned[partition]
	c.mu.Unlock()
	if !owned {
		return fmt.Errorf("commit %s/%d at %d: %w", c.topic, partition, offset, ErrNotAssigned)
	}
	if err := g.CommitOffsets(map[string]map[int]int64{c.topic: {int(partition): offset}}); err != nil {
		return fmt.Errorf("commit %s/%d at %d as group %s: %w", c.topic, partition, offset, c.group, err)
	}
	return nil
}
