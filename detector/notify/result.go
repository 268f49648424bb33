package notify

import (
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	// A receiver that fails this often in a row is left alone for a while, then tried with one notification.
	breakerFails = 5
	breakerPause = 30 * time.Second
	breakerMost  = 5 * time.Minute
)

// delivered notes that the receiver took it. d.mu is held, as in all that follows.
func (l *lane) delivered(j *job, now time.Time) {
	t := j.thread
	l.d.metrics.sent.WithLabelValues(l.settings.Name).Inc()
	if l.fails > 0 {
		l.log().Info().Msg("notify: the receiver takes alerts again")
		l.fails, l.restUntil = 0, time.Time{}
		for _, other := range l.threads { // what waited for it need not wait longer
			for _, e := range other.Queue {
				if e.Attempts > 0 {
					e.DueAt = now
				}
			}
		}
	}
	l.failingSince = time.Time{}
	if j.entry == nil {
		t.againAt = now.Add(l.policy.Repeat)
		if t.Told.Status == incident.Resolved && now.Sub(t.ToldAt) >= l.policy.RepeatResolved {
			t.Last = nil
			l.touch(t)
		}
		return
	}
	r := &j.entry.Record
	t.Queue = slices.DeleteFunc(t.Queue, func(e *entry) bool { return e == j.entry })
	t.Told, t.ToldAt, t.Unsure = slim(r), now, nil
	if t.First == nil {
		t.First = t.Told
	}
	if l.policy.Repeat > 0 {
		last := *r
		t.Last, t.againAt = &last, now.Add(l.policy.Repeat)
	}
	l.touch(t)
}

func (l *lane) failed(j *job, err error, now time.Time) {
	kind, after := outcome(err)
	l.lastError = inert(err.Error())
	l.d.metrics.failed(l.settings.Name, kind)
	l.fails++
	if kind == Refused {
		l.fails = 0 // it answers
	}
	if l.fails == 1 || l.fails == breakerFails {
		l.log().Warn().Str("error", l.lastError).Int("failures", l.fails).Msg("notify: an alert could not be delivered; it is tried again")
	}
	if l.fails >= breakerFails {
		l.restUntil = now.Add(l.jitter(min(breakerPause<<min(l.fails-breakerFails, 10), breakerMost)))
	}
	if kind != Refused && l.failingSince.IsZero() {
		l.failingSince = now
	}
	if after > 0 && l.restUntil.Before(now.Add(after)) {
		l.restUntil = now.Add(after)
	}
	t, e := j.thread, j.entry
	if e != nil {
		e.Attempts++
		e.tried, e.Error = true, l.lastError
	}
	if kind == Gone {
		l.gone = l.lastError
		l.log().Error().Str("error", l.lastError).Msg("notify: the receiver wants nothing more and is switched off until a restart or notify retry")
		for _, other := range l.threads {
			for _, e := range slices.Clone(other.Queue) {
				e.Error = l.lastError
				l.bury(other, e, now)
			}
		}
		return
	}
	if e == nil { // it is said again anyway
		t.againAt = now.Add(l.jitter(l.wait(l.fails)))
		return
	}
	e.DueAt = now.Add(max(l.jitter(l.wait(e.Attempts)), after))
	over := l.policy.Tries > 0 && e.Attempts >= l.policy.Tries || l.policy.Within > 0 && e.DueAt.After(e.FirstAt.Add(l.policy.Within))
	switch {
	case kind == Refused || over:
		l.bury(t, e, now)
		return
	case e.Record.Status == incident.Firing && len(t.Queue) > 1: // a newer revision has come meanwhile
		t.Queue = slices.DeleteFunc(t.Queue, func(o *entry) bool { return o == e })
		t.unsure(&e.Record)
		l.d.metrics.skipped.WithLabelValues(l.settings.Name).Inc()
	}
	l.touch(t)
}

// wait returns the policy's pause after that many failures.
func (l *lane) wait(failures int) time.Duration {
	return l.policy.Waits[min(max(failures, 1), len(l.policy.Waits))-1]
}

// jitter spreads a pause by a fifth to either side, so that not all come back at once.
func (l *lane) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*l.d.rand.Float64()))
}
