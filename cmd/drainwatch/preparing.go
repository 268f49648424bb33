package main

import (
	"context"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

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
	first, lost, err := s.install(ctx, internal)
	if err != nil {
		return err
	}
	if err := s.openStore(ctx); err != nil {
		return err
	}
	if s.keeping == nil {
		s.sayLost(lost)
	} else if first {
		if err := s.foreign(ctx); err != nil {
			return err
		}
	}
	if first {
		if err := s.record.save(ctx, s.client, internal); err != nil {
			return err
		}
		if s.record, err = loadInstallation(ctx, s.client, internal, s.conf.Ingest.Group, s.conf.Ingest.Topic); err != nil { // another instance may have been first
			return err
		}
		s.log.Info().Str("topic", s.record.Topic).Int("partitions", s.record.Partitions).Str("start", s.record.Start).
			Msg("run: first start; what the topic holds is learned from and wakes nobody")
	}
	s.enter("reading what former runs have written")
	if s.sink, err = newTopicSink(ctx, s.client, s.conf.Ingest.Topic, alerts, dlq, s.former, s.log); err != nil {
		return err
	}
	s.sink.onAlert = s.alerted
	s.sink.onWritten = s.written
	if s.notifier != nil {
		s.notifier.Start()
	}
	opts := s.conf.engineOptions(s.log)
	opts.WakeFrom, opts.Registerer, opts.LiveView = s.record.WakeFrom, s.registry, s.live
	opts.Answers = true
	if s.keeping != nil {
		if err := s.joinOthers(ctx); err != nil {
			return err
		}
		opts.Relay, opts.Partitions = s.sharing, s.record.Partitions
	}
	engine, err := detector.New(opts, s.sink, kept{s.client.History(s.conf.Ingest.Topic), s.log})
	if err != nil {
		return usageError{err}
	}
	var all []int32
	s.mu.Lock()
	s.engine = engine
	for p := range int32(s.record.Partitions) {
		s.parts[p] = &progress{next: -1}
		all = append(all, p)
	}
	s.mu.Unlock()
	if s.sharing == nil {
		if err := s.engine.Assign(all...); err != nil {
			return err
		}
	}
	if s.consumer, err = s.client.Consumer(s.conf.Ingest.Topic, s.conf.Ingest.Group, s); err != nil {
		return usageError{err}
	}
	s.enter("")
	return nil
}

// install finds the installation record, or writes one at a first start. lost is how many of the records that the first start read
// are gone, by partition.
func (s *service) install(ctx context.Context, internal string) (first bool, lost map[int32]int64, err error) {
	topic, group := s.conf.Ingest.Topic, s.conf.Ingest.Group
	found, err := loadInstallation(ctx, s.client, internal, group, topic)
	if err != nil {
		return false, nil, err
	}
	if found == nil {
		if s.record, err = survey(ctx, s.client, topic, group, s.conf.Ingest.Start); err != nil {
			return false, nil, err
		}
		if err := s.record.place(ctx, s.client); err != nil {
			return false, nil, err
		}
		return true, nil, nil
	}
	s.record = found
	if lost, err = found.verify(ctx, s.client, internal); err != nil {
		return false, nil, err
	}
	if found.Start != s.conf.Ingest.Start {
		s.log.Warn().Str("start", s.conf.Ingest.Start).Str("first_start", found.Start).Msg("run: ingest.start counts at the first start only; it is ignored now")
	}
	return false, lost, nil
}
