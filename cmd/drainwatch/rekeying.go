package main

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// rekeying writes the rows of a topic that is not keyed by user to one that is, and which everything else reads as if it were the source.
// It implements stream.Handler and is safe for concurrent use.
//
// A record keeps its value; its key says which record of the source it was. How far a source partition has been written stands in the
// rekeying log, and is said only afterwards: so it is true whoever says it, and the greatest counts. Whoever takes a partition up begins
// there, so that records may be there twice and are never missing. Rows are counted once by user and id, as any; what cannot be used is a
// dead letter once, since that is known by its place in the source. Each writes a partition's records in order from a place that is true,
// so those of one user and partition come first in order, also when two instances take themselves for the owner.
type rekeying struct {
	s       *service
	record  *installation // of the source
	to      string        // the rekeyed topic
	log     string        // the rekeying log
	logger  zerolog.Logger
	decoder *event.Decoder

	consumer *stream.Consumer
	stop     context.CancelFunc
	ended    chan struct{} // it has ended
	failed   error         // why; set before
	opened   chan struct{} // what came after the first start may be written
	wake     chan struct{} // there is something to write
	tell     chan struct{} // there is something to say in the log

	mu      sync.Mutex
	at      *abreast
	moved   chan struct{} // closed and replaced whenever something did
	queue   []stream.Message
	size    int                 // bytes of it
	after   map[int32]int64     // by partition: where it stands once the queue is written
	said    map[int32]rekeyed   // last, and when
	saidAt  map[int32]time.Time //
	next    int64               // offset in the rekeying log
	commits map[int32]time.Time // when the group was told last
}

// rekeyed is what the rekeying log says of a source partition.
type rekeyed struct {
	Next int64     `json:"next"`           // what is below this is in the rekeyed topic
	At   int64     `json:"at"`             // event time, of what comes next or came last
	End  bool      `json:"end"`            // there was nothing more to read
	Held bool      `json:"held,omitempty"` // what follows waits for where the first start ends to be on record
	Mark *landmark `json:"mark,omitempty"` // the last record below Next
}

const (
	rekeyAhead = 4 << 20               // bytes that may wait to be written
	sayEvery   = time.Second           // how far it is, at least
	beatEvery  = 5 * time.Second       // that nothing has changed
	sayApart   = 10 * time.Millisecond // and not more often than this
	endMost    = 20 * time.Second      // since a partition was at its end last: then what is read has been
	endLost    = time.Minute           // and then it is behind
)

// Assigned implements stream.Handler.
func (k *rekeying) Assigned(ctx context.Context, a stream.Assignment) (int64, error) {
	if err := k.catchUp(ctx); err != nil {
		return 0, err
	}
	topic := k.record.Topic
	refuse := func(remedy, format string, args ...any) error {
		return &lostStateError{topic, fmt.Sprintf(format, args...), remedy}
	}
	k.mu.Lock()
	p := k.at.parts[a.Partition]
	var from int64
	var mark landmark
	if p != nil {
		from, mark = p.written, p.mark
	}
	k.mu.Unlock()
	switch {
	case p == nil:
		return 0, refuse(afresh, "partition %d is new: the first start knew %d", a.Partition, k.record.Partitions)
	case from < 0:
		from = max(k.record.First[a.Partition], a.Start) // nothing of it was written
	}
	end, err := k.s.client.EndFor(ctx, topic, a, from)
	if err != nil {
		return 0, err
	}
	if from > end {
		return 0, refuse(afresh, "partition %d ends at offset %d, and was repartitioned up to %d: the topic was truncated or made anew", a.Partition, end, from)
	}
	if mark.Offset >= 0 {
		is, ok, err := lastRecord(ctx, k.s.client, topic, a.Partition, mark.Offset, mark.Offset+1)
		if err != nil {
			return 0, err
		}
		if ok && is != mark {
			return 0, refuse(afresh, "partition %d holds another record at offset %d than was repartitioned: the topic was made anew", a.Partition, mark.Offset)
		}
	}
	if a.Start > from {
		if k.s.keeping == nil || !k.s.keeping.acceptLoss {
			return 0, refuse("they would be neither counted nor owed; go on without them with --accept-loss, and keep retention longer than a pause of this service",
				"retention removed %s before they were repartitioned", counted(map[int32]int64{a.Partition: a.Start - from}))
		}
		l := loss{topic: topic, partition: a.Partition, from: from, to: a.Start, since: k.record.At, means: lostRows}
		if err := k.s.accept(ctx, l); err != nil {
			return 0, err
		}
		from = a.Start
	}
	k.mu.Lock()
	p.own, p.read, p.end, p.marks = true, from, false, nil
	p.written = max(p.written, from)
	p.hear(time.Now())
	k.stir()
	k.mu.Unlock()
	k.logger.Info().Int32("partition", a.Partition).Int64("next", from).Msg("run: repartitions a partition of the source by user")
	return from, nil
}

