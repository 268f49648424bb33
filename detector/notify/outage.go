package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	outageAfter  = 5 * time.Minute // of failing before the other sinks are told
	outagePrefix = "outage_"
)

// suffering notes that the receiver fails. Once that has lasted, the other sinks are told by an incident of its own: nobody would
// notice otherwise that nobody is told. d.mu is held.
func (l *lane) suffering(now time.Time) {
	if l.failingSince.IsZero() {
		l.failingSince = now
	}
	if l.outage != nil || l.gone == "" && (l.fails < breakerFails || now.Sub(l.failingSince) < outageAfter) {
		return
	}
	r := incident.Record{
		V: 1, Incident: strings.Replace(digestID(l.settings.Name, "outage", now), digestPrefix, outagePrefix, 1), Revision: 1, Status: incident.Firing,
		Class: "unknown", Cause: "unknown", Severity: incident.Page, Confidence: 1, Scope: incident.Scope{Kind: "cohort", Where: map[string]string{}},
		StartedAt: l.failingSince.UTC(), DetectedAt: now.UTC(), UpdatedAt: now.UTC(), Links: map[string]string{},
		Title:    fmt.Sprintf("Not delivered: alerts do not reach the sink %s since %s", l.settings.Name, l.failingSince.UTC().Format("15:04Z")),
		Evidence: []incident.Evidence{{Code: "sink_failing", Text: cut(l.lastError, 500)}},
	}
	r.Summary = r.Title + ". Next: " + outageAdvice + "."
	l.outage = &r
	l.tellOthers(&r, now)
}

const outageAdvice = "run drainwatch notify test, mend the receiver or the sink's settings; what was given up is sent again by notify retry"

// recovered notes that the receiver takes alerts. d.mu is held.
func (l *lane) recovered(now time.Time) {
	l.failingSince = time.Time{}
	if r := l.outage; r != nil {
		l.outage = nil
		l.tellOthers(over(r, now), now)
	}
}

func over(r *incident.Record, now time.Time) *incident.Record {
	end := *r
	at := now.UTC()
	end.Revision, end.Status, end.UpdatedAt, end.EndedAt = r.Revision+1, incident.Resolved, at, &at
	return &end
}

// tellOthers tells the sinks that a page about anybody would go to, and those that know of it already.
func (l *lane) tellOthers(r *incident.Record, now time.Time) {
	routed := map[string]bool{}
	for _, name := range route(l.d.opts.Routes, l.d.names, r) {
		routed[name] = true
	}
	for _, name := range l.d.names {
		o := l.d.lanes[name]
		t := o.threads[r.Incident]
		if o == l || t == nil && (!routed[name] || r.Status == incident.Resolved) {
			continue
		}
		if t == nil {
			t = &thread{Sink: name, Incident: r.Incident}
			o.threads[r.Incident] = t
		}
		o.enqueue(t, r, now)
	}
}

// settleOutages ends what an earlier process said of sinks: this one finds out anew. d.mu is held.
func (d *Dispatcher) settleOutages() {
	now := d.opts.Now()
	for _, l := range d.lanes {
		for id, t := range l.threads {
			if !strings.HasPrefix(id, outagePrefix) {
				continue
			}
			last := t.Told
			if n := len(t.Queue); n > 0 {
				last = &t.Queue[n-1].Record
			}
			if last != nil && last.Status == incident.Firing {
				l.enqueue(t, over(last, now), now)
			}
		}
	}
}
