package main

import (
	"context"
	"slices"

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
	if s.conf.Ingest.Rekey {
		if err := s.startRekeying(ctx, internal); err != nil {
			return err
		}
	}
	source := s.conf.sourceTopic()
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
		if s.keeping != nil {
			if err := s.ensureSignals(ctx); err != nil {
				return err
			}
			if _, s.record.Signals, err = s.client.Bounds(ctx, s.topic("internal.signals"), 0); err != nil {
				return err
			}
		}
		if err := s.record.save(ctx, s.client, internal); err != nil {
			return err
		}
		if s.record, err = loadInstallation(ctx, s.client, internal, s.conf.Ingest.Group, source); err != nil { // another instance may have been first
			return err
		}
		s.log.Info().Str("topic", s.record.Topic).Int("partitions", s.record.Partitions).Str("start", s.record.Start).
			Msg("run: first start; what the topic holds is learned from and wakes nobody")
	}
	if s.rekeying != nil {
		s.rekeying.open()
	}
	s.enter("reading what former runs have written")
	sink, err := newTopicSink(ctx, s.client, s.conf.Ingest.Topic, alerts, dlq, s.former, s.log)
	if err != nil {
		return err
	}
	sink.onAlert = s.alerted
	sink.onWritten = s.written
	s.mu.Lock()
	s.sink = sink
	earlier := slices.Clone(s.losses)
	s.mu.Unlock()
	if err := s.sayLosses(ctx, earlier...); err != nil {
		return err
	}
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
	var out detector.Output = s.sink
	if s.rekeying != nil {
		out = fromSource{s.sink}
	}
	engine, err := detector.New(opts, out, kept{s.client.History(source), s.log})
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
	if s.consumer, err = s.client.Consumer(source, s.conf.Ingest.Group, s); err != nil {
		return usageError{err}
	}
	s.enter("")
	return nil
}

// install finds the installation record of what is read, or makes one at a first start. lost is how many of the records that the first
// start read are gone, by partition.
func (s *service) install(ctx context.Context, internal string) (first bool, lost map[int32]int64, err error) {
	from := s.conf.Ingest.Start
	if s.rekeying != nil {
		from = "earliest" // of what was rekeyed; where that began was the source's to say
	}
	s.record, first, lost, err = s.installed(ctx, internal, s.conf.sourceTopic(), s.conf.Ingest.Group, from)
	return first, lost, err
}

// installed finds the installation record of a topic, or surveys it at a first start.
func (s *service) installed(ctx context.Context, internal, topic, group, start string) (in *installation, first bool, lost map[int32]int64, err error) {
	in, err = loadInstallation(ctx, s.client, internal, group, topic)
	if err != nil {
		return nil, false, nil, err
	}
	if in == nil {
		if in, err = survey(ctx, s.client, topic, group, start); err != nil {
			return nil, false, nil, err
		}
		return in, true, nil, in.place(ctx, s.client)
	}
	if lost, err = in.verify(ctx, s.client, internal); err != nil {
		return nil, false, nil, err
	}
	if in.Start != start {
		s.log.Warn().Str("start", start).Str("first_start", in.Start).Msg("run: ingest.start counts at the first start only; it is ignored now")
	}
	return in, false, lost, nil
}
