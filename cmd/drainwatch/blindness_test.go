package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/notify"
)

// What happens to a service that is watched for two days before, and what it says it is blind to, from which minute to which.
func TestBlindness(t *testing.T) {
	const learned, horizon = 2 * 24 * 60, 5 * 60
	from := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	ago := func(x *seen, minutes int) time.Time { return x.at.Add(-time.Duration(minutes) * time.Minute) }
	between := func(a, b int, do func(x *seen, minute int)) func(*seen, int) {
		return func(x *seen, minute int) {
			if minute >= a && minute < b {
				do(x, minute)
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(x *seen, minute int)              // of what is seen, minutes after the two days
		rows   func(partition int32, minute int) bool // whether rows come; nil is always
		count  func(h *detector.Health, minute int)   // of what is counted, each minute; nil is 1,000 good rows
		want   []string
	}{
		{name: "all is well"},
		{
			name: "brokers away", want: []string{"kafka page 12-31"},
			change: between(10, 30, func(x *seen, minute int) {
				for p, s := range x.parts {
					s.heardAt, s.atEnd = ago(x, minute-10), ago(x, minute-10)
					x.parts[p] = s
				}
			}),
			rows: func(_ int32, minute int) bool { return minute < 10 || minute >= 30 },
		},
		{
			name: "brokers away, and what came before is old by now", want: []string{"kafka page 12-31"},
			change: between(10, 30, func(x *seen, minute int) {
				for p, s := range x.parts {
					s.heardAt, s.atEnd = ago(x, minute-10), ago(x, minute-10)
					x.parts[p] = s
				}
				x.health.Head = x.at.Add(-time.Hour)
			}),
			rows: func(_ int32, minute int) bool { return minute < 10 || minute >= 30 },
		},
		{
			name: "one partition is read late", want: []string{"lag ticket 15-25", "lag page 25-42"},
			change: between(10, 40, func(x *seen, minute int) {
				s := x.parts[1]
				s.atEnd = ago(x, minute-10)
				x.parts[1] = s
			}),
		},
		{
			name: "a start that catches up for long wakes nobody", want: []string{"lag ticket 5-62"},
			change: between(0, 60, func(x *seen, minute int) {
				x.opened, x.phaseAt = false, ago(x, minute)
				for p, s := range x.parts {
					s.atEnd = time.Time{}
					x.parts[p] = s
				}
			}),
		},
		{
			name: "one partition falls silent", want: []string{"silence ticket 24-65"},
			rows: func(p int32, minute int) bool { return p != 2 || minute < 10 || minute >= 60 },
		},
		{
			name: "one that is used to long gaps does not",
			rows: func(p int32, minute int) bool {
				return p != 2 || (minute+learned)%60 == 0 || minute >= 0 && minute%150 == 0
			},
		},
		{
			name: "all fall silent", want: []string{"quiet page 24-65"},
			rows: func(_ int32, minute int) bool { return minute < 10 || minute >= 60 },
		},
		{
			name: "a producer sends rubbish", want: []string{"unreadable ticket 11-49"},
			count: func(h *detector.Health, minute int) {
				h.Rows += 1000
				if minute >= 10 && minute < 30 {
					h.DeadLetters += 150
				}
			},
		},
		{
			name:  "now and then a bad row is no blindness",
			count: func(h *detector.Health, _ int) { h.Rows, h.DeadLetters = h.Rows+1000, h.DeadLetters+5 },
		},
		{
			name:  "of few rows a share says nothing",
			count: func(h *detector.Health, minute int) { h.Rows++; h.DeadLetters += int64(minute % 2 & 1) },
		},
		{
			name: "a damaged batch", want: []string{"unreadable page 10-30"},
			change: between(10, horizon, func(x *seen, _ int) { x.unreadable = 1 }),
		},
		{
			name: "clocks run ahead", want: []string{"skew ticket 15-40"},
			change: between(10, 30, func(x *seen, _ int) { x.health.Head = x.at.Add(10 * time.Minute) }),
		},
		{
			name: "rows are old", want: []string{"skew ticket 15-40"},
			change: between(10, 30, func(x *seen, _ int) { x.health.Head = x.at.Add(-time.Hour) }),
		},
		{
			name: "rows come late", want: []string{"skew ticket 17-48"},
			count: func(h *detector.Health, minute int) {
				h.Rows += 1000
				if minute >= 10 && minute < 30 {
					h.Late += 200
				}
			},
		},
		{
			name: "rows from the future", want: []string{"skew ticket 15-40"},
			change: between(10, 30, func(x *seen, minute int) { x.health.Held = int64(100 * (minute - 9)) }),
		},
		{
			name: "ids are forgotten", want: []string{"dropped ticket 10-80"},
			change: between(10, horizon, func(x *seen, _ int) { x.health.DedupeLost = 7 }),
		},
		{
			name: "more versions than there is room for", want: []string{"dropped ticket 10-109"},
			count: func(h *detector.Health, minute int) {
				h.Rows += 1000
				if minute >= 10 && minute < 40 {
					h.ValuesFolded += 500
				}
			},
		},
		{
			name: "a checkpoint is late", want: []string{"checkpoint ticket 15-31", "checkpoint page 60-201"},
			change: func(x *seen, minute int) {
				x.checkpoint = 1
				switch {
				case minute >= 10 && minute < 30:
					x.checkpoint = 2 * float64(minute-10)
				case minute >= 60 && minute < 200:
					x.checkpoint = 121
				}
			},
		},
		{
			name: "sinks fail", want: []string{"sink page 15-32", "outbox page 11-22", "sink page 40-300"},
			change: func(x *seen, minute int) {
				x.sinks = []notify.SinkState{{Name: "a"}, {Name: "b"}}
				if minute >= 10 && minute < 30 {
					x.sinks[0].Failing = time.Duration(minute-10) * time.Minute
				}
				if minute >= 10 && minute < 20 {
					x.outbox = time.Duration(minute-10) * time.Minute
				}
				x.sinks[1].Gone = minute >= 40
			},
		},
		{
			name: "shards too busy to say do not end it", want: []string{"unreadable ticket 11-80"},
			count: func(h *detector.Health, minute int) {
				h.Rows += 1000
				if minute >= 10 && minute < 30 {
					h.DeadLetters += 150
				}
			},
			change: between(32, 70, func(x *seen, _ int) { x.health = nil }),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBlindness(zerologNop, nil)
			parts := map[int32]*progress{0: {}, 1: {}, 2: {}}
			var all pulse
			var health detector.Health
			spells := map[string]int{}
			var got []string
			for minute := -learned; minute < horizon; minute++ {
				at := from.Add(time.Duration(learned+minute) * time.Minute)
				x := seen{at: at, phaseAt: from, opened: true, parts: map[int32]progress{}, checkpoint: unknown}
				for p, s := range parts {
					if s.heardAt, s.atEnd = at, at; c.rows == nil || c.rows(p, minute) {
						s.pulse.beat(at)
						all.beat(at)
					}
					x.parts[p] = *s
				}
				if c.count != nil {
					c.count(&health, minute)
				} else {
					health.Rows += 1000
				}
				h := health
				h.Head = at.Add(-time.Second)
				x.health, x.pulse = &h, all
				if minute < -20 {
					continue // rows teach what is usual
				}
				if c.change != nil {
					c.change(&x, minute)
				}
				b.step(&x)
				now := map[string]bool{}
				for key, w := range b.watches {
					if w.Severity != "" {
						kind, _, _ := strings.Cut(key, "/")
						now[kind+" "+string(w.Severity)] = true
					}
				}
				for _, k := range sortedKeys(now) {
					if _, on := spells[k]; !on {
						spells[k] = minute
					}
				}
				for k, since := range spells {
					if !now[k] {
						got = append(got, fmt.Sprintf("%s %d-%d", k, since, minute))
						delete(spells, k)
					}
				}
				if (b.err() == nil) != (len(now) == 0) {
					t.Fatalf("minute %d: says %v of %v", minute, b.err(), now)
				}
			}
			for k, since := range spells {
				got = append(got, fmt.Sprintf("%s %d-%d", k, since, horizon))
			}
			slices.Sort(got)
			want := slices.Sorted(slices.Values(c.want))
			if !slices.Equal(got, want) {
				t.Errorf("blind: %q, want %q", got, want)
			}
		})
	}
}

// An outage does not teach that outages are usual; long gaps that come again do, and a young one is patient.
func TestPulse(t *testing.T) {
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var p pulse
	if p.silence(at) != 0 {
		t.Error("silent before the first rows")
	}
	allowed := func(gap time.Duration, times int) time.Duration {
		for range times {
			at = at.Add(gap)
			p.beat(at)
		}
		return p.allowed(at)
	}
	for _, c := range []struct {
		gap  time.Duration
		n    int
		want time.Duration
	}{
		{time.Minute, 60, 6 * time.Hour},             // young
		{time.Minute, 2 * 24 * 60, 15 * time.Minute}, // the least
		{10 * time.Minute, 1, 30 * time.Minute},      // three times the widest
		{5 * time.Hour, 1, 90 * time.Minute},         // an outage counts as what was allowed
		{time.Minute, 6 * 24 * 60, 90 * time.Minute}, // remembered for a week
		{time.Minute, 2 * 24 * 60, 15 * time.Minute}, // and forgotten
		{30 * 24 * time.Hour, 1, 45 * time.Minute},   // whatever comes
		{-time.Hour, 1, 45 * time.Minute},            // a clock that is set back
	} {
		if got := allowed(c.gap, c.n); got != c.want {
			t.Errorf("after %d gaps of %v: allowed %v, want %v", c.n, c.gap, got, c.want)
		}
	}
}

// A service whose brokers go away is not ready, tells a sink once, and once more when they are back. Time is what is said to have
// passed; the brokers, the service and the sink are real.
func TestBlindService(t *testing.T) {
	b := startBroker(t)
	b.topic(t, "usage", 2)
	b.produce(t, "usage", usageRow("a", 1), usageRow("b", 2))
	receiver := startHook(t, http.StatusOK, "")
	conf := mustParse(t, fmt.Sprintf("ingest: {brokers: [%q]}\nstate: {path: %q}\nsinks: [%s]", b.address, t.TempDir(), receiver.webhook(t, "team")))
	conf.Ingest.Brokers = []string{b.address}
	s := newService(conf, zerologNop, newRegistry())
	var err error
	if s.troubles, err = conf.troubles(zerologNop, nil, io.Discard); err != nil {
		t.Fatal(err)
	}
	defer s.troubles.Close()
	s.delivering = &delivering{service: s}
	s.blindness = newBlindness(zerologNop, nil)
	s.blindness.adopt(s.troubles.Dispatcher)
	ctx, cancel := context.WithCancel(t.Context())
	started := time.Now()
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	await(t, "readiness", func() bool { return s.state() == nil })
	now := time.Now()
	look := func(after time.Duration) {
		var x seen
		await(t, "a look that sees all", func() bool {
			x = s.look(ctx, now.Add(after))
			return x.health != nil && x.health.Rows == 2 && len(x.parts) == 2 && x.opened && len(x.sinks) == 1
		})
		s.blindness.step(&x)
	}
	look(0)
	if err := s.state(); err != nil {
		t.Errorf("blind: %v", err)
	}
	look(3 * time.Minute)
	if err := s.state(); err == nil || !strings.HasPrefix(err.Error(), "blind: nothing heard from Kafka since ") {
		t.Errorf("not heard for three minutes: %v", err)
	}
	await(t, "word of it", func() bool { return len(receiver.bodies()) == 1 })
	heard := func(after time.Duration) { // as if the broker went on answering meanwhile
		x := s.look(ctx, now.Add(after))
		for p, part := range x.parts {
			part.heardAt, part.atEnd = x.at, x.at
			x.parts[p] = part
		}
		s.blindness.step(&x)
	}
	heard(4 * time.Minute)
	if err := s.state(); err == nil {
		t.Error("over before it has been for a while")
	}
	heard(6 * time.Minute)
	if err := s.state(); err != nil {
		t.Errorf("over, and still %v", err)
	}
	await(t, "word of its end", func() bool { return len(receiver.bodies()) == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	told := receiver.records(t)
	if began := told[0].StartedAt; began.Before(started) || began.After(time.Now()) {
		t.Errorf("said to have begun at %v, and the broker was heard after %v", began, started)
	}
	if len(told) != 2 || told[0].Incident != told[1].Incident || told[0].Severity != incident.Page || told[1].Status != incident.Resolved || told[0].Class != "unknown" {
		t.Errorf("told %+v", told)
	}
	if n := len(b.read(t, "drainwatch.alerts")); n != 0 {
		t.Errorf("%d alerts about itself in the topic", n)
	}
}
