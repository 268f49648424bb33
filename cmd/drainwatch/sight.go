package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/notify"
)

// seen is one look at a service.
type seen struct {
	at      time.Time
	phase   string    // what it waits for before it reads
	phaseAt time.Time // since when
	opened  bool      // everything that the topic held at the start was read
	parts   map[int32]progress
	sources map[int32]progress // of the source where that is rekeyed, else nil
	unkeyed []int32            // its partitions of which something waits to be rekeyed
	pulse   pulse              // of all of them
	keyed   *keyed             // what the last rows say of how the topic is keyed; nil while that is not known
	heard   time.Time          // when the signals log was read last, where there is one

	health     *detector.Health // nil while shards are too busy to say
	unreadable int64            // batches so far
	sinks      []notify.SinkState
	outbox     time.Duration // for which it has failed
	checkpoint float64       // age of the last one, in terms of how often one is due; unknown without checkpoints
}

// look asks for all that is needed to judge.
func (s *service) look(ctx context.Context, at time.Time) seen {
	x := seen{at: at, parts: map[int32]progress{}, checkpoint: unknown, unreadable: s.unreadable.Load()}
	s.mu.Lock()
	x.phase, x.phaseAt, x.opened, x.pulse = s.phase, s.phaseAt, s.opened, s.pulse
	for p, state := range s.parts {
		if state.owned || s.sharing == nil { // others look after their own
			x.parts[p] = *state
		}
	}
	if s.sharing != nil {
		x.heard = s.sharing.heard()
	}
	x.keyed = s.keyed.Load()
	if s.rekeying != nil {
		x.keyed = &keyed{} // it is, since this program does it
		x.sources, x.unkeyed = s.rekeying.sources(), s.rekeying.behind(endLost)
	}
	engine := s.engine
	s.mu.Unlock()
	if engine != nil {
		ask, cancel := context.WithTimeout(ctx, blindAsk)
		defer cancel()
		if h, err := engine.Health(ask); err == nil {
			x.health = &h
		}
	}
	x.sinks, x.outbox = s.sinkStates()
	if s.checkpointAge != nil {
		x.checkpoint = float64(s.checkpointAge(at)) / float64(s.conf.State.Every)
	}
	return x
}

// sight turns looks into measures. It keeps what was counted over the last ten minutes.
type sight struct{ samples []sample }

// sample is what was counted up to a moment.
type sample struct {
	at     time.Time
	batch  int64
	health detector.Health
}

// measures returns all of them, those that are not known included.
func (g *sight) measures(x *seen) []measure {
	kafka := measureKafka(x)
	deaf := kafka.value >= blindKinds["kafka"].limit.Clear // the cause of what else would be measured
	out := append([]measure{kafka, measureLag(x, deaf)}, measureSilence(x, deaf)...)
	was, now := g.take(x)
	out = append(out, measureUnreadable(was, now), measureSkew(was, now, deaf), measureDropped(was, now), measureKeys(x))
	for _, s := range x.sinks {
		m := measure{kind: notify.SinkTrouble, about: s.Name, value: s.Failing.Seconds(), since: x.at.Add(-s.Failing), title: "Not delivered: alerts do not reach the sink " + s.Name, detail: s.Error}
		if s.Gone {
			m.value = math.Inf(1)
		}
		out = append(out, m)
	}
	return append(out,
		measure{kind: "outbox", value: x.outbox.Seconds(), since: x.at.Add(-x.outbox), title: "Blind: the outbox cannot be written", detail: "for " + rounded(x.outbox)},
		measure{kind: "checkpoint", value: x.checkpoint, title: "Blind: no checkpoint could be kept", detail: fmt.Sprintf("the last one is %.0f times as old as it should be", x.checkpoint)})
}

