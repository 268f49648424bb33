package notify

import (
	"context"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	maxOpen   = 10_000 // incidents that a sink is kept up to date on; what is beyond goes to a digest
	maxUnsure = 16

	idle = time.Hour // between looks at nothing
)

// lane is one sink with what waits for it. Its goroutine sends one thing at a time, so that an incident's revisions keep
// their order, and no sink waits for another. Fields are guarded by Dispatcher.mu.
type lane struct {
	d        *Dispatcher
	settings Settings
	sink     Sink
	policy   Policy

	threads map[string]*thread           // by incident
	held    map[string]incident.Severity // incidents that were told in a digest only
	digests map[incident.Severity]*digest
	buckets map[incident.Severity]*bucket
	dead    []Dead
	known   bool // this sink was there at an earlier start

	fails     int       // in a row
	restUntil time.Time // the receiver is left alone
	gone      string    // why it is switched off; "" if it is not
	lastError string

	failingSince time.Time // zero while it takes alerts
}

func newLane(d *Dispatcher, s Settings, sink Sink) *lane {
	return &lane{
		d: d, settings: s, sink: sink, policy: sink.Policy(), threads: map[string]*thread{}, held: map[string]incident.Severity{},
		digests: map[incident.Severity]*digest{}, buckets: map[incident.Severity]*bucket{},
	}
}

// offer queues a revision, or counts it in a digest. d.mu is held, as in all that follows but run and attempt.
func (l *lane) offer(r *incident.Record) {
	now := l.d.opts.Now()
	t := l.threads[r.Incident]
	if t == nil {
		if l.held[r.Incident] != "" && r.Status == incident.Resolved {
			l.release(r)
			return
		}
		if len(l.threads) >= maxOpen || !l.bucket(r.Severity).take(now) {
			l.hold(r, now)
			return
		}
		l.release(r)
		t = &thread{Sink: l.settings.Name, Incident: r.Incident}
		l.threads[r.Incident] = t
	}
	l.enqueue(t, r, now)
}

// enqueue puts a revision behind what waits of its incident. What it makes obsolete goes, but never a resolve.
func (l *lane) enqueue(t *thread, r *incident.Record, now time.Time) {
	before := len(t.Queue)
	t.Queue = slices.DeleteFunc(t.Queue, func(e *entry) bool {
		obsolete := !e.busy && e.Record.Status == incident.Firing
		if obsolete && e.tried {
			t.unsure(&e.Record)
		}
		return obsolete
	})
	l.d.metrics.skipped.WithLabelValues(l.settings.Name).Add(float64(before - len(t.Queue)))
	if l.policy.OnlyChanges && len(t.Queue) == 0 && t.Told != nil && sameState(t.Told, r) {
		l.d.metrics.skipped.WithLabelValues(l.settings.Name).Inc()
	} else {
		l.d.serial++
		e := &entry{Record: *r, QueuedAt: now, DueAt: now, serial: l.d.serial}
		if r.Severity != incident.Page {
			e.DueAt = l.settings.Quiet.end(now)
		}
		if t.Queue = append(t.Queue, e); l.gone != "" {
			l.bury(t, e, now)
			return
		}
	}
	l.touch(t)
	for _, e := range t.Queue {
		if e.change == 0 {
			e.change = l.d.change
		}
	}
}

// unsure remembers a revision that may have arrived and is not tried again, for sinks that have to take it back.
func (t *thread) unsure(r *incident.Record) {
	if !slices.ContainsFunc(t.Unsure, func(o *incident.Record) bool { return sameState(o, r) }) && len(t.Unsure) < maxUnsure {
		t.Unsure = append(t.Unsure, slim(r))
	}
}

// touch has the thread written down, or removed once there is nothing more to say of it.
func (l *lane) touch(t *thread) {
	if l.finished(t) {
		delete(l.threads, t.Incident)
	}
	l.d.touch("thread/"+l.settings.Name+"/"+t.Incident, func() any {
		if t := l.threads[t.Incident]; t != nil {
			return t
		}
		return nil
	})
}

func (l *lane) finished(t *thread) bool {
	return len(t.Queue) == 0 && t.Last == nil && (t.Told == nil || t.Told.Status == incident.Resolved)
}

