package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// history is what can be played through an engine more than once: files, or what a topic holds.
type history interface {
	Partitions() []int32
	// Each calls fn with a partition's records, in order, some hundreds at a time. fn owns them.
	Each(ctx context.Context, partition int32, fn func([]detector.Record) error) error
	// Size returns how much there is to read, -1 where that is not known, and what of it was read since the play began.
	Size() (total, read int64)
	// Again says that what follows is another reading.
	Again()
	Close()
}

// fileHistory reads files, and what came through a pipe from where that was kept.
type fileHistory struct {
	*inputs
	lines, done atomic.Int64
	again       bool
}

func (h *fileHistory) Partitions() []int32 { return []int32{0} }
func (h *fileHistory) Again()              { h.again = true; h.done.Store(0) }

func (h *fileHistory) Size() (total, read int64) {
	if h.again {
		return h.lines.Load(), h.done.Load()
	}
	return h.size(), h.read.Load()
}

func (h *fileHistory) Each(ctx context.Context, _ int32, fn func([]detector.Record) error) error {
	if !h.again {
		return h.Batches(ctx, func(records []detector.Record) error {
			if n := len(records); n > 0 {
				h.lines.Store(records[n-1].Offset + 1)
			}
			return fn(records)
		})
	}
	return inPieces(fn, func(take func(detector.Record) error) error { return h.inputs.Read(ctx, 0, 0, h.lines.Load(), take) }, &h.done)
}

// topicHistory reads a topic up to where it ended at the start.
type topicHistory struct {
	client  *stream.Client
	topic   string
	from    map[int32]int64
	to      map[int32]int64
	done    atomic.Int64
	ordered []int32
}

// openTopicHistory finds out what a topic holds from ingest.start on.
func openTopicHistory(ctx context.Context, conf loaded, log zerolog.Logger) (*topicHistory, error) {
	config, err := conf.streamConfig()
	if err != nil {
		return nil, err
	}
	client, err := stream.New(stream.Options{Config: config, Log: log})
	if err != nil {
		return nil, usageError{err}
	}
	found, err := survey(ctx, client, conf.sourceTopic(), conf.Ingest.Group, conf.Ingest.Start)
	if err != nil {
		client.Close()
		return nil, err
	}
	h := &topicHistory{client: client, topic: conf.sourceTopic(), from: found.First, to: found.WakeFrom}
	for p := range int32(found.Partitions) {
		h.ordered = append(h.ordered, p)
	}
	return h, nil
}

func (h *topicHistory) Partitions() []int32 { return h.ordered }
func (h *topicHistory) Again()              { h.done.Store(0) }
func (h *topicHistory) Close()              { h.client.Close() }

func (h *topicHistory) Size() (total, read int64) {
	for p, end := range h.to {
		total += max(end-h.from[p], 0)
	}
	return total, h.done.Load()
}

func (h *topicHistory) Each(ctx context.Context, p int32, fn func([]detector.Record) error) error {
	return inPieces(fn, func(take func(detector.Record) error) error {
		return h.client.History(h.topic).Read(ctx, p, h.from[p], h.to[p], take)
	}, &h.done)
}

// inPieces gathers single records.
func inPieces(fn func([]detector.Record) error, read func(func(detector.Record) error) error, done *atomic.Int64) error {
	var piece []detector.Record
	err := read(func(r detector.Record) error {
		done.Add(1)
		if piece = append(piece, r); len(piece) < feedAtOnce {
			return nil
		}
		full := piece
		piece = nil
		return fn(full)
	})
	if err == nil && len(piece) > 0 {
		err = fn(piece)
	}
	return err
}

// firstTime returns the event time of the earliest of the partitions' first rows that can be read; 0 if there is none.
func firstTime(ctx context.Context, h history, format string) (first int64, err error) {
	d, err := event.NewDecoder(format)
	if err != nil {
		return 0, err
	}
	for _, p := range h.Partitions() {
		err := h.Each(ctx, p, func(records []detector.Record) error {
			var e event.Event
			for i := range records {
				if d.Decode(records[i].Value, &e) == nil {
					if first == 0 || e.Time < first {
						first = e.Time
					}
					return errEnough
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return 0, err
		}
	}
	return first, nil
}

// quietSink keeps what was said, and what could not be used to itself.
type quietSink struct{ latest }

// Alert implements detector.Output.
func (s *quietSink) Alert(_ context.Context, r incident.Record) error {
	s.add(r)
	return nil
}

// DeadLetter implements detector.Output.
func (s *quietSink) DeadLetter(context.Context, detector.DeadLetter) error { return nil }

// play runs a history through an engine, and nothing is booked. edit, if not nil, may change a partition's records on the way;
// each partition gets its own.
func play(ctx context.Context, o detector.Options, h history, edit func(partition int32) func([]detector.Record) []detector.Record) ([]incident.Record, detector.Summary, error) {
	sink := &quietSink{}
	engine, err := detector.New(o, sink, nil)
	if err != nil {
		return nil, detector.Summary{}, usageError{err}
	}
	defer func() { _ = engine.Close() }()
	if err := engine.Assign(h.Partitions()...); err != nil {
		return nil, detector.Summary{}, err
	}
	group, reading := errgroup.WithContext(ctx)
	var mu sync.Mutex // edit keeps what it makes for all partitions
	for _, p := range h.Partitions() {
		group.Go(func() error {
			change := func(records []detector.Record) []detector.Record { return records }
			if edit != nil {
				mu.Lock()
				change = edit(p)
				mu.Unlock()
			}
			if err := h.Each(reading, p, func(records []detector.Record) error { return engine.Feed(reading, p, change(records)) }); err != nil {
				return err
			}
			if len(h.Partitions()) == 1 {
				return nil
			}
			return engine.Idle(p) // the others need not wait for what has ended
		})
	}
	if err := group.Wait(); err != nil {
		return nil, detector.Summary{}, stopCause(ctx, err)
	}
	summary, err := engine.Finish(ctx)
	if err != nil {
		return nil, detector.Summary{}, stopCause(ctx, err)
	}
	return sink.list(), summary, nil
}
