package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/notify"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/warroom"
)

const (
	shutdownGrace = 20 * time.Second // below the 30 s that Kubernetes gives before it kills
	commitEvery   = 5 * time.Second

	// Booking reads the affected rows again, so it is done soon after an incident opens or resolves, and seldom in between.
	bookEvery = time.Minute
	bookSoon  = 3 * time.Second
)

// service is the detector on a Kafka topic: what run and demo share. It implements stream.Handler.
type service struct {
	conf      loaded
	log       zerolog.Logger
	registry  *prometheus.Registry
	live      bool                  // keep the snapshot for a live view
	bookEvery time.Duration         // how often open incidents are booked
	bookSoon  time.Duration         // and how soon one that opened or resolved is
	idleAfter time.Duration         // see below
	onAlert   func(incident.Record) // told of every alert; may be nil
	notifier  *notify.Dispatcher    // told of every alert once it is written, where there are no other instances; run closes it; may be nil
	board     *warroom.Board        // the incidents, for who asks
	journal   *warroom.Journal      // what people say of them
	answers   *warroom.Server       // what answers
	blindness *blindness            // what it does not see; nil where nobody asks

	keeping       *keeping                          // of checkpoints; nil without
	checkpointAge func(now time.Time) time.Duration // of the last one; nil alike

	sharing    *sharing              // with the other instances; nil in demo, where there are none
	deciding   *deciding             // alike
	asking     *asking               // alike
	delivering *delivering           // alike, and without sinks
	troubles   *troubles             // alike
	keyed      atomic.Pointer[keyed] // how the topic seems to be keyed; nil before anybody has looked, and nobody seen while another instance does
	rekeying   *rekeying             // of the source, where it is not keyed by user; else nil
	client     *stream.Client
	consumer   *stream.Consumer
	sink       *topicSink
	engine     *detector.Engine
	record     *installation

	mu         sync.Mutex
	phase      string              // what it waits for until it reads; "" then
	phaseAt    time.Time           // since when
	pulse      pulse               // of rows, once it has caught up
	parts      map[int32]*progress // by partition
	opened     bool                // every partition has been read to its end once
	ready      chan struct{}       // closed then
	firing     map[string]bool     // by incident, false for those that resolved
	turned     bool                // one has opened or resolved since it was booked
	bookedAt   time.Time           // when incidents were booked last
	bookedRows int64               // and what had been read then
	ended      bool                // the input has ended: close the books
	finish     context.CancelFunc  // stops reading
	closed     bool                // and the books are closed
	result     detector.Summary    // once they are
	keptAt     time.Time           // when all that was known was last kept

	losses []loss // that were accepted

	unreadable atomic.Int64 // batches that could not be taken apart
}

// progress is how far a partition was read in this process.
type progress struct {
	owned, caughtUp bool
	next            int64     // offset; -1 before the first record
	idleSince       time.Time // since when there was nothing new; zero while there is
	heardAt         time.Time // when the broker said last that there are rows, or none
	atEnd           time.Time // when it was at the log's end last
	pulse           pulse     // of rows, once caught up
	committed       int64
	commitAt        time.Time
	marks           []checkpoint.Landmark // records that were read of late

	claim    detector.Claim // under which it is held, of those that share
	keptWhat int64          // offset that was to be read next when it was kept last
	keptAt   time.Time      // and when that was
}

func newService(conf loaded, log zerolog.Logger, registry *prometheus.Registry) *service {
	return &service{
		conf: conf, log: log, registry: registry, bookEvery: bookEvery, bookSoon: bookSoon, idleAfter: idleAfter, phase: "connecting to Kafka", phaseAt: time.Now(),
		asking: newAsking(), board: &warroom.Board{}, journal: warroom.NewJournal(nil), parts: map[int32]*progress{}, ready: make(chan struct{}), firing: map[string]bool{},
	}
}

// streamConfig translates the configuration into what the Kafka client takes.
func (c *Config) streamConfig() (stream.Config, error) {
	start, err := stream.ParseStart(c.Ingest.Start)
	if err != nil {
		return stream.Config{}, usageError{err}
	}
	out := stream.Config{
		Brokers: c.Ingest.Brokers, Topic: c.Ingest.Topic, Group: c.Ingest.Group, Start: start,
		TLS:  stream.TLS{Enabled: c.Ingest.TLS.Enabled, CAFile: c.Ingest.TLS.CAFile, CertFile: c.Ingest.TLS.CertFile, KeyFile: c.Ingest.TLS.KeyFile},
		SASL: stream.SASL{Mechanism: c.Ingest.SASL.Mechanism, Username: c.Ingest.SASL.Username, PasswordFile: c.Ingest.SASL.PasswordFile},
	}
	if out.SASL.Mechanism != "" && c.kafkaPassword != "" { // a variable overrides the file, here as elsewhere
		out.SASL.Password, out.SASL.PasswordFile = c.kafkaPassword, ""
	}
	return out, nil
}

func (s *service) topic(name string) string { return s.conf.Topics.Prefix + name }

// enter notes what the service waits for.
func (s *service) enter(phase string) {
	s.mu.Lock()
	s.phase, s.phaseAt = phase, time.Now()
	s.mu.Unlock()
	if phase != "" {
		s.log.Info().Msg("run: " + phase)
	}
}

