package main

import (
	"context"
	"maps"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/stream"
)

const (
	rekeyedTopic  = "internal.rekeyed"
	rekeyingTopic = "internal.rekeying"
	rekeyingGroup = ".rekeying"
)

// sourceTopic is what is read as the source: what was rekeyed, where rows are.
func (c *Config) sourceTopic() string {
	if c.Ingest.Rekey {
		return c.Topics.Prefix + rekeyedTopic
	}
	return c.Ingest.Topic
}

// startRekeying begins to repartition the source, and returns once all that it held at the first start is in the rekeyed topic. The
// source has an installation record of its own, and is held against it at each start as any.
func (s *service) startRekeying(ctx context.Context, internal string) error {
	topic, group := s.conf.Ingest.Topic, s.conf.Ingest.Group+rekeyingGroup
	record, first, _, err := s.installed(ctx, internal, topic, group, s.conf.Ingest.Start)
	if err != nil {
		return err
	}
	decoder, err := event.NewDecoder(s.conf.Ingest.Format)
	if err != nil {
		return usageError{err}
	}
	k := &rekeying{
		s: s, record: record, to: s.conf.sourceTopic(), log: s.topic(rekeyingTopic), logger: s.log, decoder: decoder,
		ended: make(chan struct{}), opened: make(chan struct{}), wake: make(chan struct{}, 1), tell: make(chan struct{}, 1),
		at: newAbreast(record.Partitions, time.Duration(s.conf.Ingest.Lateness), time.Now()), moved: make(chan struct{}),
		after: map[int32]int64{}, said: map[int32]rekeyed{}, saidAt: map[int32]time.Time{}, commits: map[int32]time.Time{},
	}
	if err := k.makeTopics(ctx); err != nil {
		return err
	}
	k.next, err = s.client.ReadFrom(ctx, k.log, 0, 0, func(m stream.Message) error {
		return k.learn(m.Offset, string(m.Key), string(m.Value), false)
	})
	if err != nil {
		return err
	}
	if err := k.checkLog(ctx, internal, first); err != nil {
		return err
	}
	if first {
		if err := record.save(ctx, s.client, internal); err != nil {
			return err
		}
		if k.record, err = loadInstallation(ctx, s.client, internal, group, topic); err != nil { // another instance may have been first
			return err
		}
	}
	if k.consumer, err = s.client.Consumer(topic, group, k); err != nil {
		return usageError{err}
	}
	reading, stop := context.WithCancel(ctx)
	k.stop = stop
	s.mu.Lock()
	s.rekeying = k
	s.mu.Unlock()
	go func() {
		defer close(k.ended)
		k.failed = k.run(reading)
	}()
	s.enter("repartitioning by user what " + topic + " held at the first start")
	return k.until(ctx, func() bool { return k.holds(k.record.WakeFrom) })
}

// makeTopics makes the rekeyed topic and the log. What is rekeyed is kept by the rules of the source, but for as long as the signals log at
// least: checkpoints go on from there.
func (k *rekeying) makeTopics(ctx context.Context) error {
	c := k.s.client
	rules, err := c.TopicSettings(ctx, k.record.Topic, "retention.ms", "retention.bytes", "max.message.bytes")
	if err != nil {
		return err
	}
	settings := map[string]string{}
	if n, err := strconv.ParseInt(rules["retention.ms"], 10, 64); err == nil {
		if n >= 0 {
			n = max(n, signalsFor.Milliseconds())
		}
		settings["retention.ms"] = strconv.FormatInt(n, 10)
	}
	if n, err := strconv.ParseInt(rules["retention.bytes"], 10, 64); err == nil && n > 0 {
		settings["retention.bytes"] = rules["retention.bytes"]
	}
	if n, err := strconv.ParseInt(rules["max.message.bytes"], 10, 64); err == nil && n > 0 {
		settings["max.message.bytes"] = strconv.FormatInt(min(2*n, math.MaxInt32), 10) // keys are longer here, and may compress worse
	}
	spec := stream.TopicSpec{Name: k.to, Partitions: k.record.Partitions, Cleanup: stream.Delete, Settings: settings}
	if err := c.EnsureTopic(ctx, spec); err != nil {
		return err
	}
	return c.EnsureCompacted(ctx, k.log, 1, map[string]string{"segment.bytes": strconv.Itoa(16 << 20), "min.cleanable.dirty.ratio": "0.2", "max.compaction.lag.ms": "3600000"})
}

// checkLog refuses a rekeyed topic that is another's, and a log that is lost.
func (k *rekeying) checkLog(ctx context.Context, internal string, first bool) error {
	n := 0
	for p := range int32(k.record.Partitions) {
		_, end, err := k.s.client.Bounds(ctx, k.to, p)
		if err != nil {
			return err
		}
		if end > 0 {
			n++
		}
	}
	if first {
		topic, group := k.record.Topic, k.record.Group
		other, err := loadInstallation(ctx, k.s.client, internal, group, topic) // another instance may have been first
		if err == nil && other == nil && n > 0 {
			return &lostStateError{topic, "there is no record that it was ever repartitioned, and " + k.to + " holds rows", "give this installation a topics.prefix of its own; if the record was lost, bring " + internal + " back"}
		}
		return err
	}
	known, err := loadInstallation(ctx, k.s.client, internal, k.s.conf.Ingest.Group, k.to)
	if err != nil || known == nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.holds(k.record.WakeFrom) {
		return &lostStateError{k.record.Topic, k.log + " does not say any more how far it was repartitioned", "bring that topic back; " + afresh}
	}
	return nil
}

// run repartitions until ctx is done.
func (k *rekeying) run(ctx context.Context) error {
	reading, stopReading := context.WithCancelCause(ctx)
	defer stopReading(nil)
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx)) // what was taken is written before a partition goes away
	var group sync.WaitGroup
	for _, what := range []func(context.Context) error{k.write, k.publish, k.follow} {
		group.Go(func() {
			if err := what(rest); err != nil && rest.Err() == nil {
				stopReading(err)
			}
		})
	}
	err := k.consumer.Run(reading)
	stopRest()
	group.Wait()
	if err == nil && ctx.Err() == nil {
		err = context.Cause(reading)
	}
	return err
}

// stopRekeying ends repartitioning, if there is any, and returns what failed.
func (s *service) stopRekeying() error {
	s.mu.Lock()
	k := s.rekeying
	s.mu.Unlock()
	if k == nil {
		return nil
	}
	k.stop()
	<-k.ended
	return k.failed
}

// open lets what came after the first start be written: where that is in the rekeyed topic is on record now.
func (k *rekeying) open() {
	k.mu.Lock()
	k.at.open = true
	k.stir()
	k.mu.Unlock()
	close(k.opened)
}

// sources returns what is known of the partitions that this instance reads.
func (k *rekeying) sources() map[int32]progress {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[int32]progress{}
	for q, p := range maps.All(k.at.parts) {
		if p.own {
			out[q] = progress{pulse: p.pulse}
		}
	}
	return out
}
