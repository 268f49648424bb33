package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// sharing is an instance's end of the signals log, the one order that all instances agree on. It writes what the instance says, and
// follows who owns what. It implements detector.Relay and is safe for concurrent use.
type sharing struct {
	client *stream.Client
	topic  string
	name   string // of this process
	log    zerolog.Logger

	queue   []stream.Message // bounded: while the log cannot be written, shards wait
	size    int              // bytes of it
	more    chan struct{}    // says that there is something to write
	taken   chan struct{}    // closed and replaced whenever the writer has taken the queue
	stopped chan struct{}    // the writer has ended
	failed  error            // why; set before stopped is closed

	mu       sync.Mutex
	register detector.Register
	next     int64         // offset of the next signal to be heard
	moved    chan struct{} // closed and replaced whenever more was heard
	claims   int
	heardAt  time.Time // when a broker answered last
}

// sayAhead is how many bytes may wait to be written: enough that catching up does not wait for every answer of the broker.
const sayAhead = 4 << 20

func newSharing(client *stream.Client, topic string, log zerolog.Logger) *sharing {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &sharing{
		client: client, topic: topic, log: log, name: host + "/" + strconv.Itoa(os.Getpid()) + "/" + strconv.FormatUint(rand.Uint64(), 36),
		more: make(chan struct{}, 1), taken: make(chan struct{}), stopped: make(chan struct{}), moved: make(chan struct{}),
	}
}

// Say implements detector.Relay.
func (h *sharing) Say(ctx context.Context, signals []detector.Signal) error {
	messages := appendSignals(nil, signals)
	for {
		h.mu.Lock()
		taken, room := h.taken, h.size < sayAhead
		if room {
			for i := range messages {
				h.size += len(messages[i].Value)
			}
			h.queue = append(h.queue, messages...)
		}
		h.mu.Unlock()
		if room {
			select {
			case h.more <- struct{}{}:
			default: // it knows
			}
			return nil
		}
		select {
		case <-taken:
		case <-h.stopped:
			return cmp.Or(h.failed, errStopped)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// write writes what is said until ctx is done. What is said of one partition stays in order, since one request at a time is under way.
func (h *sharing) write(ctx context.Context) {
	defer close(h.stopped)
	for {
		select {
		case <-h.more:
		case <-ctx.Done():
			return
		}
		h.mu.Lock()
		batch := h.queue
		h.queue, h.size = nil, 0
		close(h.taken)
		h.taken = make(chan struct{})
		h.mu.Unlock()
		if err := h.client.Write(ctx, h.topic, batch); err != nil {
			h.failed = err
			return
		}
	}
}

func appendSignals(batch []stream.Message, signals []detector.Signal) []stream.Message {
	for i := range signals {
		batch = append(batch, stream.Message{Key: strconv.AppendInt(nil, int64(signals[i].Partition), 10), Value: signals[i].AppendBinary(nil)})
	}
	return batch
}

// follow hears the log from where the register stands until ctx is done.
func (h *sharing) follow(ctx context.Context) error {
	return h.client.Follow(ctx, h.topic, 0, h.next, func(records []detector.Record, next int64) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i := range records {
			if err := hear(records[i], func(s *detector.Signal) error { _, err := h.register.Hear(s); return err }); err != nil {
				return err
			}
		}
		h.next, h.heardAt = next, time.Now()
		close(h.moved)
		h.moved = make(chan struct{})
		return nil
	})
}

// hear hands a record of the log to whoever listens.
func hear(r detector.Record, to func(*detector.Signal) error) error {
	var s detector.Signal
	err := s.Parse([]byte(r.Value))
	if err == nil {
		err = to(&s)
	}
	if err != nil {
		return fmt.Errorf("signals log at offset %d: %w; only instances of this version may write there", r.Offset, err)
	}
	return nil
}

// heard returns when a broker answered last.
func (h *sharing) heard() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heardAt
}

// of returns where the log stands with a partition.
func (h *sharing) of(partition int32) detector.Standing {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.register.Of(partition)
}

// await waits until what was heard satisfies ok.
func (h *sharing) await(ctx context.Context, ok func(r *detector.Register, next int64) bool) error {
	for {
		h.mu.Lock()
		done, moved := ok(&h.register, h.next), h.moved
		h.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// catchUp waits until all that the log holds now was heard.
func (h *sharing) catchUp(ctx context.Context) error {
	_, end, err := h.client.Bounds(ctx, h.topic, 0)
	if err != nil {
		return err
	}
	return h.await(ctx, func(_ *detector.Register, next int64) bool { return next >= end })
}

// claim makes this instance the owner of a partition, and returns once it has read that it is.
func (h *sharing) claim(ctx context.Context, partition int32) (detector.Claim, error) {
	for {
		if err := h.catchUp(ctx); err != nil {
			return detector.Claim{}, err
		}
		h.mu.Lock()
		h.claims++
		claim := detector.Claim{Owner: h.name + "/" + strconv.Itoa(h.claims), Term: h.register.Of(partition).Term + 1}
		h.mu.Unlock()
		s := detector.Signal{Kind: detector.SignalClaim, Partition: partition, Owner: claim.Owner, Term: claim.Term}
		if err := h.client.Write(ctx, h.topic, appendSignals(nil, []detector.Signal{s})); err != nil {
			return detector.Claim{}, err
		}
		err := h.await(ctx, func(r *detector.Register, _ int64) bool { return r.Of(partition).Term >= claim.Term })
		if err != nil {
			return detector.Claim{}, err
		}
		if h.of(partition).Claim == claim {
			return claim, nil
		}
		h.log.Info().Int32("partition", partition).Msg("run: another instance claimed a partition first; claimed again")
	}
}

// past returns what the log says of a partition from where a state was taken up to the claim, which is that of whoever asks.
func (h *sharing) past(ctx context.Context, partition int32, from *vantage) (detector.Past, error) {
	past := detector.Past{Partition: partition, Register: from.register}
	h.mu.Lock()
	to := h.next
	h.mu.Unlock()
	err := h.client.History(h.topic).Read(ctx, 0, from.next, to, func(r detector.Record) error { return hear(r, past.Hear) })
	return past, err
}

// vantage is a place in the signals log, and the register there.
type vantage struct {
	register detector.Register
	next     int64
}

// part keeps the place in a checkpoint.
func (v *vantage) part() detector.Part {
	return detector.NewPart(partRegister, v.register.AppendBinary(nil, v.next))
}

// here returns the place up to which the log was heard.
func (h *sharing) here() *vantage {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &vantage{h.register.Clone(), h.next}
}
