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
		if _, err := c.ReadFrom(ctx, topic, partition, 0, fn); err != nil {
			return err
		}
	}
	return nil
}

// ReadFrom is ReadAll of one partition from an offset on, or from its first record if that is later. It returns the offset behind the last.
func (c *Client) ReadFrom(ctx context.Context, topic string, partition int32, from int64, fn func(Message) error) (next int64, err error) {
	var start, end int64
	err = c.withLeader(ctx, topic, partition, func(l *link) (err error) {
		start, end, err = l.bounds(ctx, topic, partition, readCommitted)
		return err
	})
	if err != nil {
		return from, err
	}
	return max(from, end), c.readRange(ctx, topic, partition, max(from, start), end, func(r *record) error {
		m, err := r.message(partition)
		if err != nil {
			return &UnreadableError{Topic: topic, Partition: partition, From: r.offset, To: r.offset + 1, Cause: err}
		}
		return fn(m)
	})
}

// Follow hands on the committed records of a partition from an offset on, as they come, until ctx is done, which is no error. After each
// answer of the broker it says which offset is next. An offset that is not in the log is an *OffsetError.
func (c *Client) Follow(ctx context.Context, topic string, partition int32, from int64, fn func(records []detector.Record, next int64) error) error {
	p := c.puller(topic, partition, from, -1)
	defer p.close()
	var records []detector.Record
	for failures := 0; ctx.Err() == nil; {
		_, err := p.pull(ctx, func(r *record) error {
			records = append(records, detector.Record{Partition: partition, Offset: r.offset, Key: r.key, Value: r.value})
			return nil
		})
		if err == nil || len(records) > 0 {
			ferr := fn(records, p.next)
			clear(records)
			if records = records[:0]; ferr != nil {
				return ferr
			}
		}
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() != nil:
		case !retriable(err):
			return err
		default:
			c.warn(ctx).Err(err).Str("topic", topic).Msg("kafka: fetch failed, trying again")
			p.count.fetchErrors.Inc()
			pause(ctx, failures)
			failures++
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