// measureKafka takes for how long Kafka has said nothing, on any partition.
func measureKafka(x *seen) measure {
	m := measure{kind: "kafka", title: "Blind: nothing heard from Kafka"}
	heard := x.phaseAt
	if x.heard.After(heard) {
		heard = x.heard
	}
	for _, p := range x.parts {
		if p.heardAt.After(heard) {
			heard = p.heardAt
		}
	}
	m.value, m.since = x.at.Sub(heard).Seconds(), heard
	m.detail = "for " + rounded(x.at.Sub(heard))
	if x.phase != "" {
		m.title, m.detail = "Blind: nothing is read yet", x.phase+", "+m.detail
	}
	return m
}

// measureLag takes for how long the slowest partition was not read to the log's end. What was at the end then has been read, so
// reading is behind by no more. While Kafka says nothing that is the trouble, and lag follows from it.
func measureLag(x *seen, deaf bool) measure {
	m := measure{kind: "lag", value: unknown, quiet: !x.opened}
	if deaf || len(x.parts) == 0 {
		return m
	}
	worst, behind := time.Duration(0), []int32{}
	for p, state := range x.parts {
		by := x.at.Sub(cmp.Or(state.atEnd, x.phaseAt))
		worst = max(worst, by)
		if by.Seconds() >= blindKinds["lag"].limit.Clear {
			behind = append(behind, p)
		}
	}
	m.value, m.since = worst.Seconds(), x.at.Add(-worst)
	m.title = fmt.Sprintf("Blind: %d of %d partitions are read late", len(behind), len(x.parts))
	if m.quiet {
		m.title = fmt.Sprintf("Blind: still catching up with %d of %d partitions", len(behind), len(x.parts))
	}
	m.detail = fmt.Sprintf("by %s at most; partitions %s", rounded(worst), listed(behind))
	if len(x.unkeyed) > 0 {
		m.detail += "; partitions " + listed(x.unkeyed) + " of the source are not repartitioned to their ends"
	}
	return m
}

// measureSilence takes for how long no rows have come, against what is usual there. Once all are silent, no partition is by itself.
func measureSilence(x *seen, deaf bool) []measure {
	some := measure{kind: "silence", value: unknown}
	all := measure{kind: "quiet", value: unknown, since: x.pulse.last, quiet: x.pulse.young(x.at)}
	if x.opened && !deaf {
		all.value = x.pulse.silence(x.at)
	}
	all.title = "Blind: no rows at all"
	all.detail = fmt.Sprintf("for %s; %s is the widest gap of the last days", rounded(x.at.Sub(x.pulse.last)), rounded(x.pulse.usual()))
	if math.IsNaN(all.value) || all.value >= blindKinds["quiet"].limit.Clear {
		return []measure{some, all}
	}
	some.value = 0
	var silent []int32
	parts := x.parts
	if x.sources != nil { // what was rekeyed is of all of them
		parts = x.sources
	}
	for p, state := range parts {
		v := state.pulse.silence(x.at)
		some.value = max(some.value, v)
		if v >= blindKinds["silence"].limit.Clear {
			silent = append(silent, p)
		}
	}
	some.title = fmt.Sprintf("Blind: no rows in %d of %d partitions", len(silent), len(parts))
	some.detail = fmt.Sprintf("partitions %s, while others go on; %.1f times what is allowed there at most", listed(silent), some.value)
	return []measure{some, all}
}

// take notes what was counted, and returns the first and the last of the window; nil while nothing can be said.
func (g *sight) take(x *seen) (was, now *sample) {
	if !x.opened || x.health == nil { // what the topic holds at the start is the past
		return nil, nil
	}
	s := sample{x.at, x.unreadable, *x.health}
	if n := len(g.samples); n > 0 && (s.health.Rows < g.samples[n-1].health.Rows || s.at.Before(g.samples[n-1].at)) {
		g.samples = nil
	}
	g.samples = append(g.samples, s)
	g.samples = slices.DeleteFunc(g.samples, func(o sample) bool { return s.at.Sub(o.at) > blindWindow })
	return &g.samples[0], &s
}

