package stream

import (
	"context"
	"maps"
)

// EnsureCompacted is EnsureTopic for a compacted topic of so many partitions, with further settings for when it is created.
func (c *Client) EnsureCompacted(ctx context.Context, topic string, partitions int, settings map[string]string) error {
	return c.EnsureTopic(ctx, TopicSpec{Name: topic, Partitions: partitions, Cleanup: Compact, Settings: maps.Clone(settings)})
}

// WriteTo is Write for who chooses the partition: one for all messages, which are keys and values. A nil value deletes its key.
func (c *Client) WriteTo(ctx context.Context, topic string, partition int32, keys, values [][]byte) error {
	messages := make([]Message, len(keys))
	for i := range keys {
		messages[i] = Message{Key: keys[i], Value: values[i]}
	}
	return c.write(ctx, topic, messages, func(*Message) int32 { return partition })
}

// Scan calls fn with every committed record that a partition holds now, from an offset on, or the first after it that is left, and returns
// where to read on. Key and value share memory with many others: clone what is kept. Where there says false, the record deletes its key.
func (c *Client) Scan(ctx context.Context, topic string, partition int32, from int64, fn func(offset int64, key, value string, there bool) error) (next int64, err error) {
	var start, end int64
	err = c.withLeader(ctx, topic, partition, func(l *link) (err error) {
		start, end, err = l.bounds(ctx, topic, partition, readCommitted)
		return err
	})
	if err != nil {
		return from, err
	}
	if from > end {
		return from, &OffsetError{Topic: topic, Partition: partition, Asked: from, Start: start, End: end}
	}
	if from = max(from, start); from == end {
		return end, nil
	}
	err = c.readRange(ctx, topic, partition, from, end, func(r *record) error {
		return fn(r.offset, r.key, r.value, r.hasValue)
	})
	return end, err
}
