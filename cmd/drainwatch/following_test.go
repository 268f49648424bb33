package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// shortLog is a partition whose first records retention has removed, and goes on removing while it is read.
type shortLog struct {
	start, end int64
	asked      []int64
	failure    error
}

func (l *shortLog) Read(_ context.Context, _ int32, from, to int64, fn func(detector.Record) error) error {
	l.asked = append(l.asked, from)
	if l.failure != nil {
		return l.failure
	}
	if from < l.start || to > l.end {
		err := &stream.OffsetError{Topic: "usage", Asked: from, Start: l.start, End: l.end}
		if from >= l.start {
			err.Asked = to
		}
		if len(l.asked) == 1 {
			l.start += 5
		}
		return fmt.Errorf("read: %w", err)
	}
	for o := from; o < to; o++ {
		if err := fn(detector.Record{Offset: o}); err != nil {
			return err
		}
	}
	return nil
}

// Booking reads what retention has left, and says no less than that of anything else that fails.
func TestKeptHistory(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		log      shortLog
		from, to int64
		rows     int
		want     error
	}{
		"all is there":           {shortLog{start: 0, end: 100}, 10, 20, 10, nil},
		"the beginning is gone":  {shortLog{start: 50, end: 100}, 10, 70, 15, nil},
		"all of it is gone":      {shortLog{start: 50, end: 100}, 10, 30, 0, nil},
		"the topic is truncated": {shortLog{start: 0, end: 100}, 10, 120, 0, stream.ErrOffsetOutOfRange},
		"something else":         {shortLog{failure: broken}, 10, 20, 0, broken},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int64
			err := kept{&tc.log, zerologNop}.Read(t.Context(), 0, tc.from, tc.to, func(r detector.Record) error {
				got = append(got, r.Offset)
				return nil
			})
			if !errors.Is(err, tc.want) || len(got) != tc.rows || !slices.IsSorted(got) {
				t.Errorf("read %v, error %v", got, err)
			}
		})
	}
}

// Booking is due when an incident opens or resolves, and from time to time while one is open and rows come.
func TestBookingDue(t *testing.T) {
	s := newService(loaded{}, zerologNop, newRegistry())
	s.parts[0] = &progress{next: 10}
	now := time.Now()
	due := func(when string, want bool) {
		t.Helper()
		if s.bookingDue(now) != want {
			t.Errorf("%s: due is %v", when, !want)
		}
	}
	booked := func() { s.turned, s.bookedAt, s.bookedRows = false, now, s.read() }
	say := func(status incident.Status) { s.alerted(incident.Record{Incident: "inc_1", Status: status}) }

	due("without an incident", false)
	say(incident.Firing)
	due("when one opens", true)
	booked()
	say(incident.Firing)
	due("when it is said again", false)
	s.parts[0].next = 20
	now = now.Add(s.bookEvery - time.Second)
	due("too soon", false)
	now = now.Add(time.Second)
	due("after a while", true)
	booked()
	now = now.Add(s.bookEvery)
	due("without new rows", false)
	say(incident.Resolved)
	due("when it resolves", true)
	booked()
	s.parts[0].next = 30
	now = now.Add(s.bookEvery)
	due("when it is over", false)
}

// gated holds the first reader until it is let go.
type gated struct {
	rows    []detector.Record
	reached chan struct{}
	let     chan struct{}
	once    sync.Once
}

func (g *gated) Read(_ context.Context, _ int32, from, to int64, fn func(detector.Record) error) error {
	g.once.Do(func() {
		close(g.reached)
		<-g.let
	})
	for _, r := range g.rows[from:to] {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// alertList keeps what an engine says.
type alertList struct{ latest }

func (l *alertList) Alert(_ context.Context, r incident.Record) error { l.add(r); return nil }

func (l *alertList) DeadLetter(context.Context, detector.DeadLetter) error { return nil }

// An incident that ends while it is being booked gets its last figures from a booking that has seen its end.
func TestBookingWhileAnIncidentEnds(t *testing.T) {
	j := embark(t, smallScenario)
	conf, err := parseConfig("test", []byte(text(t, j.config)), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	past := &gated{reached: make(chan struct{}), let: make(chan struct{})}
	for i, r := range j.rows {
		past.rows = append(past.rows, detector.Record{Offset: int64(i), Value: r.text})
	}
	var said alertList
	opts := conf.engineOptions(zerologNop)
	opts.LiveView = true // for the snapshot
	engine, err := detector.New(opts, &said, past)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	if err := engine.Assign(0); err != nil {
		t.Fatal(err)
	}
	middle := time.Date(2026, 6, 25, 14, 0, 0, 0, time.UTC).UnixNano()
	n := slices.IndexFunc(j.rows, func(r row) bool { return r.at > middle })
	if err := engine.Feed(t.Context(), 0, slices.Clone(past.rows[:n])); err != nil {
		t.Fatal(err)
	}
	booked := make(chan error, 1)
	go func() { booked <- engine.Book(t.Context(), false) }()
	<-past.reached
	if err := engine.Feed(t.Context(), 0, slices.Clone(past.rows[n:])); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the incident", func() bool {
		s := engine.Snapshot()
		return len(s.Resolved) == 1 && len(s.Open) == 0
	})
	close(past.let)
	if err := <-booked; err != nil {
		t.Fatal(err)
	}
	if err := engine.Book(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	differ(t, "the last booking", verdicts(said.list(), ledgerLines(t, engine.Ledger())), j.want)
}
