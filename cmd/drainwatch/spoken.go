package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// spoken is what the alerts topic says of an incident.
//
// Incidents are booked by the clock on the wall, so a start that reads the topic again reaches the same verdicts, but not
// with the same number of revisions on the way. What a former run has spoken of is therefore held back until everything is
// read, then said if it is news, and from there on counts up from the revision that was written.
type spoken struct {
	last   incident.Record // as written last
	former bool            // by a former run, and this one has added nothing yet
	shift  int             // from this run's revisions to those of the topic
	held   *incident.Record
}

// Alert implements detector.Output.
func (s *topicSink) Alert(ctx context.Context, r incident.Record) error {
	if s.onAlert != nil {
		s.onAlert(r)
	}
	s.alerting.Lock()
	defer s.alerting.Unlock()
	k := s.spoken[r.Incident]
	if k != nil && k.former && !s.caughtUp {
		k.held = &r
		return nil
	}
	return s.speak(ctx, k, r)
}

// resume says that everything which the topic held at the start was read and booked: what is known of incidents that a former
// run spoke of is said now, if it is news.
func (s *topicSink) resume(ctx context.Context) error {
	s.alerting.Lock()
	defer s.alerting.Unlock()
	s.caughtUp = true
	for _, id := range sortedKeys(s.spoken) {
		k := s.spoken[id]
		if k.held == nil {
			continue
		}
		r := *k.held
		k.held = nil
		if err := s.speak(ctx, k, r); err != nil {
			return err
		}
	}
	return nil
}

// speak writes a revision unless it, or what it says, is written.
func (s *topicSink) speak(ctx context.Context, k *spoken, r incident.Record) error {
	if k == nil {
		k = &spoken{}
	}
	if k.former {
		r.DetectedAt = k.last.DetectedAt
		if !k.news(&r) {
			return nil
		}
		k.shift = max(k.last.Revision+1-r.Revision, 0)
	}
	r.Revision += k.shift
	if r.Revision <= k.last.Revision {
		return nil
	}
	if louder(k.last.Severity, r.Severity) { // it may rise, not fall, whatever this start has not seen again
		r.Severity = k.last.Severity
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write alert %s revision %d: %w", r.Incident, r.Revision, err)
	}
	if err := s.client.Write(ctx, s.alerts, []stream.Message{{Key: []byte(r.Incident), Value: text}}); err != nil {
		return err
	}
	if s.onWritten != nil {
		s.onWritten(r)
	}
	k.former = false
	k.last = r
	k.last.Evidence, k.last.Factors = nil, nil
	s.spoken[r.Incident] = k
	s.log.Info().Str("incident", r.Incident).Int("revision", r.Revision).Str("severity", string(r.Severity)).
		Str("status", string(r.Status)).Str("class", r.Class).Str("cause", r.Cause).Msg(headline(r))
	return nil
}

// news says whether a reader of the last revision would learn something: another verdict or state, the final figures of what
// is over, or an impact that has doubled.
func (k *spoken) news(r *incident.Record) bool {
	was := &k.last
	if r.Status != was.Status || r.Class != was.Class || r.Cause != was.Cause || louder(r.Severity, was.Severity) ||
		!reflect.DeepEqual(r.Scope, was.Scope) || !reflect.DeepEqual(r.MergedInto, was.MergedInto) {
		return true
	}
	if r.Status == incident.Resolved {
		return r.UsersAffected != was.UsersAffected || r.Overcharge != was.Overcharge
	}
	return r.UsersAffected >= 2*was.UsersAffected && was.UsersAffected > 0 || r.Overcharge.Float64() >= 2*was.Overcharge.Float64() && was.Overcharge.Float64() > 0
}

// louder says whether a wakes more people than b.
func louder(a, b incident.Severity) bool {
	order := []incident.Severity{incident.Info, incident.Ticket, incident.Page}
	return slices.Index(order, a) > slices.Index(order, b)
}
