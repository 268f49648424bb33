package main

import (
	"context"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// alerted keeps track of what fires and passes the alert on.
func (s *service) alerted(r incident.Record) {
	s.mu.Lock()
	if r.Status == incident.Firing {
		s.firing[r.Incident] = true
	} else {
		delete(s.firing, r.Incident)
	}
	s.mu.Unlock()
	if s.onAlert != nil {
		s.onAlert(r)
	}
}

// book brings users and credits of open incidents up to date until ctx is done.
func (s *service) book(ctx context.Context) {
	select {
	case <-s.ready: // not while catching up: history is read only once then
	case <-ctx.Done():
		return
	}
	t := time.NewTicker(bookSoon)
	defer t.Stop()
	var last time.Time
	before := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		s.mu.Lock()
		open := len(s.firing)
		s.mu.Unlock()
		if open == 0 || open <= before && time.Since(last) < s.bookEvery {
			before = open
			continue
		}
		if err := s.engine.Book(ctx, false); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("run: open incidents could not be booked; their users and credits are of an earlier time")
		}
		last, before = time.Now(), open
	}
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