// waiting returns why the service is not ready: nil once it has caught up with the topic and holds all of it.
func (s *service) waiting() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil // all that there was has been seen
	case s.ended:
		return errors.New("closing the books")
	case s.phase != "":
		return errors.New(s.phase)
	}
	behind, foreign, owned := 0, 0, 0
	for _, p := range s.parts {
		if p.owned {
			owned++
		}
		switch {
		case !p.owned && s.sharing != nil: // another instance has it, or will
		case !p.owned:
			foreign++
		case !p.caughtUp:
			behind++
		}
	}
	if s.sharing != nil {
		switch joined, given := s.consumer.Given(); {
		case !joined:
			return errors.New("joining the group")
		case owned < given:
			return fmt.Errorf("taking up %d of %d partitions", given-owned, given)
		}
	}
	if s.deciding != nil && s.deciding.claim.Term != 0 && !s.deciding.caughtUp {
		return errors.New("catching up with what was decided")
	}
	if s.rekeying != nil {
		if late := s.rekeying.behind(endLost); len(late) > 0 {
			return fmt.Errorf("repartitioning is behind on partitions %s of the source", listed(late))
		}
	}
	switch {
	case behind > 0:
		return fmt.Errorf("catching up with %d of %d partitions", behind, len(s.parts))
	case foreign > 0:
		return fmt.Errorf("%d of %d partitions are not assigned to this instance", foreign, len(s.parts))
	}
	return nil
}

// run consumes until ctx is done, which is no error.
func (s *service) run(ctx context.Context) (err error) {
	defer func() {
		if herr := s.hangUp(ctx); err == nil {
			err = herr
		}
	}()
	config, err := s.conf.streamConfig()
	if err != nil {
		return err
	}
	options := stream.Options{Config: config, Log: s.log, Registerer: s.registry}
	if s.keeping != nil {
		options.SessionTimeout, options.Heartbeat = sessionTimeout, heartbeat
	}
	if s.client, err = stream.New(options); err != nil {
		return usageError{fmt.Errorf("connect to Kafka: %w", err)}
	}
	defer s.client.Close()
	defer func() { _ = s.stopRekeying() }()
	if err := s.prepare(ctx); err != nil {
		if s.engine != nil {
			_ = s.engine.Close()
		}
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	grace, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(shutdownGrace, cut) })()

	running, stop := context.WithCancel(ctx)
	defer stop()
	reading, finish := context.WithCancel(running)
	defer finish()
	s.mu.Lock()
	s.finish = finish
	if s.ended {
		finish()
	}
	s.mu.Unlock()
	var books sync.WaitGroup
	var unbooked error
	books.Go(func() {
		if unbooked = s.book(reading); unbooked != nil {
			finish()
		}
	})
	if s.keeping != nil {
		books.Go(func() { s.keepOn(reading) })
	}
	if s.keeping != nil && s.rekeying == nil {
		books.Go(func() { s.watchKeys(reading) })
	}
	if s.rekeying != nil {
		books.Go(func() {
			select {
			case <-s.rekeying.ended:
				finish()
			case <-reading.Done():
			}
		})
	}
	stopSharing := s.share(reading, grace, finish)
	writing, written := context.WithCancel(grace) // longer than reading: a checkpoint waits for what it speaks of
	defer written()
	go func() {
		defer stop() // when writing fails for good, so does the service
		s.sink.write(writing, grace)
	}()
	err = s.consumer.Run(reading)
	finish()
	books.Wait()
	if err == nil {
		err = unbooked
	}
	if serr := stopSharing(); err == nil {
		err = serr
	}
	if rerr := s.stopRekeying(); err == nil {
		err = rerr
	}
	if err == nil && ctx.Err() == nil && s.hasEnded() {
		if s.result, err = s.engine.Finish(ctx); err == nil {
			err = s.sink.resume(ctx)
		}
		s.mu.Lock()
		s.closed = err == nil
		s.mu.Unlock()
	}
	if cerr := s.engine.Close(); err == nil {
		err = cerr
	}
	written()
	<-s.sink.stopped
	stop()
	if err == nil {
		err = s.sink.failed
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		err = nil // what was cut off is said again by the next start
	}
	return err
}

// hangUp ends delivery. What is left when the input has ended is given a while; what is left in a service stays in its outbox.
func (s *service) hangUp(ctx context.Context) error {
	if s.notifier == nil {
		return nil
	}
	if s.hasEnded() {
		patience, cancel := context.WithTimeout(ctx, drainFor)
		defer cancel()
		if err := s.notifier.Drained(patience); err != nil && ctx.Err() == nil {
			s.log.Error().Err(err).Msg("notify: alerts are left undelivered")
		}
	}
	return s.notifier.Close()
}

// end says that the topic gets no more rows: reading stops, and run closes the books and returns.
func (s *service) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.finish != nil {
		s.finish()
	}
}

func (s *service) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// readUpTo waits until every partition has been read up to these offsets.
func (s *service) readUpTo(ctx context.Context, ends map[int32]int64) error {
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for {
		s.mu.Lock()
		done := len(s.parts) > 0
		for p, end := range ends {
			done = done && s.parts[p] != nil && s.parts[p].next >= end
		}
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}
