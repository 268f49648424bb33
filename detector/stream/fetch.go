package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	fetchapi "github.com/segmentio/kafka-go/protocol/fetch"
)

const (
	fetchVersion = 11        // Kafka 2.3: the first that tells the log's start and takes leader epochs as they are
	maxAnswer    = 256 << 20 // an answer larger than this is taken for a broken connection
)

// fetched is the answer to one fetch of one partition. It points into the link's buffer: it is valid until the
// next receive.
type fetched struct {
	start       int64 // of the log
	end, stable int64 // behind the last record; behind the last that no open transaction precedes
	aborted     []abortedTxn
	batches     []byte
}

type abortedTxn struct{ producer, first int64 }

// sendFetch asks for committed records from offset on. The broker waits up to wait for at least one.
func (l *link) sendFetch(topic string, partition int32, offset int64, maxBytes int32, wait time.Duration) error {
	l.fetch++
	_ = l.nc.SetWriteDeadline(time.Now().Add(l.patience))
	err := protocol.WriteRequest(l.nc, fetchVersion, l.fetch, l.clientID, &fetchapi.Request{
		ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: maxBytes,
		IsolationLevel: readCommitted, SessionEpoch: -1,
		Topics: []fetchapi.RequestTopic{{Topic: topic, Partitions: []fetchapi.RequestPartition{{
			Partition: partition, CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: maxBytes,
		}}}},
	})
	if err != nil {
		return fmt.Errorf("fetch from %s: %w", l.addr, err)
	}
	return nil
}

// receiveFetch waits for the answer to sendFetch. It is done when ctx is, after which the link is of no use.
func (l *link) receiveFetch(ctx context.Context, wait time.Duration) (fetched, error) {
	done := l.guard(ctx, wait+l.patience)
	defer done()
	body, err := l.readAnswer()
	if err == nil {
		var f fetched
		if f, err = parseFetch(body, l.fetch); err == nil {
			return f, nil
		}
	}
	if ctx.Err() != nil {
		return fetched{}, ctx.Err()
	}
	return fetched{}, fmt.Errorf("fetch from %s: %w", l.addr, err)
}

func (l *link) readAnswer() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(l.pc, size[:]); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(size[:])))
	if n < 0 || n > maxAnswer {
		return nil, fmt.Errorf("an answer of %d bytes: is this a Kafka broker?", n)
	}
	l.answer = slices.Grow(l.answer[:0], n)[:n]
	_, err := io.ReadFull(l.pc, l.answer)
	return l.answer, err
}

var errAnswer = errors.New("the answer is malformed")

// parseFetch reads an answer for one partition. Errors that the broker reports come back as kafka.Error, and
// then the bounds of the log are not known.
func parseFetch(body []byte, correlation int32) (fetched, error) {
	d := reader{b: body}
	if got := d.int32(); !d.bad && got != correlation {
		return fetched{}, fmt.Errorf("answer %d to request %d", got, correlation)
	}
	d.int32() // throttled, milliseconds: the broker has delayed already
	code := d.int16()
	d.int32() // session
	if !d.bad && code == 0 && d.int32() != 1 {
		d.bad = true
	}
	if d.bad || code != 0 {
		return fetched{}, d.or(code)
	}
	d.skip(int(d.int16())) // topic
	if d.int32() != 1 {
		return fetched{}, errAnswer
	}
	d.int32() // partition
	code = d.int16()
	f := fetched{end: d.int64(), stable: d.int64(), start: d.int64()}
	n := d.int32()
	if int(n) > len(d.b)/16 {
		return fetched{}, errAnswer
	}
	for range max(n, 0) {
		f.aborted = append(f.aborted, abortedTxn{producer: d.int64(), first: d.int64()})
	}
	d.int32() // preferred replica: none is asked for
	f.batches = d.skip(int(max(d.int32(), 0)))
	if d.bad || code != 0 {
		return fetched{}, d.or(code)
	}
	slices.SortFunc(f.aborted, func(a, b abortedTxn) int { return int(a.first - b.first) })
	return f, nil
}

// reader reads big-endian fields; bad is set once they run out.
type reader struct {
	b   []byte
	bad bool
}

var zeros [8]byte

func (r *reader) skip(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return zeros[:0]
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) fixed(n int) []byte {
	if v := r.skip(n); len(v) == n {
		return v
	}
	return zeros[:n]
}

func (r *reader) int16() int16 { return int16(binary.BigEndian.Uint16(r.fixed(2))) }
func (r *reader) int32() int32 { return int32(binary.BigEndian.Uint32(r.fixed(4))) }
func (r *reader) int64() int64 { return int64(binary.BigEndian.Uint64(r.fixed(8))) }

func (r *reader) or(code int16) error {
	if code != 0 {
		return kafka.Error(code)
	}
	return errAnswer
}

// txnFilter tells the batches of aborted transactions from the others, as Java's consumer does: the broker lists
// the aborted transactions of the range with their first offsets; a producer's batches are dropped from there
// until its abort marker.
type txnFilter struct {
	pending []abortedTxn
	active  map[int64]bool
}

// dropped says whether the records of b must not be seen; for a marker it closes the transaction.
func (t *txnFilter) dropped(b *batch, abort bool) bool {
	for len(t.pending) > 0 && t.pending[0].first < b.next {
		if t.active == nil {
			t.active = make(map[int64]bool)
		}
		t.active[t.pending[0].producer] = true
		t.pending = t.pending[1:]
	}
	if b.control() {
		if abort {
			delete(t.active, b.producer)
		}
		return true
	}
	return b.transactional() && t.active[b.producer]
}

// isAbort says whether a marker's key announces an abort: version, then type 0.
func isAbort(key string) bool { return len(key) >= 4 && key[2] == 0 && key[3] == 0 }
