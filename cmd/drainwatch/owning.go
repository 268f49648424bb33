package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/stream"
)

const (
	partRegister = "register"
	partFleet    = "fleet"

	ownerRegister = "register" // whose checkpoints say who owns what as of some place in the log
	ownerFleet    = "fleet"

	revokedGrace = 5 * time.Second // that a partition which goes elsewhere may take to be kept
)

func ownerOfShard(partition int32) string { return "shard-" + strconv.Itoa(int(partition)) }

// ownShard claims a partition that Kafka has given, takes up what is known of it, and returns the offset to read from.
func (s *service) ownShard(ctx context.Context, a stream.Assignment) (int64, error) {
	began := time.Now()
	c, err := s.newest(ctx, ownerOfShard(a.Partition))
	if err != nil {
		return 0, err
	}
	claim, err := s.sharing.claim(ctx, a.Partition)
	if err != nil {
		return 0, err
	}
	hold, from, err := s.holding(ctx, a, c, claim)
	if err != nil {
		return 0, err
	}
	if err := s.sink.learnDead(ctx); err != nil { // dead letters that the former owner has written
		return 0, err
	}
	next, err := s.engine.Own(hold)
	if err != nil {
		return 0, s.cannotTakeUp(c, err)
	}
	if c != nil && c.About.Next[a.Partition] > 0 {
		from = max(next, a.Start) // what is gone before the start is accepted, else it would have been refused
		s.log.Info().Int32("partition", a.Partition).Str("checkpoint", c.ID).Time("saved", c.About.SavedAt).Int64("next", from).
			Int64("said", hold.Said).Dur("took", time.Since(began)).Msg("run: goes on from a checkpoint")
	} else {
		s.log.Info().Int32("partition", a.Partition).Int64("next", from).Int64("said", hold.Said).Msg("run: reads a partition from its beginning")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[a.Partition]
	p.next, p.claim, p.keptWhat = from, claim, from
	if p.marks = nil; c != nil {
		if m, ok := c.About.Landmarks[a.Partition]; ok {
			p.marks = []checkpoint.Landmark{m}
		}
	}
	return from, nil
}

// holding gathers what a partition's next owner must know. from is where it is read from without a checkpoint.
func (s *service) holding(ctx context.Context, a stream.Assignment, c *checkpoint.Checkpoint, claim detector.Claim) (hold detector.Holding, from int64, err error) {
	hold = detector.Holding{Partition: a.Partition, Claim: claim}
	from = min(max(s.record.First[a.Partition], a.Start), a.End)
	seen := &vantage{next: s.record.Signals}
	if c != nil {
		hold.State = slices.DeleteFunc(slices.Clone(c.Parts), func(p detector.Part) bool { return p.Name == partRegister })
		if seen.next, err = seen.register.Restore(c.Part(partRegister)); err != nil {
			return hold, from, s.cannotTakeUp(c, err)
		}
	}
	start, end, err := s.client.Bounds(ctx, s.sharing.topic, 0)
	if err != nil {
		return hold, from, err
	}
	now := s.sharing.of(a.Partition)
	hold.Said = now.Said
	gone := from - s.record.First[a.Partition]
	switch {
	case end < seen.next:
		return hold, from, s.refuse(afresh, "checkpoint %s goes on from offset %d of %s, which ends at %d: the topic was truncated or made anew", c.ID, seen.next, s.sharing.topic, end)
	case c == nil && gone > 0 && now.Said > 0 && !s.keeping.acceptLoss:
		return hold, from, s.refuse("bring the checkpoints back, or go on without what those records taught with --accept-loss",
			"no checkpoint in %s can be used, and retention removed %s that the first start read", s.keeping.store.Path(), counted(map[int32]int64{a.Partition: gone}))
	case start > seen.next && now.Said > 0, c == nil && gone > 0 && now.Said > 0:
		if c == nil && gone > 0 {
			l := loss{topic: s.record.Topic, partition: a.Partition, from: s.record.First[a.Partition], to: from, since: s.record.At, means: lostLearned}
			if err := s.accept(ctx, l); err != nil {
				return hold, from, err
			}
		}
		// What was said cannot be made again to the number. It is made again up to the row.
		hold.Muted = now.Offset
		s.log.Warn().Int32("partition", a.Partition).Int64("offset", now.Offset).Msg("run: the signals log has lost what it said of a partition; up to there its rows are learned from and not told again")
		return hold, from, nil
	}
	seen.next = max(seen.next, start)
	past, err := s.sharing.past(ctx, a.Partition, seen)
	hold.Pauses = past.Pauses
	return hold, from, err
}

// cannotTakeUp is the refusal of a checkpoint that this program cannot read.
func (s *service) cannotTakeUp(c *checkpoint.Checkpoint, err error) error {
	if c == nil {
		return err
	}
	remedy := "go on with the program and the settings that it was written with, or remove " + s.keeping.store.Path() +
		": as long as the topic retains what the first start read, all of it is read again"
	return s.refuse(remedy, "checkpoint %s, written by version %s, cannot be taken up: %v", c.ID, c.About.Program, err)
}

// lost says whether another instance has claimed a partition that this one holds: Kafka has moved it back and forth, and this instance is
// to claim it again if it still has it.
func (s *service) lost(partition int32) bool {
	s.mu.Lock()
	p := s.parts[partition]
	claim := p.claim
	s.mu.Unlock()
	return claim.Term != 0 && s.sharing.of(partition).Term > claim.Term
}

// disown gives a partition up, having kept what is known of it if that goes quickly.
func (s *service) disown(partition int32) {
	if !s.lost(partition) {
		ctx, cancel := context.WithTimeout(context.Background(), revokedGrace)
		s.keepShard(ctx, partition)
		cancel()
	}
	s.engine.Disown(partition)
	s.mu.Lock()
	s.parts[partition].claim = detector.Claim{}
	s.mu.Unlock()
}

// keepShard keeps a checkpoint of a partition if there is anything new.
func (s *service) keepShard(ctx context.Context, partition int32) {
	s.keeping.mu.Lock()
	defer s.keeping.mu.Unlock()
	s.mu.Lock()
	p := s.parts[partition]
	claim, what, was := p.claim, p.next, p.keptWhat
	s.mu.Unlock()
	if claim.Term == 0 || what == was {
		return
	}
	c, err := s.shardCheckpoint(ctx, partition, claim)
	if err == nil && c != nil {
		err = s.write(ctx, ownerOfShard(partition), c)
	}
	switch {
	case err != nil && ctx.Err() == nil && !s.lost(partition):
		s.keeping.failed.Inc()
		s.log.Error().Err(err).Int32("partition", partition).Msg("run: no checkpoint could be kept; the one before stands")
	case err == nil && c != nil:
		s.mu.Lock()
		p.keptWhat, p.keptAt = c.Position, c.About.SavedAt
		s.mu.Unlock()
	}
}

// shardCheckpoint returns a checkpoint once all that it speaks of counts: dead letters are written, and the log was heard to say that what
// the shard has said is taken from this owner. So there is no checkpoint that is not true. It is nil if the partition has gone meanwhile.
func (s *service) shardCheckpoint(ctx context.Context, partition int32, claim detector.Claim) (*checkpoint.Checkpoint, error) {
	held, err := s.keeping.store.Held(ctx, ownerOfShard(partition))
	if err != nil {
		return nil, err
	}
	seen, now := s.sharing.here(), time.Now()
	saved, err := s.engine.SaveShard(ctx, partition, held)
	if err != nil {
		return nil, err
	}
	s.keeping.stalled.WithLabelValues(ownerOfShard(partition)).Set(saved.Stalled.Seconds())
	if err := s.sink.flush(ctx); err != nil {
		return nil, err
	}
	counts := false
	err = s.sharing.await(ctx, func(r *detector.Register, _ int64) bool {
		at := r.Of(partition)
		counts = at.Claim == claim && at.Said >= saved.Said
		return counts || at.Term > claim.Term
	})
	if err != nil || !counts {
		return nil, err
	}
	c := s.about(now)
	c.Position = saved.Next
	c.Parts = append(slices.Clone(saved.Parts), seen.part())
	s.mu.Lock()
	defer s.mu.Unlock()
	if saved.Next > 0 {
		c.About.Next[partition] = saved.Next
		if m, ok := s.parts[partition].before(saved.Next); ok {
			c.About.Landmarks[partition] = m
		}
	}
	return c, nil
}

// before returns the last record that was fed below an offset, if it is remembered.
func (p *progress) before(next int64) (m checkpoint.Landmark, ok bool) {
	for _, m := range slices.Backward(p.marks) {
		if m.Offset < next {
			return m, true
		}
	}
	return m, false
}

// keepRegister keeps who owns what, so that whoever starts need not hear the log from its beginning.
func (s *service) keepRegister(ctx context.Context) error {
	s.keeping.mu.Lock()
	defer s.keeping.mu.Unlock()
	seen := s.sharing.here()
	if seen.next == s.keeping.heardTo {
		return nil
	}
	c := s.about(time.Now())
	c.Position = seen.next
	c.Parts = []detector.Part{seen.part()}
	if err := s.write(ctx, ownerRegister, c); err != nil {
		return fmt.Errorf("keep who owns what: %w", err)
	}
	s.keeping.heardTo = seen.next
	return nil
}