// stir wakes whoever waits. k.mu is held.
func (k *rekeying) stir() {
	close(k.moved)
	k.moved = make(chan struct{})
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it knows
	}
}

// Records implements stream.Handler.
func (k *rekeying) Records(ctx context.Context, partition int32, records []detector.Record) error {
	messages, times := make([]stream.Message, len(records)), make([]int64, len(records))
	var e event.Event
	for i := range records {
		r := &records[i]
		key := appendOrigin(make([]byte, 0, 24+len(r.Key)), partition, r.Offset)
		route := key // rubbish has no user; it lands in the same place each time
		if k.decoder.Decode(r.Value, &e) == nil {
			times[i], route = e.Time, []byte(e.User)
		}
		messages[i] = stream.Message{Key: append(append(key, '/'), r.Key...), Value: []byte(r.Value), Route: route}
	}
	for i := 0; i < len(records); {
		if records[i].Offset >= k.record.WakeFrom[partition] {
			if err := k.await(ctx, partition, records[i].Offset); err != nil {
				return err
			}
		}
		n, err := k.take(ctx, partition, records[i:], messages[i:], times[i:])
		if err != nil {
			return err
		}
		i += n
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p, now := k.at.parts[partition], time.Now()
	p.hear(now)
	if p.opened {
		p.pulse.beat(now)
	}
	return nil
}

// await holds what came after the first start back until it is known where that ended in the rekeyed topic.
func (k *rekeying) await(ctx context.Context, partition int32, offset int64) error {
	select {
	case <-k.opened:
		return nil
	default:
	}
	k.mu.Lock()
	k.at.parts[partition].read, k.at.parts[partition].held = offset, true
	k.after[partition] = offset
	k.stir()
	k.mu.Unlock()
	nudge(k.wake)
	nudge(k.tell)
	select {
	case <-k.opened:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take hands the next rows to the writer, as far as the others have come, and waits for them if that is nowhere.
func (k *rekeying) take(ctx context.Context, partition int32, records []detector.Record, messages []stream.Message, times []int64) (int, error) {
	began := time.Now()
	if limit := k.record.WakeFrom[partition]; !k.isOpen() {
		for i := range records { // see await
			if records[i].Offset >= limit {
				records = records[:i]
				break
			}
		}
	}
	times = times[:len(records)]
	last := lately(times)
	k.mu.Lock()
	if p := k.at.parts[partition]; p.at == math.MinInt64 || last-p.at > k.at.most {
		p.end = false // there is more than what came just now, and others may have got as much
		for _, q := range k.at.parts {
			q.endSeen = time.Time{}
		}
	}
	k.mu.Unlock()
	timer := time.NewTicker(sayEvery)
	defer timer.Stop()
	for {
		k.mu.Lock()
		now := time.Now()
		p := k.at.parts[partition]
		p.hear(now)
		if doubtful := k.at.doubtful(partition, last, now); len(doubtful) > 0 {
			k.mu.Unlock()
			if err := k.ask(ctx, doubtful); err != nil {
				return 0, err
			}
			continue
		}
		until, slowest := k.at.horizon(partition, now)
		n, next := within(times, until)
		full := k.size >= rekeyAhead
		if n > 0 && !full {
			k.enqueue(p, partition, records, messages[:n], times[:n], n)
		}
		if n == 0 && next > p.at {
			p.at = next
			k.stir()
		}
		foreign := !k.at.parts[slowest].own
		moved := k.moved
		if n == 0 && now.Sub(began) > abreastAfter {
			if given := k.at.giveUp(partition, began, now); len(given) > 0 {
				k.logger.Warn().Str("partitions", listed(given)).Msg("run: nothing is heard of partitions of the source; the others go on, and what these hold may come too late to be watched")
				began = now
			}
		}
		k.mu.Unlock()
		if n > 0 && !full {
			nudge(k.wake)
			return n, nil
		}
		if foreign {
			nudge(k.tell)
		}
		select {
		case <-moved:
		case <-timer.C:
		case <-k.ended:
			return 0, k.failed
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// ask looks whether partitions are still at their end. One whose broker does not answer may hold anything.
func (k *rekeying) ask(ctx context.Context, partitions []int32) error {
	for _, q := range partitions {
		patience, cancel := context.WithTimeout(ctx, sayEvery)
		end, err := k.s.client.StableEnd(patience, k.record.Topic, q)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		k.mu.Lock()
		p := k.at.parts[q]
		if p.end = p.end && err == nil && end <= max(p.read, p.written); p.end {
			p.endSeen = time.Now()
		}
		k.mu.Unlock()
	}
	return nil
}

// enqueue takes n rows. k.mu is held.
func (k *rekeying) enqueue(p *sourcePart, partition int32, records []detector.Record, messages []stream.Message, times []int64, n int) {
	for i := range messages {
		k.size += len(messages[i].Key) + len(messages[i].Value)
	}
	k.queue = append(k.queue, messages...)
	p.read = records[n-1].Offset + 1
	if n < len(records) {
		p.read = records[n].Offset
	}
	k.after[partition] = p.read
	p.marks = append(p.marks, markOf(&records[n-1]))
	if t := lately(times); t != 0 {
		p.at = t
	}
	k.stir()
}

func (k *rekeying) isOpen() bool {
	select {
	case <-k.opened:
		return true
	default:
		return false
	}
}

// Idle implements stream.Handler.
func (k *rekeying) Idle(_ context.Context, partition int32, head int64) error {
	k.mu.Lock()
	p, now := k.at.parts[partition], time.Now()
	was := p.end
	p.rest(head, now)
	p.hear(now)
	if p.written < p.read {
		k.after[partition] = p.read // behind what waits
		nudge(k.wake)
	}
	if !was {
		k.stir()
		nudge(k.tell)
	}
	k.mu.Unlock()
	return nil
}

// Unreadable implements stream.Skipper: a batch that cannot be taken apart goes on as a record that says so.
func (k *rekeying) Unreadable(_ context.Context, err *stream.UnreadableError) error {
	k.s.unreadable.Add(1)
	k.logger.Error().Err(err).Msg("run: a record batch is damaged; its rows are not counted")
	k.mu.Lock()
	defer k.mu.Unlock()
	key := appendOrigin(nil, err.Partition, err.From)
	k.queue = append(k.queue, stream.Message{Key: append(append(key, '!'), err.Error()...), Value: []byte{}, Route: appendOrigin(nil, err.Partition, err.From)})
	p := k.at.parts[err.Partition]
	p.read = err.To
	k.after[err.Partition] = err.To
	nudge(k.wake)
	return nil
}

// Revoked implements stream.Handler. What was taken is written first, if that goes quickly.
func (k *rekeying) Revoked(partition int32) {
	ctx, cancel := context.WithTimeout(context.Background(), revokedGrace)
	defer cancel()
	for {
		k.mu.Lock()
		p, moved := k.at.parts[partition], k.moved
		done := p == nil || p.written >= p.read
		if p != nil && (done || ctx.Err() != nil) {
			p.own, p.end = false, false
		}
		k.mu.Unlock()
		if done {
			break
		}
		select {
		case <-moved:
			continue
		case <-k.ended:
		case <-ctx.Done():
		}
		cancel()
	}
	if p := k.at.parts[partition]; p != nil {
		_ = k.say(ctx, partition) // if it cannot, the next owner begins a little earlier
	}
}