// job is what is sent next: a revision, or what was delivered once more.
type job struct {
	thread *thread
	entry  *entry // nil: once more
}

// next returns what is due, or how long nothing will be.
func (l *lane) next(now time.Time) (j *job, wait time.Duration) {
	wait = idle
	later := func(at time.Time) { wait = min(wait, max(at.Sub(now), 0)) }
	if l.gone != "" {
		return nil, wait
	}
	for severity, g := range l.digests {
		if at := g.due(); at.After(now) {
			later(at)
		} else {
			l.say(severity, now)
			later(now)
		}
	}
	if l.restUntil.After(now) {
		later(l.restUntil)
		return nil, wait
	}
	for _, t := range l.threads {
		if len(t.Queue) > 0 {
			e := t.Queue[0]
			switch {
			case !l.d.safe(e.change): // the store will stir
			case e.DueAt.After(now):
				later(e.DueAt)
			case j == nil || j.entry == nil || sooner(e, j.entry):
				j = &job{t, e}
			}
			continue
		}
		if t.Last == nil {
			continue
		}
		switch {
		case t.againAt.After(now):
			later(t.againAt)
		case j == nil || j.entry == nil && t.againAt.Before(j.thread.againAt):
			j = &job{t, nil}
		}
	}
	return j, wait
}

// sooner puts pages first, then what has waited longer.
func sooner(a, b *entry) bool {
	if p, q := a.Record.Severity == incident.Page, b.Record.Severity == incident.Page; p != q {
		return p
	}
	return a.serial < b.serial
}

// run sends until the dispatcher closes.
func (l *lane) run() {
	for {
		select {
		case <-l.d.stop:
			return
		default:
		}
		l.d.mu.Lock()
		now := l.d.opts.Now()
		j, wait := l.next(now)
		moved := l.d.moved
		var n *Notification
		if j != nil {
			n = l.prepare(j, now)
		}
		l.d.mu.Unlock()
		if n != nil {
			if fence := l.d.opts.Fence; fence != nil && !fence(l.d.ctx) {
				return
			}
			l.attempt(j, n)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-l.d.stop:
		case <-moved:
		case <-t.C:
		}
		t.Stop()
	}
}

func (l *lane) prepare(j *job, now time.Time) *Notification {
	n := &Notification{First: j.thread.First, Mark: l.d.opts.Mark, Now: now}
	if j.thread.Told != nil {
		n.Before = append(n.Before, j.thread.Told)
	}
	n.Before = append(n.Before, j.thread.Unsure...)
	if j.entry == nil {
		n.Record, n.Again = *j.thread.Last, true
		return n
	}
	j.entry.busy = true
	if j.entry.FirstAt.IsZero() {
		j.entry.FirstAt = now
	}
	n.Record = j.entry.Record
	return n
}

// attempt sends and notes what came of it.
func (l *lane) attempt(j *job, n *Notification) {
	ctx, cancel := context.WithTimeout(l.d.ctx, l.policy.Timeout)
	_, err := l.sink.Send(ctx, n)
	cancel()

	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	now := l.d.opts.Now()
	l.d.metrics.took.WithLabelValues(l.settings.Name).Observe(now.Sub(n.Now).Seconds())
	if j.entry != nil {
		j.entry.busy = false
	}
	if err != nil && l.d.ctx.Err() != nil {
		return // cut off; the next start sends it again under the same key
	}
	if err == nil {
		l.delivered(j, now)
	} else {
		l.failed(j, err, now)
	}
	l.d.stir()
}

// pending counts what is undelivered.
func (l *lane) pending() (n int) {
	for _, t := range l.threads {
		n += len(t.Queue)
	}
	return n
}

// untried says whether something that is due has not been attempted yet.
func (l *lane) untried() bool {
	now := l.d.opts.Now()
	if l.gone != "" || l.restUntil.After(now) {
		return false
	}
	for _, t := range l.threads {
		if len(t.Queue) > 0 && t.Queue[0].Attempts == 0 && !t.Queue[0].DueAt.After(now) {
			return true
		}
	}
	return false
}
