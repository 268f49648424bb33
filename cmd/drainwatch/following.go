package main

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// alerted keeps track of what fires and passes the alert on.
func (s *service) alerted(r incident.Record) {
	s.mu.Lock()
	firing, known := s.firing[r.Incident]
	s.firing[r.Incident] = r.Status == incident.Firing
	if !known || firing != s.firing[r.Incident] {
		s.turned = true
	}
	s.mu.Unlock()
	if s.onAlert != nil {
		s.onAlert(r)
	}
}

// book brings users and credits of incidents up to date until ctx is done: soon after one opens or resolves, and now and then
// while one is open. The first booking, when everything that the topic holds has been read, also lets the sink say what it
// held back. An error ends the service.
func (s *service) book(ctx context.Context) error {
	if s.sharing != nil {
		return s.lead(ctx)
	}
	select {
	case <-s.ready: // not while catching up: history is read only once then
	case <-ctx.Done():
		return nil
	}
	s.bookNow(ctx)
	if err := s.sink.resume(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	every(ctx, s.bookSoon, func(now time.Time) {
		if s.bookingDue(now) {
			s.bookNow(ctx)
		}
	})
	return nil
}

// every does something each period until ctx is done, first a period from now; what takes longer is not caught up with.
func every(ctx context.Context, period time.Duration, do func(now time.Time)) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do(time.Now())
		}
	}
}

// bookingDue says whether an incident opened or resolved since the last booking, or rows came while one is open.
func (s *service) bookingDue(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turned {
		return true
	}
	open := false
	for _, firing := range s.firing {
		open = open || firing
	}
	return open && now.Sub(s.bookedAt) >= s.bookEvery && s.read() > s.bookedRows
}

// read sums the offsets that reading has reached. s.mu is held.
func (s *service) read() (sum int64) {
	if s.sharing != nil {
		if r := s.engine.Rollup(); r != nil {
			return r.Rows
		}
		return 0
	}
	for _, p := range s.parts {
		sum += p.next
	}
	return sum
}

func (s *service) bookNow(ctx context.Context) {
	s.mu.Lock()
	due := len(s.firing) > 0
	s.turned = false
	rows := s.read()
	s.mu.Unlock()
	if !due {
		return
	}
	err := s.engine.Book(ctx, false)
	if err != nil && ctx.Err() == nil {
		s.log.Warn().Err(err).Msg("run: incidents could not be booked; their users and credits are of an earlier time")
	}
	if err == nil {
		s.log.Debug().Msg("run: incidents are booked")
	}
	s.mu.Lock()
	s.bookedAt = time.Now()
	if err == nil {
		s.bookedRows = rows
	} else {
		s.bookedRows = 0 // tried again
	}
	s.mu.Unlock()
}

// snapshot returns what the live view shows; nil before there is anything.
func (s *service) snapshot() *detector.Snapshot {
	s.mu.Lock()
	e := s.engine
	s.mu.Unlock()
	if e == nil {
		return nil
	}
	return e.Snapshot()
}

// kept is the topic's past as far as retention has kept it. Booking reads further back than an incident's rows, for
// redeliveries and for what its users used to draw: that some of that is gone must not leave an incident without figures.
type kept struct {
	history detector.History
	log     zerolog.Logger
}

// Read implements detector.History.
func (k kept) Read(ctx context.Context, partition int32, from, to int64, fn func(detector.Record) error) error {
	for {
		err := k.history.Read(ctx, partition, from, to, fn)
		var gone *stream.OffsetError
		if !errors.As(err, &gone) || gone.Asked != from || gone.Start <= from {
			return err
		}
		k.log.Warn().Int32("partition", partition).Int64("records", min(gone.Start, to)-from).
			Msg("run: retention removed records that booking would have read; if an incident's own rows are among them, its figures are too low")
		if from = gone.Start; from >= to {
			return nil
		}
	}
}
