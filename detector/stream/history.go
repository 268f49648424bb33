package stream

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector"
)

// History reads records of a topic again. It implements detector.History.
type History struct {
	client *Client
	topic  string
}

var _ detector.History = History{}

// History returns the past of topic.
func (c *Client) History(topic string) History { return History{client: c, topic: topic} }

// Read calls fn with the committed records of partition at offsets from to to-1, in order. Offsets that the log
// never had or has lost are an *OffsetError.
func (h History) Read(ctx context.Context, partition int32, from, to int64, fn func(detector.Record) error) error {
	if from >= to {
		return nil
	}
	return h.client.readRange(ctx, h.topic, partition, from, to, func(r *record) error {
		return fn(detector.Record{Partition: partition, Offset: r.offset, Key: r.key, Value: r.value})
	})
}

// readRange reads one partition from offset from up to, not including, offset to.
func (c *Client) readRange(ctx context.Context, topic string, partition int32, from, to int64, fn func(*record) error) error {
	p := c.puller(topic, partition, from, to)
	defer p.close()
	for failures := 0; p.next < to; {
		f, err := p.pull(ctx, fn)
		switch {
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("read %s/%d at %d: %w", topic, partition, p.next, context.Cause(ctx))
		case err != nil && !retriable(err):
			return err
		case err != nil:
			c.warn(ctx).Err(err).Msg("kafka: read failed, trying again")
			p.count.fetchErrors.Inc()
			pause(ctx, failures)
			failures++
		case f.end < to:
			return &OffsetError{Topic: topic, Partition: partition, Asked: to, Start: f.start, End: f.end}
		default:
			failures = 0
		}
	}
	return nil
}

// ReadAll calls fn with every committed record that topic holds now, partition by partition, in order. A record of a
// compacted topic that deletes its key has a nil Value.
func (c *Client) ReadAll(ctx context.Context, topic string, fn func(Message) error) error {
	n, err := c.awaitPartitions(ctx, topic)
	if err != nil {
		return err
	}
	for partition := range int32(n) {
		var start, end int64
		err := c.withLeader(ctx, topic, partition, func(l *link) (err error) {
			start, end, err = l.bounds(ctx, topic, partition, readCommitted)
			return err
		})
		if err != nil {
			return err
		}
		err = c.readRange(ctx, topic, partition, start, end, func(r *record) error {
			m, err := r.message(partition)
			if err != nil {
				return &UnreadableError{Topic: topic, Partition: partition, From: r.offset, To: r.offset + 1, Cause: err}
			}
			return fn(m)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) awaitPartitions(ctx context.Context, topic string) (n int, err error) {
	err = c.retry(ctx, func() error {
		n, err = c.Partitions(ctx, topic)
		return err
	})
	return n, err
}

// message copies a record out of its batch.
func (r *record) message(partition int32) (Message, error) {
	headers, err := parseHeaders(r.headers)
	if err != nil {
		return Message{}, err
	}
	for i := range headers {
		headers[i] = Header{Key: strings.Clone(headers[i].Key), Value: strings.Clone(headers[i].Value)}
	}
	m := Message{Partition: partition, Offset: r.offset, Time: time.UnixMilli(r.time).UTC(), Headers: headers}
	if r.hasKey {
		m.Key = []byte(r.key)
	}
	if r.hasValue {
		m.Value = []byte(r.value)
	}
	return m, nil
}
