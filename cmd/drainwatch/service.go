package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

const (
	shutdownGrace = 20 * time.Second // below the 30 s that Kubernetes gives before it kills
	commitEvery   = 5 * time.Second
)

// service is the detector on a Kafka topic: what run and demo share. It implements stream.Handler.
type service struct {
	conf     loaded
	log      zerolog.Logger
	registry *prometheus.Registry
	onAlert  func(incident.Record)

	client   *stream.Client
	consumer *stream.Consumer
	sink     *topicSink
	engine   *detector.Engine
	record   *installation

	mu     sync.Mutex
	phase  string              // what it waits for until it reads; "" then
	parts  map[int32]*progress // by partition
	opened bool                // every partition has been read to its end once
	ready  chan struct{}       // closed then
}

// progress is how far a partition was read in this process.
type progress struct {
	owned, caughtUp bool
	next            int64 // offset; -1 before the first record
	committed       int64
	commitAt        time.Time
}

func newService(conf loaded, log zerolog.Logger, registry *prometheus.Registry) *service {
	return &service{conf: conf, log: log, registry: registry, phase: "connecting to Kafka", parts: map[int32]*progress{}, ready: make(chan struct{})}
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
	s.phase = phase
	s.mu.Unlock()
	if phase != "" {
		s.log.Info().Msg("run: " + phase)
	}
}

