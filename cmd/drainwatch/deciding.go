package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// deciding reads the signals log for the one instance that decides: the member of a group of its own to which Kafka gives the log's only
// partition. It implements stream.Handler.
type deciding struct {
	*service
	end      int64          // of the log when it was given: up to there former owners may have decided
	claim    detector.Claim // none while others decide
	kept     int64          // up to which place in the log what is known was kept
	caughtUp bool
	resumed  bool // what was held back until then has been said
}

// decides says whether this instance decides, and has heard what others decided before.
func (s *service) decides() (leads, caughtUp bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deciding.claim.Term != 0, s.deciding.caughtUp
}

// Assigned implements stream.Handler.
func (d *deciding) Assigned(ctx context.Context, a stream.Assignment) (int64, error) {
	c, err := d.newest(ctx, ownerFleet)
	if err != nil {
		return 0, err
	}
	claim, err := d.sharing.claim(ctx, detector.Everybody)
	if err != nil {
		return 0, err
	}
	if err := d.sink.learnAlerts(ctx); err != nil {
		return 0, err
	}
	var state []byte
	if c != nil {
		state = c.Part(partFleet)
	}
	torn := c == nil && a.Start > d.record.Signals
	if torn && !d.keeping.acceptLoss {
		return 0, d.refuse("bring the checkpoints back, or go on without what came before with --accept-loss",
			"no checkpoint of what was decided in %s can be used, and retention removed the first %d records of %s", d.keeping.store.Path(), a.Start, d.sharing.topic)
	}
	if torn {
		if err := d.accept(ctx, loss{topic: d.sharing.topic, from: d.record.Signals, to: a.Start, since: d.record.At, means: lostDecisions}); err != nil {
			return 0, err
		}
	}
	next, err := d.engine.Lead(claim, d.sharing.of(detector.Everybody).Said, state, torn)
	if err != nil {
		return 0, d.cannotTakeUp(c, err)
	}
	next = max(next, d.record.Signals)
	end, err := d.client.EndFor(ctx, d.sharing.topic, a, next)
	if err != nil {
		return 0, err
	}
	if next > end || next < a.Start && !torn {
		if next > end || !d.keeping.acceptLoss {
			return 0, d.refuse(afresh+"; where retention removed records, go on without them with --accept-loss",
				"what was decided goes on from offset %d of %s, which holds %d to %d", next, d.sharing.topic, a.Start, end)
		}
		if err := d.accept(ctx, loss{topic: d.sharing.topic, from: next, to: a.Start, since: c.About.SavedAt, means: lostDecisions}); err != nil {
			return 0, err
		}
		next = a.Start
	}
	if err := d.engine.Restate(ctx); err != nil {
		return 0, err
	}
	next = max(next, a.Start)
	d.mu.Lock()
	d.claim, d.end, d.caughtUp, d.resumed, d.kept = claim, a.End, false, false, next
	d.mu.Unlock()
	d.log.Info().Int64("next", next).Int64("end", a.End).Bool("checkpoint", c != nil).Msg("run: this instance decides on incidents")
	return next, nil
}

// Records implements stream.Handler.
func (d *deciding) Records(ctx context.Context, _ int32, records []detector.Record) error {
	if d.superseded() {
		return stream.ErrReassign
	}
	for i := range records {
		if err := d.engine.Hear(ctx, records[i].Offset, []byte(records[i].Value)); err != nil {
			if errors.Is(err, detector.ErrNotLeading) {
				return stream.ErrReassign
			}
			return err
		}
	}
	if len(records) > 0 && records[len(records)-1].Offset+1 >= d.end {
		d.catchUp()
	}
	return nil
}

// Idle implements stream.Handler.
func (d *deciding) Idle(context.Context, int32, int64) error {
	if d.superseded() {
		return stream.ErrReassign
	}
	d.catchUp()
	return nil
}

func (d *deciding) catchUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.caughtUp = true
}

// superseded says whether another instance has claimed to decide since.
func (d *deciding) superseded() bool {
	d.mu.Lock()
	claim := d.claim
	d.mu.Unlock()
	return claim.Term != 0 && d.sharing.of(detector.Everybody).Term > claim.Term
}

// Revoked implements stream.Handler.
func (d *deciding) Revoked(int32) {
	d.mu.Lock()
	leads := d.claim.Term != 0
	d.mu.Unlock()
	if leads {
		ctx, cancel := context.WithTimeout(context.Background(), revokedGrace)
		d.keepFleet(ctx)
		cancel()
	}
	d.engine.Unlead()
	d.mu.Lock()
	d.claim, d.caughtUp = detector.Claim{}, false
	d.mu.Unlock()
}

// keepFleet keeps a checkpoint of what was decided if there is anything new. It follows from the log alone, so it is true whoever keeps it.
func (d *deciding) keepFleet(ctx context.Context) {
	d.keeping.mu.Lock()
	defer d.keeping.mu.Unlock()
	now := time.Now()
	saved, err := d.engine.SaveFleet(ctx)
	d.mu.Lock()
	old := err == nil && saved.Next == d.kept
	d.mu.Unlock()
	if old {
		return
	}
	var c *checkpoint.Checkpoint
	if err == nil {
		c = d.about(now)
		c.Position, c.About.EventTime = saved.Next, time.Unix(0, saved.At).UTC()
		c.Parts = []detector.Part{detector.NewPart(partFleet, saved.State)}
		err = d.write(ctx, ownerFleet, c)
	}
	switch {
	case err == nil:
		d.mu.Lock()
		d.kept = saved.Next
		d.mu.Unlock()
	case ctx.Err() == nil && !errors.Is(err, detector.ErrNotLeading):
		d.keeping.failed.Inc()
		d.log.Error().Err(fmt.Errorf("keep what was decided: %w", err)).Msg("run: no checkpoint could be kept; the one before stands")
	}
}