func measureUnreadable(was, now *sample) measure {
	m := measure{kind: "unreadable", value: unknown}
	if now == nil {
		return m
	}
	rows := now.health.Rows - was.health.Rows
	dead := now.health.DeadLetters - was.health.DeadLetters - (now.health.TimeAhead - was.health.TimeAhead)
	m.value = 0
	if dead >= blindFew {
		m.value = float64(dead) / float64(rows)
	}
	m.title = fmt.Sprintf("Blind: %s of rows cannot be read", share(m.value))
	m.detail = fmt.Sprintf("%d of %d rows in %s went to the dead letters", dead, rows, rounded(blindWindow))
	if batches := now.batch - was.batch; batches > 0 {
		m.value = 1
		m.title, m.detail = "Blind: record batches cannot be read", fmt.Sprintf("%s damaged in %s; the log names partition and offset", count(batches, "batch is", "batches are"), rounded(blindWindow))
	}
	return m
}

// measureSkew takes how far the times of rows are from the clock, or from each other's. What nobody can send does not come late.
func measureSkew(was, now *sample, deaf bool) measure {
	m := measure{kind: "skew", value: unknown}
	if deaf || now == nil || now.health.Head.IsZero() {
		return m
	}
	h := &now.health
	rows := float64(h.Rows - was.health.Rows)
	ahead := h.Head.Sub(now.at)
	late, future := h.Late-was.health.Late, h.TimeAhead-was.health.TimeAhead+h.Held
	m.value = 0
	worse := func(value float64, title, detail string) {
		if value > m.value {
			m.value, m.title, m.detail = value, title, detail
		}
	}
	worse(float64(ahead)/float64(clockAhead), "Blind: rows bear times that have not come yet", "the latest is "+rounded(ahead)+" ahead of the clock here")
	if rows >= blindRows {
		worse(float64(-ahead)/float64(clockBehind), "Blind: rows are old when they come", "the latest is "+rounded(-ahead)+" behind the clock here, though all was read")
		worse(float64(late)/rows/lateShare, "Blind: rows come later than the lateness allows", fmt.Sprintf("%d of %.0f rows in %s: they are owed, but not watched", late, rows, rounded(blindWindow)))
	}
	if future >= blindFew {
		worse(float64(future)/max(rows, 1)/futureShare, "Blind: rows are far ahead of all others", fmt.Sprintf("%d rows wait for others of their time, or were given up, of %.0f in %s", future, rows, rounded(blindWindow)))
	}
	return m
}

func measureDropped(was, now *sample) measure {
	m := measure{kind: "dropped", value: unknown, title: "Blind: some is forgotten for want of room"}
	if now == nil {
		return m
	}
	h, o := &now.health, &was.health
	lost, evicted, folded := h.DedupeLost-o.DedupeLost, h.UsersEvicted-o.UsersEvicted, h.ValuesFolded-o.ValuesFolded
	m.value = float64(max(min(lost, 1), min(evicted, 1)))
	if rows := float64(h.Rows - o.Rows); folded >= blindFew && rows >= blindRows {
		m.value = max(m.value, float64(folded)/rows/foldedShare)
	}
	m.detail = fmt.Sprintf("in %s %d ids of rows before their time, so that repeats of them count twice; %d users; %d rows had values beyond a dimension's cap", rounded(blindWindow), lost, evicted, folded)
	return m
}

// listed names partitions, in order and not too many.
func listed(parts []int32) string {
	slices.Sort(parts)
	const most = 10
	var names []string
	for _, p := range parts[:min(len(parts), most)] {
		names = append(names, strconv.Itoa(int(p)))
	}
	if left := len(parts) - most; left > 0 {
		names = append(names, fmt.Sprintf("and %d more", left))
	}
	return strings.Join(names, ", ")
}

func share(f float64) string { return strconv.FormatFloat(100*f, 'f', 1, 64) + "%" }

func rounded(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return span(d.Round(time.Minute)).String()
}