// waiting returns why the service is not ready: nil once it has caught up with the topic and holds all of it.
func (s *service) waiting() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != "" {
		return errors.New(s.phase)
	}
	behind, foreign := 0, 0
	for _, p := range s.parts {
		switch {
		case !p.owned:
			foreign++
		case !p.caughtUp:
			behind++
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
	config, err := s.conf.streamConfig()
	if err != nil {
		return err
	}
	if s.client, err = stream.New(stream.Options{Config: config, Log: s.log, Registerer: s.registry}); err != nil {
		return usageError{fmt.Errorf("connect to Kafka: %w", err)}
	}
	defer s.client.Close()
	if err := s.prepare(ctx); err != nil {
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
	go func() {
		defer stop() // when writing fails for good, so does the service
		s.sink.write(running, grace)
	}()
	err = s.consumer.Run(running)
	if cerr := s.engine.Close(); err == nil {
		err = cerr
	}
	stop()
	<-s.sink.stopped
	if err == nil {
		err = s.sink.failed
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		err = nil // what was cut off is said again by the next start
	}
	return err
}

// prepare makes the topics, tells a first start from a later one, and builds the engine.
func (s *service) prepare(ctx context.Context) error {
	alerts, dlq, internal := s.topic("alerts"), s.topic("dlq"), s.topic("internal.installation")
	for _, spec := range []stream.TopicSpec{
		{Name: alerts, Partitions: 1, Cleanup: stream.Delete, Retention: stream.Forever},
		{Name: dlq, Partitions: 1, Cleanup: stream.Delete},
		{Name: internal, Partitions: 1, Cleanup: stream.Compact},
	} {
		if err := s.client.EnsureTopic(ctx, spec); err != nil {
			return err
		}
	}
	if err := s.install(ctx, internal); err != nil {
		return err
	}
	s.enter("reading what former runs have written")
	var err error
	if s.sink, err = newTopicSink(ctx, s.client, s.conf.Ingest.Topic, alerts, dlq, s.log); err != nil {
		return err
	}
	s.sink.onAlert = s.onAlert
	opts := s.conf.engineOptions(s.log)
	opts.WakeFrom, opts.Registerer = s.record.WakeFrom, s.registry
	if s.engine, err = detector.New(opts, s.sink, s.client.History(s.conf.Ingest.Topic)); err != nil {
		return usageError{fmt.Errorf("configure detector: %w", err)}
	}
	var all []int32
	s.mu.Lock()
	for p := range int32(s.record.Partitions) {
		s.parts[p] = &progress{next: -1}
		all = append(all, p)
	}
	s.mu.Unlock()
	if err := s.engine.Assign(all...); err != nil {
		return err
	}
	if s.consumer, err = s.client.Consumer(s.conf.Ingest.Topic, s.conf.Ingest.Group, s); err != nil {
		return usageError{err}
	}
	s.enter("")
	return nil
}

// install finds the installation record, or writes one at a first start.
func (s *service) install(ctx context.Context, internal string) error {
	topic, group := s.conf.Ingest.Topic, s.conf.Ingest.Group
	found, err := loadInstallation(ctx, s.client, internal, group, topic)
	if err != nil {
		return err
	}
	if found == nil {
		if s.record, err = survey(ctx, s.client, topic, group, s.conf.Ingest.Start); err != nil {
			return err
		}
		s.log.Info().Str("topic", topic).Int("partitions", s.record.Partitions).Str("start", s.record.Start).
			Msg("run: first start; what the topic holds is learned from and wakes nobody")
		return s.record.save(ctx, s.client, internal)
	}
	s.record = found
	lost, err := found.verify(ctx, s.client, internal)
	if err != nil {
		return err
	}
	if found.Start != s.conf.Ingest.Start {
		s.log.Warn().Str("start", s.conf.Ingest.Start).Str("first_start", found.Start).Msg("run: ingest.start counts at the first start only; it is ignored now")
	}
	for _, p := range slices.Sorted(maps.Keys(lost)) {
		s.log.Warn().Int32("partition", p).Int64("records", lost[p]).
			Msg("run: retention removed records that the first start read; baselines are learned from what is left, so keep retention longer")
	}
	s.log.Info().Str("topic", topic).Time("installed", found.At).
		Msg("run: there are no checkpoints in this version, so the topic is read again from the first start's offsets; alerts that were written are not repeated")
	return nil
}

// Assigned implements stream.Handler. Reading goes on where this process stopped, else where the first start began.
func (s *service) Assigned(_ context.Context, a stream.Assignment) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[a.Partition]
	if p == nil {
		return 0, &lostStateError{s.conf.Ingest.Topic, fmt.Sprintf("partition %d is new: users may have moved between partitions", a.Partition), "start afresh with another ingest.group or topics.prefix"}
	}
	if a.Committed > a.End {
		return 0, &lostStateError{s.conf.Ingest.Topic, fmt.Sprintf("partition %d ends at offset %d, and the group had read up to %d: the topic was truncated or made anew", a.Partition, a.End, a.Committed),
			"if that is meant, start afresh with another ingest.group or topics.prefix"}
	}
	p.owned, p.caughtUp, p.committed = true, false, a.Committed
	if p.next < 0 {
		return min(max(s.record.First[a.Partition], a.Start), a.End), nil
	}
	return p.next, nil
}

// feedAtOnce is how many records are handed to the engine in one piece: taken whole or, when ctx ends, not at all.
const feedAtOnce = 512

// Records implements stream.Handler.
func (s *service) Records(ctx context.Context, partition int32, records []detector.Record) error {
	for part := range slices.Chunk(slices.Clone(records), feedAtOnce) { // cloned: the caller uses the slice again
		if err := s.engine.Feed(ctx, partition, part); err != nil {
			return err
		}
		s.advance(partition, part[len(part)-1].Offset+1, false)
	}
	return nil
}

// Idle implements stream.Handler.
func (s *service) Idle(_ context.Context, partition int32, head int64) error {
	if err := s.engine.Idle(partition); err != nil {
		return err
	}
	s.advance(partition, head, true)
	return nil
}

// advance notes how far a partition was read and now and then tells the group, for the tools that show lag.
func (s *service) advance(partition int32, next int64, idle bool) {
	s.mu.Lock()
	p := s.parts[partition]
	p.next = next
	p.caughtUp = p.caughtUp || idle
	if idle && !s.opened && s.allCaughtUp() {
		s.opened = true
		close(s.ready)
		s.log.Info().Msg("run: caught up with the topic")
	}
	now := time.Now()
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
		if !p.caughtUp {
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
	if next > committed {
		_ = s.consumer.Commit(partition, next) // advice only
	}
}

// Unreadable implements stream.Skipper: a batch that cannot be taken apart is a dead letter, and no reason to stop.
func (s *service) Unreadable(ctx context.Context, err *stream.UnreadableError) error {
	s.log.Error().Err(err).Msg("run: a record batch is damaged; its rows are not counted")
	return s.sink.refuse(ctx, deadKey{err.Partition, err.From}, "", "", "batch", err.Error())
}
