package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// loss is what --accept-loss goes on without: records that were removed before they were used. It stands in the alerts topic as an incident
// whose id follows from what is lost, so that nobody says it twice, and is over once a checkpoint stands behind it.
type loss struct {
	topic     string
	partition int32
	from, to  int64     // offsets of what is lost
	since     time.Time // that was there then,
	until     time.Time // and what is left begins here; zero while that is not known
	means     string    // in a sentence
	accepted  time.Time
}

const (
	lossPrefix = "loss_" // of the ids
	lossCode   = "accepted_loss"

	// What a loss means.
	lostRows      = "they are neither counted nor owed"
	lostLearned   = "what they taught is not known: baselines are learned from what is left"
	lostDecisions = "what was decided is decided anew, from what is left: incidents may be missing, or told again"
)

// accept notes a loss, and says it.
func (s *service) accept(ctx context.Context, l loss) error {
	l.accepted = time.Now()
	s.log.Error().Str("topic", l.topic).Int32("partition", l.partition).Int64("from", l.from).Int64("to", l.to).Time("since", l.since).
		Msg("run: records are lost, as accepted: " + l.means)
	_, err := s.client.ReadFrom(ctx, l.topic, l.partition, l.to, func(m stream.Message) error {
		l.until = m.Time
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	s.mu.Lock()
	s.losses = append(s.losses, l)
	sink := s.sink
	s.mu.Unlock()
	if sink == nil { // said once there is one
		return nil
	}
	return s.sayLosses(ctx, l)
}

// sayLosses writes losses to the alerts topic, unless they are there.
func (s *service) sayLosses(ctx context.Context, losses ...loss) error {
	for i := range losses {
		r := losses[i].record()
		r.ConfigVersion, r.ProgramVersion, r.Runbook = s.conf.version(), buildInfo().Version, s.conf.Runbook
		if s.conf.Listen.URL != "" {
			r.Links["incident"] = strings.TrimSuffix(s.conf.Listen.URL, "/") + "/incidents/" + r.Incident
		}
		if err := s.sink.sayOnce(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// settleLosses says that losses are over: those that were accepted before a time as of which all that is known was kept, and those that a
// former run did not live to say that of.
func (s *service) settleLosses(ctx context.Context, kept time.Time) error {
	mine := map[string]bool{}
	s.mu.Lock()
	for i := range s.losses {
		mine[s.losses[i].id()] = s.losses[i].accepted.Before(kept)
	}
	s.mu.Unlock()
	var over []incident.Record
	s.sink.alerting.Lock()
	for _, id := range sortedKeys(s.sink.spoken) {
		k := s.sink.spoken[id]
		if settled, known := mine[id]; strings.HasPrefix(id, lossPrefix) && k.last.Status == incident.Firing && (settled || !known && k.former) {
			r := k.last
			r.Status, r.EndedAt = incident.Resolved, &r.UpdatedAt
			r.Evidence = []incident.Evidence{{Code: lossCode, Text: r.Summary}}
			over = append(over, r)
		}
	}
	s.sink.alerting.Unlock()
	for _, r := range over {
		if err := s.sink.sayOnce(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (l *loss) id() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%d\x00%d\x00%d", l.topic, l.partition, l.from, l.since.UnixNano())
	return fmt.Sprintf("%s%010x", lossPrefix, h.Sum64()>>24)
}

// record returns the loss as an alert record. All of it follows from the topics and the checkpoint.
func (l *loss) record() incident.Record {
	until := l.until.UTC()
	if l.until.IsZero() {
		until = l.since.UTC()
	}
	n := float64(l.to - l.from)
	what := fmt.Sprintf("%d records of %s partition %d, offsets %d to %d", l.to-l.from, l.topic, l.partition, l.from, l.to-1)
	return incident.Record{
		V: 1, Incident: l.id(), Status: incident.Firing, Class: "unknown", Cause: "unknown", Severity: incident.Ticket, Confidence: 1,
		Scope: incident.Scope{Kind: "cohort", Where: map[string]string{}}, StartedAt: l.since.UTC(), DetectedAt: until, UpdatedAt: until,
		Evidence: []incident.Evidence{{Code: lossCode, Text: "retention removed " + what + ", before they were used, and that was accepted", Observed: &n}},
		Title:    fmt.Sprintf("Unknown: %d records of %s partition %d are lost, as accepted", l.to-l.from, l.topic, l.partition),
		Summary:  fmt.Sprintf("Retention removed %s, that came after %s; somebody accepted that with --accept-loss: %s.", what, l.since.UTC().Format(time.RFC3339), l.means),
		Links:    map[string]string{},
	}
}

// sayOnce writes what no row brings about, under the next revision, unless the last one says the same.
func (s *topicSink) sayOnce(ctx context.Context, r incident.Record) error {
	s.alerting.Lock()
	defer s.alerting.Unlock()
	k := &spoken{}
	if was := s.spoken[r.Incident]; was != nil {
		k.last = was.last
	}
	_, err := s.client.ReadFrom(ctx, s.alerts, 0, s.alertsAt, func(m stream.Message) error { // by another instance
		var o incident.Record
		if string(m.Key) == r.Incident && json.Unmarshal(m.Value, &o) == nil && o.Revision > k.last.Revision {
			k.last = o
		}
		return nil
	})
	if err != nil {
		return err
	}
	if k.last.Revision > 0 && k.last.Title == r.Title && (k.last.Status == r.Status || k.last.Status == incident.Resolved) {
		return nil
	}
	r.Revision = k.last.Revision + 1
	return s.speak(ctx, k, r)
}
