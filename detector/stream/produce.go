package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	produceapi "github.com/segmentio/kafka-go/protocol/produce"
)

// Header is a name and a value beside a record.
type Header struct{ Key, Value string }

// Message is a record as it is written, and as ReadAll finds it. The key decides the partition, as Java's default
// partitioner does, and a record without a key goes where an empty key goes: the same message always goes to the same
// partition.
type Message struct {
	Key, Value []byte // a nil value deletes its key from a compacted topic
	Route      []byte // decides the partition in place of the key, unless it is nil; it is not written
	Headers    []Header
	Time       time.Time // zero: when it is written

	Partition int32 // set by ReadAll
	Offset    int64 // set by ReadAll
}

const (
	// maxChunk bounds one record batch: what a broker takes by default, less room for headers. A single larger record
	// is sent by itself and left to the broker to judge.
	maxChunk      = 900_000
	slowest       = 128 << 10        // bytes a second: a connection that carries less is taken for dead
	createTimeout = 15 * time.Second // that brokers may wait for each other until a topic is there
	allReplicas   = -1
)

// Write writes messages and returns when all in-sync replicas have them. Messages of one partition stay in order, with
// one request under way at a time. While brokers are away it tries again until ctx ends; a lost answer may thereby write a
// message twice, so receivers must drop repeats. After an error some may have been written.
func (c *Client) Write(ctx context.Context, topic string, messages []Message) error {
	return c.write(ctx, topic, messages, nil)
}

// write is Write, to where partition says unless it is nil.
func (c *Client) write(ctx context.Context, topic string, messages []Message, partition func(*Message) int32) error {
	if len(messages) == 0 {
		return nil
	}
	unlock, err := c.lock(ctx, topic)
	if err != nil {
		return fmt.Errorf("write to %s: %w", topic, err)
	}
	defer unlock()
	var where layout
	err = c.retry(ctx, func() error {
		where, err = c.writeLayout(ctx, topic)
		return err
	})
	if err != nil {
		return fmt.Errorf("write to %s: %w", topic, err)
	}
	if partition == nil {
		partition = partitioner(len(where.leaders))
	}
	pending := make(map[int32][]Message)
	for i := range messages {
		p := partition(&messages[i])
		pending[p] = append(pending[p], messages[i])
	}
	for failures := 0; len(pending) > 0; {
		wrote, err := c.writeOnce(ctx, topic, pending)
		switch {
		case err == nil:
			continue
		case !retriable(err):
			c.forget(topic)
			return fmt.Errorf("write to %s: %w", topic, err)
		case wrote:
			failures = 0
		}
		c.forget(topic)
		c.metrics.writeRetries.WithLabelValues(topic).Inc()
		c.warn(ctx).Err(err).Str("topic", topic).Msg("kafka: write failed, trying again")
		if !pause(ctx, failures) {
			return fmt.Errorf("write to %s: %w (given up: %w)", topic, err, context.Cause(ctx))
		}
		failures++
	}
	return nil
}

// lock makes writers of one topic take turns, so that a retry cannot overtake what was written later.
func (c *Client) lock(ctx context.Context, topic string) (unlock func(), err error) {
	c.mu.Lock()
	turn := c.locks[topic]
	if turn == nil {
		turn = make(chan struct{}, 1)
		c.locks[topic] = turn
	}
	c.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// PartitionOf returns which of so many partitions a message with this key goes to, as Java's default partitioner has it.
func PartitionOf(key []byte, partitions int) int32 {
	return partitioner(partitions)(&Message{Key: key})
}

// partitioner says which of n partitions a message goes to.
func partitioner(n int) func(*Message) int32 {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	balancer := kafka.Murmur2Balancer{Consistent: true}
	return func(m *Message) int32 {
		key := m.Key
		if m.Route != nil {
			key = m.Route
		}
		if key == nil {
			key = []byte{}
		}
		return int32(balancer.Balance(kafka.Message{Key: key}, all...))
	}
}

// writeOnce sends the head of each partition's queue, one request a leader, and takes off what was acknowledged. It
// returns whether anything was, and the worst error.
func (c *Client) writeOnce(ctx context.Context, topic string, pending map[int32][]Message) (wrote bool, worst error) {
	where, err := c.writeLayout(ctx, topic)
	if err != nil {
		return false, err
	}
	byLeader := make(map[string][]int32)
	for p := range pending {
		if int(p) >= len(where.leaders) || where.leaders[p] == "" {
			worst = fmt.Errorf("partition %d: %w", p, kafka.LeaderNotAvailable)
			continue
		}
		byLeader[where.leaders[p]] = append(byLeader[where.leaders[p]], p)
	}
	note := func(err error) {
		if err != nil && (worst == nil || retriable(worst)) {
			worst = err
		}
	}
	for leader, partitions := range byLeader {
		sizes, bytes := make(map[int32]int), 0
		req := &produceapi.Request{
			Acks: allReplicas, Timeout: int32((c.opts.Patience * 4 / 5).Milliseconds()), // for replicas, so that it answers in time that they did not
			Topics: []produceapi.RequestTopic{{Topic: topic}},
		}
		for _, p := range partitions {
			chunk := head(pending[p])
			sizes[p] = len(chunk)
			for i := range chunk {
				bytes += len(chunk[i].Value)
			}
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, produceapi.RequestPartition{
				Partition: p, RecordSet: protocol.RecordSet{
					Version: 2, Attributes: protocol.Attributes(compress.Lz4), Records: newRecords(chunk),
				},
			})
		}
		res, err := c.ask(ctx, linkKey{leader, forWrites}, req, time.Duration(bytes)*time.Second/slowest)
		if err != nil {
			note(err)
			continue
		}
		for _, t := range res.(*produceapi.Response).Topics {
			for _, p := range t.Partitions {
				if err := codeError(p.ErrorCode); err != nil {
					if errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge) {
						err = fmt.Errorf("%w: raise max.message.bytes of the topic", err)
					}
					note(fmt.Errorf("partition %d: %w", p.Partition, err))
					continue
				}
				n := sizes[p.Partition]
				wrote = wrote || n > 0
				c.metrics.written.WithLabelValues(topic).Add(float64(n))
				if pending[p.Partition] = pending[p.Partition][n:]; len(pending[p.Partition]) == 0 {
					delete(pending, p.Partition)
				}
			}
		}
	}
	return wrote, worst
}

// head returns the first messages that fit one batch, one at least.
func head(queue []Message) []Message {
	size := 0
	for i, m := range queue {
		size += len(m.Key) + len(m.Value) + 32
		for _, h := range m.Headers {
			size += len(h.Key) + len(h.Value) + 8
		}
		if size > maxChunk && i > 0 {
			return queue[:i]
		}
	}
	return queue
}

func newRecords(messages []Message) protocol.RecordReader {
	now := time.Now()
	records := make([]protocol.Record, len(messages))
	for i, m := range messages {
		r := protocol.Record{Time: m.Time}
		if r.Time.IsZero() {
			r.Time = now
		}
		if m.Key != nil {
			r.Key = protocol.NewBytes(m.Key)
		}
		if m.Value != nil {
			r.Value = protocol.NewBytes(m.Value)
		}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, protocol.Header{Key: h.Key, Value: []byte(h.Value)})
		}
		records[i] = r
	}
	return protocol.NewRecordReader(records...)
}
