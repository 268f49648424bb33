package stream

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// link is one authenticated connection to one broker. An error other than Kafka's own verdict breaks it: close it
// and dial again. Only roundTrip may be called concurrently.
type link struct {
	addr     string
	clientID string
	nc       net.Conn
	pc       *protocol.Conn
	versions map[protocol.ApiKey]int16
	patience time.Duration // for an answer

	mu     sync.Mutex // one request at a time
	fetch  int32      // correlation of the last fetch
	answer []byte     // reused body of a fetch
}

func (l *link) close() { _ = l.nc.Close() }

// guard bounds what follows by a timeout and by ctx, until the returned function is called.
func (l *link) guard(ctx context.Context, timeout time.Duration) (done func() bool) {
	_ = l.nc.SetDeadline(time.Now().Add(timeout))
	return context.AfterFunc(ctx, func() { _ = l.nc.SetDeadline(time.Unix(1, 0)) })
}

// roundTrip sends a request and waits for the answer, so much longer than for others.
func (l *link) roundTrip(ctx context.Context, req protocol.Message, longer time.Duration) (protocol.Message, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := l.guard(ctx, l.patience+longer)
	defer done()
	res, err := l.pc.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("ask %s for %v: %w", l.addr, req.ApiKey(), err)
	}
	return res, nil
}

// Timestamps with a meaning of their own in a request for offsets.
const (
	atStart = -2
	atEnd   = -1
)

// Isolation levels of a request.
const (
	readUncommitted = 0
	readCommitted   = 1
)

// offset asks for the offset of the first record that is not older than timestamp (Unix milliseconds, atStart or
// atEnd); -1 if there is none. With readCommitted the end is that of the last closed transaction.
func (l *link) offset(ctx context.Context, topic string, partition int32, timestamp int64, isolation int8) (int64, error) {
	res, err := l.roundTrip(ctx, &listoffsets.Request{
		ReplicaID: -1, IsolationLevel: isolation,
		Topics: []listoffsets.RequestTopic{{Topic: topic, Partitions: []listoffsets.RequestPartition{{
			Partition: partition, CurrentLeaderEpoch: -1, Timestamp: timestamp,
		}}}},
	}, 0)
	if err != nil {
		return 0, err
	}
	r := res.(*listoffsets.Response)
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("offsets of %s/%d: %s answered nothing", topic, partition, l.addr)
	}
	p := r.Topics[0].Partitions[0]
	if err := codeError(p.ErrorCode); err != nil {
		return 0, fmt.Errorf("offsets of %s/%d: %w", topic, partition, err)
	}
	return p.Offset, nil
}

// bounds asks for the log's start and end. With readCommitted the end is what a reader of committed records can
// reach, which an open transaction holds back.
func (l *link) bounds(ctx context.Context, topic string, partition int32, isolation int8) (start, end int64, err error) {
	if start, err = l.offset(ctx, topic, partition, atStart, isolation); err != nil {
		return 0, 0, err
	}
	end, err = l.offset(ctx, topic, partition, atEnd, isolation)
	return start, end, err
}
