package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// Assigned implements stream.Handler. Reading goes on where this process or the checkpoint stopped, else where the first start began.
func (s *service) Assigned(ctx context.Context, a stream.Assignment) (int64, error) {
	s.mu.Lock()
	p := s.parts[a.Partition]
	if p == nil {
		s.mu.Unlock()
		return 0, &lostStateError{s.conf.sourceTopic(), fmt.Sprintf("partition %d is new: users may have moved between partitions", a.Partition), afresh}
	}
	if a.Committed > a.End {
		s.mu.Unlock()
		return 0, &lostStateError{
			s.conf.sourceTopic(), fmt.Sprintf("partition %d ends at offset %d, and the group had read up to %d: the topic was truncated or made anew", a.Partition, a.End, a.Committed),
			afresh,
		}
	}
	p.owned, p.caughtUp, p.committed, p.idleSince, p.heardAt = true, false, a.Committed, time.Time{}, time.Now()
	next := p.next
	s.mu.Unlock()
	if s.sharing != nil {
		return s.ownShard(ctx, a)
	}
	if next < 0 {
		next = s.record.First[a.Partition]
	}
	return min(max(next, a.Start), a.End), nil
}

// feedAtOnce is how many records are handed to the engine in one piece: taken whole or, when ctx ends, not at all.
const feedAtOnce = 512

// Records implements stream.Handler.
func (s *service) Records(ctx context.Context, partition int32, records []detector.Record) error {
	if s.sharing != nil && s.lost(partition) {
		return stream.ErrReassign
	}
	for part := range slices.Chunk(slices.Clone(records), feedAtOnce) { // cloned: the caller uses the slice again
		last := checkpoint.Landmark(markOf(&part[len(part)-1]))
		if err := s.engine.Feed(ctx, partition, part); err != nil {
			return err
		}
		s.mark(partition, last)
		s.advance(partition, last.Offset+1, false)
	}
	return nil
}

// idleAfter is how long a partition must have had nothing new before ticks stop waiting for it. Being at the log's
// end for a moment says nothing: of a burst that a producer writes to all partitions, one may be read to its end
// before another has begun, and ticks that went on without it would find its rows too late.
const idleAfter = 5 * time.Second

// Idle implements stream.Handler.
func (s *service) Idle(_ context.Context, partition int32, head int64) error {
	if s.sharing != nil && s.lost(partition) {
		return stream.ErrReassign
	}
	if s.rekeying != nil && !s.rekeying.level() { // more is to come that is not there yet
		s.mu.Lock()
		p := s.parts[partition]
		p.heardAt, p.idleSince = time.Now(), time.Time{}
		s.mu.Unlock()
		return nil
	}
	s.advance(partition, head, true)
	s.mu.Lock()
	p := s.parts[partition]
	if p.idleSince.IsZero() {
		p.idleSince = time.Now()
	}
	idle := time.Since(p.idleSince) >= s.idleAfter
	s.mu.Unlock()
	if !idle {
		return nil
	}
	return s.engine.Idle(partition)
}

// advance notes how far a partition was read and now and then tells the group, for the tools that show lag.
func (s *service) advance(partition int32, next int64, idle bool) {
	s.mu.Lock()
	now := time.Now()
	p := s.parts[partition]
	p.next, p.heardAt = next, now
	p.caughtUp = p.caughtUp || idle
	if idle {
		p.atEnd = now
	} else {
		p.idleSince = time.Time{}
	}
	if !idle && p.caughtUp {
		p.pulse.beat(now)
	}
	if !idle && s.opened {
		s.pulse.beat(now)
	}
	if idle && !s.opened && s.allCaughtUp() {
		s.opened = true
		close(s.ready)
		s.log.Info().Msg("run: caught up with the topic")
	}
	due := next > p.committed && now.Sub(p.commitAt) >= commitEvery
	if due {
		p.commitAt, p.committed = now, next
	}
	s.mu.Unlock()
	if due {
		if err := s.consumer.Commit(partition, next); err != nil {
			s.log.Warn().Err(err).Msg("run: offsets could not be committed; nothing is lost, but tools show a wrong lag")
		}
	}
}

func (s *service) allCaughtUp() bool {
	for _, p := range s.parts {
		if !p.caughtUp && (p.owned || s.sharing == nil) {
			return false
		}
	}
	return true
}

// Revoked implements stream.Handler.
func (s *service) Revoked(partition int32) {
	s.mu.Lock()
	next, committed := int64(-1), int64(-1)
	if p := s.parts[partition]; p != nil {
		p.owned = false
		next, committed = p.next, p.committed
	}
	s.mu.Unlock()
	if s.sharing != nil {
		s.disown(partition)
	}
	if next > committed {
		_ = s.consumer.Commit(partition, next) // advice only
	}
}

// Unreadable implements stream.Skipper: a batch that cannot be taken apart is a dead letter, and no reason to stop.
func (s *service) Unreadable(ctx context.Context, err *stream.UnreadableError) error {
	s.unreadable.Add(1)
	s.log.Error().Err(err).Msg("run: a record batch is damaged; its rows are not counted")
	return s.sink.refuse(ctx, deadKey{err.Partition, err.From}, "", "", "batch", err.Error())
}
