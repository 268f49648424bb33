package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// Headers of a dead letter.
const (
	headerReason    = "reason"
	headerDetail    = "detail"
	headerTopic     = "source_topic"
	headerPartition = "source_partition"
	headerOffset    = "source_offset"
)

const (
	deadLetterBatch = 500                    // written at once while a producer sends rubbish
	deadLetterPause = 100 * time.Millisecond // and at the latest after this
)

// topicSink writes what the engine says to Kafka, each thing once: what a former run has written is read first
// and not said again. It is safe for concurrent use.
type topicSink struct {
	client              *stream.Client
	source, alerts, dlq string
	log                 zerolog.Logger
	onAlert             func(incident.Record) // told of every alert, written now or before; may be nil
	onWritten           func(incident.Record) // told of every revision once it is in the topic; may be nil

	queue   chan queued   // that wait: bounded, so that rubbish is slowed down rather than kept
	stopped chan struct{} // the background writer has ended
	failed  error         // why; set before stopped is closed

	former   func(incident.Record) // told of every alert that was written elsewhere; may be nil
	alerting sync.Mutex            // held while alerts are written
	spoken   map[string]*spoken
	caughtUp bool
	alertsAt int64 // offset behind the last alert that was read

	learning sync.Mutex // held while dead letters are read
	deadAt   int64      // offset behind the last of those

	mu   sync.Mutex
	dead map[deadKey]bool // written or waiting
}

// queued is a dead letter that waits, or who waits for those before it.
type queued struct {
	stream.Message
	written chan struct{}
}

type deadKey struct {
	partition int32
	offset    int64
}

// newTopicSink reads both topics to their ends. former, which may be nil, is told of every alert in them that was written elsewhere, now
// and whenever it learns.
func newTopicSink(ctx context.Context, client *stream.Client, source, alerts, dlq string, former func(incident.Record), log zerolog.Logger) (*topicSink, error) {
	s := &topicSink{
		client: client, source: source, alerts: alerts, dlq: dlq, former: former, log: log,
		queue: make(chan queued, 4*deadLetterBatch), stopped: make(chan struct{}),
		spoken: map[string]*spoken{}, dead: map[deadKey]bool{},
	}
	if err := errors.Join(s.learnAlerts(ctx), s.learnDead(ctx)); err != nil {
		return nil, err
	}
	log.Info().Int("incidents", len(s.spoken)).Int("dead_letters", len(s.dead)).Msg("run: read what former runs have written")
	return s, nil
}

// learnAlerts reads what others have written since to the alerts topic. What is said of it from here on is held back until resume.
func (s *topicSink) learnAlerts(ctx context.Context) (err error) {
	s.alerting.Lock()
	defer s.alerting.Unlock()
	s.caughtUp = false
	s.alertsAt, err = s.client.ReadFrom(ctx, s.alerts, 0, s.alertsAt, func(m stream.Message) error {
		var r incident.Record
		if err := json.Unmarshal(m.Value, &r); err != nil || r.Incident == "" {
			return fmt.Errorf("read %s/%d offset %d: no alert record; only this program may write there, so give it a topics.prefix of its own", s.alerts, m.Partition, m.Offset)
		}
		if k := s.spoken[r.Incident]; k == nil || r.Revision > k.last.Revision {
			if s.former != nil {
				s.former(r)
			}
			r.Evidence, r.Factors = nil, nil // not compared, and long
			s.spoken[r.Incident] = &spoken{last: r, former: true}
		}
		return nil
	})
	return err
}

// written returns the offset behind the last alert that was read.
func (s *topicSink) written() int64 {
	s.alerting.Lock()
	defer s.alerting.Unlock()
	return s.alertsAt
}

// learnDead reads what others have written since to the dead-letter topic.
func (s *topicSink) learnDead(ctx context.Context) (err error) {
	s.learning.Lock()
	defer s.learning.Unlock()
	s.deadAt, err = s.client.ReadFrom(ctx, s.dlq, 0, s.deadAt, func(m stream.Message) error {
		if at, ok := sourceOf(m, s.source); ok {
			s.mu.Lock()
			s.dead[at] = true
			s.mu.Unlock()
		}
		return nil
	})
	return err
}

// sourceOf returns which record of the source a dead letter was.
func sourceOf(m stream.Message, source string) (at deadKey, ok bool) {
	var partition, offset int64
	var perr, oerr error = strconv.ErrSyntax, strconv.ErrSyntax
	for _, h := range m.Headers {
		switch h.Key {
		case headerTopic:
			if h.Value != source {
				return at, false
			}
		case headerPartition:
			partition, perr = strconv.ParseInt(h.Value, 10, 32)
		case headerOffset:
			offset, oerr = strconv.ParseInt(h.Value, 10, 64)
		}
	}
	return deadKey{int32(partition), offset}, perr == nil && oerr == nil
}

// DeadLetter implements detector.Output. It is written in the background, so that a producer of rubbish does
// not slow good rows down to one write each. The error is that of an earlier write.
func (s *topicSink) DeadLetter(ctx context.Context, d detector.DeadLetter) error {
	return s.refuse(ctx, deadKey{d.Partition, d.Offset}, d.Key, d.Value, d.Reason, d.Detail)
}

func (s *topicSink) refuse(ctx context.Context, at deadKey, key, value, reason, detail string) error {
	s.mu.Lock()
	known := s.dead[at]
	s.dead[at] = true
	s.mu.Unlock()
	if known {
		return nil
	}
	m := stream.Message{Key: []byte(key), Value: []byte(value), Headers: []stream.Header{
		{Key: headerReason, Value: reason},
		{Key: headerDetail, Value: detail},
		{Key: headerTopic, Value: s.source},
		{Key: headerPartition, Value: strconv.Itoa(int(at.partition))},
		{Key: headerOffset, Value: strconv.FormatInt(at.offset, 10)},
	}}
	select {
	case s.queue <- queued{Message: m}:
		return nil
	case <-s.stopped:
		return s.failed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush waits until all dead letters so far are written.
func (s *topicSink) flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case s.queue <- queued{written: done}:
	case <-s.stopped:
		return cmp.Or(s.failed, errStopped)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-s.stopped:
		return cmp.Or(s.failed, errStopped)
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errStopped = errors.New("write dead letters: the writer has stopped")

// write writes dead letters until ctx is done, then what is left before grace is done.
func (s *topicSink) write(ctx, grace context.Context) {
	defer close(s.stopped)
	for ended := false; !ended; {
		var batch []stream.Message
		var waiting []chan struct{}
		take := func(d queued) {
			if d.written != nil {
				waiting = append(waiting, d.written)
			} else {
				batch = append(batch, d.Message)
			}
		}
		select {
		case d := <-s.queue:
			take(d)
		case <-ctx.Done():
			ended = true
		}
		pause := time.NewTimer(deadLetterPause)
	gather:
		for len(batch) < cap(s.queue) && (ended || len(waiting) == 0) {
			select {
			case d := <-s.queue:
				take(d)
				if !ended && len(batch) >= deadLetterBatch {
					break gather
				}
			case <-pause.C:
				break gather
			}
		}
		pause.Stop()
		// Not bound to ctx: what was taken from the queue is written even if the program is told to stop meanwhile.
		if err := s.client.Write(grace, s.dlq, batch); err != nil {
			s.failed = err
			return
		}
		for _, w := range waiting {
			close(w)
		}
	}
}
