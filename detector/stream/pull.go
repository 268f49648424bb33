package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// puller reads one partition in order. It owns a connection to the leader and keeps one fetch ahead: the broker
// answers into the socket's buffers while the records before are worked on.
type puller struct {
	client    *Client
	topic     string
	partition int32
	next      int64 // offset of the next record to hand out
	limit     int64 // stop before this offset; negative: never
	// unreadable decides whether to go on behind a batch that cannot be read; nil never does.
	unreadable func(context.Context, *UnreadableError) error

	link    *link
	asked   bool // a fetch is under way
	batches []batch
	scratch []byte
	count   topicMetrics
}

func (c *Client) puller(topic string, partition int32, next, limit int64) *puller {
	return &puller{client: c, topic: topic, partition: partition, next: next, limit: limit, count: c.metrics.of(topic)}
}

// open connects to the leader unless that has been done.
func (p *puller) open(ctx context.Context) error {
	if p.link != nil {
		return nil
	}
	l, err := p.client.dialLeader(ctx, p.topic, p.partition)
	p.link, p.asked = l, false
	return err
}

func (p *puller) close() {
	if p.link != nil {
		p.link.close()
		p.link = nil
	}
}

// pull waits for one answer and hands its committed records to emit. After an error that is retriable the puller
// can be used again and goes on where it was.
func (p *puller) pull(ctx context.Context, emit func(*record) error) (fetched, error) {
	f, err := p.exchange(ctx)
	if err != nil {
		p.close()
		return f, err
	}
	ahead := p.askAhead()
	filter := txnFilter{pending: f.aborted}
	for i := range p.batches {
		if err := p.take(ctx, &p.batches[i], &filter, emit); err != nil {
			p.close()
			return f, err
		}
	}
	if ahead != nil {
		p.close()
	}
	return f, ahead
}

// exchange sends a fetch unless one is under way, waits for the answer and finds its batches.
func (p *puller) exchange(ctx context.Context) (fetched, error) {
	o := &p.client.opts
	if err := p.open(ctx); err != nil {
		return fetched{}, err
	}
	if !p.asked {
		if err := p.link.sendFetch(p.topic, p.partition, p.next, o.FetchBytes, o.FetchWait); err != nil {
			return fetched{}, err
		}
	}
	p.asked = false
	f, err := p.link.receiveFetch(ctx, o.FetchWait)
	p.client.distrust(p.link.addr, err)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return fetched{}, p.outOfRange(ctx)
	}
	if err != nil {
		return fetched{}, fmt.Errorf("read %s/%d at %d: %w", p.topic, p.partition, p.next, err)
	}
	p.count.bytes.Add(float64(len(f.batches)))
	p.batches = p.batches[:0]
	for rest := f.batches; ; {
		var b *batch
		if b, rest, err = cutBatch(rest); b == nil || err != nil {
			break
		}
		p.batches = append(p.batches, *b)
	}
	if bad, ok := errors.AsType[*UnreadableError](err); ok {
		bad.Topic, bad.Partition = p.topic, p.partition
	}
	if err == nil && len(f.batches) > 0 && (len(p.batches) == 0 || p.batches[len(p.batches)-1].next <= p.next) {
		err = fmt.Errorf("read %s/%d at %d: the broker answered without a complete batch", p.topic, p.partition, p.next)
	}
	return f, err
}

// outOfRange says how an offset misses the log, or that it does not any more.
func (p *puller) outOfRange(ctx context.Context) error {
	start, end, err := p.link.bounds(ctx, p.topic, p.partition, readUncommitted)
	if err != nil {
		return err
	}
	if p.next < start || p.next > end {
		return &OffsetError{Topic: p.topic, Partition: p.partition, Asked: p.next, Start: start, End: end}
	}
	return fmt.Errorf("read %s/%d at %d: %w", p.topic, p.partition, p.next, kafka.OffsetNotAvailable)
}

// askAhead sends the fetch that follows the batches at hand.
func (p *puller) askAhead() error {
	next := p.next
	if n := len(p.batches); n > 0 {
		next = p.batches[n-1].next
	}
	if p.limit >= 0 && next >= p.limit {
		return nil
	}
	o := &p.client.opts
	if err := p.link.sendFetch(p.topic, p.partition, next, o.FetchBytes, o.FetchWait); err != nil {
		return err
	}
	p.asked = true
	return nil
}

// take hands out the records of one batch and moves on behind it.
func (p *puller) take(ctx context.Context, b *batch, filter *txnFilter, emit func(*record) error) error {
	if b.next <= p.next {
		return nil
	}
	err := p.records(b, filter, emit)
	if bad, ok := err.(*UnreadableError); ok { //nolint:errorlint // not one that the caller's code wrapped
		p.count.refused.Inc()
		if p.unreadable == nil {
			return err
		}
		if err = p.unreadable(ctx, bad); err != nil {
			return callerError{err}
		}
	} else if err != nil {
		return err
	}
	p.next = b.next
	if p.limit >= 0 {
		p.next = min(p.next, p.limit)
	}
	return nil
}

// records hands out the records of one batch from p.next on.
func (p *puller) records(b *batch, filter *txnFilter, emit func(*record) error) error {
	at := max(b.base, p.next) // behind the last record that was dealt with
	refuse := func(cause error) error {
		return &UnreadableError{Topic: p.topic, Partition: p.partition, From: at, To: b.next, Cause: cause}
	}
	if b.err != nil {
		return refuse(b.err)
	}
	if !b.control() && filter.dropped(b, false) {
		p.count.aborted.Add(float64(min(int64(b.count), b.next-at)))
		return nil
	}
	var s string
	var err error
	if s, p.scratch, err = inflate(b, p.scratch); err != nil {
		return refuse(err)
	}
	if cap(p.scratch) > 8<<20 {
		p.scratch = nil // one large batch shall not hold memory for ever
	}
	var r record
	var n, below int
	defer func() { p.count.records.Add(float64(n)); p.count.below.Add(float64(below)) }()
	for c := (cursor{s: s, b: b, left: b.count}); ; {
		more, err := c.next(&r)
		if err != nil {
			return refuse(err)
		}
		if !more || p.limit >= 0 && r.offset >= p.limit {
			return nil
		}
		switch {
		case b.control():
			filter.dropped(b, isAbort(r.key))
			if r.offset >= p.next {
				p.count.control.Inc()
			}
			continue
		case r.offset < p.next:
			below++
			continue
		}
		if err := emit(&r); err != nil {
			return callerError{err}
		}
		n++
		at = r.offset + 1
	}
}
