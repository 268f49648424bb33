package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

const (
	// signalsFor is how long the signals log keeps what was said. A checkpoint must not be older than that to be taken up exactly.
	signalsFor = 7 * 24 * time.Hour

	// An instance that dies is missed after sessionTimeout: then its partitions go to others.
	sessionTimeout = 6 * time.Second
	heartbeat      = time.Second

	// passAfter is for how long ticks wait for a partition that nobody speaks for while others go on.
	passAfter = time.Minute
)

func (s *service) ensureSignals(ctx context.Context) error {
	return s.client.EnsureTopic(ctx, stream.TopicSpec{Name: s.topic("internal.signals"), Partitions: 1, Cleanup: stream.Delete, Retention: signalsFor})
}

// joinOthers finds the signals log, and takes up who owned what.
func (s *service) joinOthers(ctx context.Context) error {
	for _, spec := range []stream.TopicSpec{
		{Name: s.topic(remarksTopic), Partitions: 1, Cleanup: stream.Delete, Retention: stream.Forever},
		{Name: s.topic(asksTopic), Partitions: 1, Cleanup: stream.Delete, Retention: asksFor},
	} {
		if err := s.client.EnsureTopic(ctx, spec); err != nil {
			return err
		}
	}
	if err := s.ensureSignals(ctx); err != nil {
		return err
	}
	topic := s.topic("internal.signals")
	h := newSharing(s.client, topic, s.log)
	h.next = s.record.Signals
	s.mu.Lock()
	s.sharing, s.deciding = h, &deciding{service: s}
	s.mu.Unlock()
	c, err := s.newest(ctx, ownerRegister)
	if err != nil {
		return err
	}
	if c != nil {
		if h.next, err = h.register.Restore(c.Part(partRegister)); err != nil {
			return s.cannotTakeUp(c, err)
		}
	}
	start, end, err := s.client.Bounds(ctx, topic, 0)
	if err != nil {
		return err
	}
	if h.next > end {
		return s.refuse(afresh,
			"checkpoint %s goes on from offset %d of %s, which ends at %d: the topic was truncated or made anew", c.ID, h.next, topic, end)
	}
	if start > h.next {
		h.next, h.register.Torn = start, true
	}
	return nil
}

// share has this instance say, hear and, where it comes to it, decide, until reading is done. stop ends that, after the partitions have been
// given up, and returns what failed.
func (s *service) share(reading, grace context.Context, finish func()) (stop func() error) {
	if s.sharing == nil {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(grace)
	var mu sync.Mutex
	var failed error
	try := func(of context.Context, what func(context.Context) error) func() {
		return func() {
			if err := what(of); err != nil && of.Err() == nil {
				mu.Lock()
				if failed == nil {
					failed = err
				}
				mu.Unlock()
				finish()
			}
		}
	}
	var deciders, others sync.WaitGroup
	others.Go(try(ctx, func(ctx context.Context) error { s.sharing.write(ctx); return s.sharing.failed }))
	others.Go(try(ctx, s.sharing.follow))
	others.Go(try(ctx, s.watchAlerts))
	others.Go(try(ctx, s.watchRemarks))
	others.Go(try(ctx, s.answerOthers))
	deciders.Go(try(reading, func(ctx context.Context) error {
		c, err := s.client.Consumer(s.sharing.topic, s.conf.Ingest.Group+".deciding", s.deciding)
		if err != nil {
			return usageError{err}
		}
		return c.Run(ctx)
	}))
	if s.delivering != nil {
		deciders.Go(try(reading, s.delivering.deliver))
	}
	return func() error {
		deciders.Wait()
		last, done := context.WithTimeout(ctx, revokedGrace)
		_ = s.keepRegister(last) // it only makes the next start shorter
		done()
		cancel()
		others.Wait()
		mu.Lock()
		defer mu.Unlock()
		return failed
	}
}

// watchAlerts keeps the incidents that this instance shows up to date with what whoever decides has written.
func (s *service) watchAlerts(ctx context.Context) error {
	topic := s.topic("alerts")
	return s.client.Follow(ctx, topic, 0, s.sink.written(), func(records []detector.Record, _ int64) error {
		for i := range records {
			var r incident.Record
			if err := json.Unmarshal([]byte(records[i].Value), &r); err != nil {
				return fmt.Errorf("read %s offset %d: %w", topic, records[i].Offset, err)
			}
			s.board.Add(r)
		}
		return nil
	})
}

// lead books incidents while this instance decides, and has ticks go on without partitions that nobody speaks for.
func (s *service) lead(ctx context.Context) error {
	var failed error
	since := map[int32]spoke{}
	looked, cancel := context.WithCancel(ctx)
	defer cancel()
	every(looked, s.bookSoon, func(now time.Time) {
		leads, caughtUp := s.decides()
		if !leads || !caughtUp {
			clear(since)
			return
		}
		s.pass(ctx, since, now)
		if s.behind() {
			return // history is read only once then
		}
		d := s.deciding
		d.mu.Lock()
		resumed := d.resumed
		d.mu.Unlock()
		switch {
		case resumed && s.bookingDue(now):
			s.bookNow(ctx)
		case !resumed:
			s.bookNow(ctx)
			if failed = s.sink.resume(ctx); failed != nil {
				cancel()
				return
			}
			d.mu.Lock()
			d.resumed = true
			d.mu.Unlock()
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return failed
}

// behind says whether a partition that this instance holds is not read to its end yet.
func (s *service) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.owned && !p.caughtUp {
			return true
		}
	}
	return false
}

// spoke is how much was said of a partition, since when, and whether ticks wait for it no more.
type spoke struct {
	said   int64
	at     time.Time
	passed bool
}

// pass has ticks go on without the partitions for which nobody has spoken for passAfter, while somebody did for others.
func (s *service) pass(ctx context.Context, since map[int32]spoke, now time.Time) {
	var silent []int32
	lively := false
	for p := range int32(s.record.Partitions) {
		said := s.sharing.of(p).Said
		x, known := since[p]
		if !known || said != x.said {
			lively = lively || known
			since[p] = spoke{said: said, at: now}
			continue
		}
		if !x.passed && now.Sub(x.at) >= passAfter {
			silent = append(silent, p)
		}
	}
	if len(silent) == 0 || !lively {
		return
	}
	if err := s.engine.Pass(ctx, silent); err != nil {
		return // asked again
	}
	for _, p := range silent {
		x := since[p]
		x.passed = true
		since[p] = x
	}
}
