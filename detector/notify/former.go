package notify

import (
	"maps"
	"slices"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Former takes a revision as it was written down before this start, in the order in which it was. It is called before Start.
// What an earlier process wrote down and died before taking is offered; a sink that is new hears of what still fires.
func (d *Dispatcher) Former(r incident.Record) {
	d.mu.Lock()
	missed, known := r.Revision > d.upto[r.Incident], 0
	for _, l := range d.lanes {
		if l.known {
			known++
		}
	}
	if missed && known == 0 { // there was no outbox then
		d.take(&r)
		missed = false
	}
	if known < len(d.lanes) {
		if delete(d.former, r.Incident); r.Status == incident.Firing {
			d.former[r.Incident] = r
		}
	}
	d.mu.Unlock()
	if missed {
		d.Offer(r)
	}
}

// Reached notes that all alerts before an offset of their topic were taken.
func (d *Dispatcher) Reached(offset int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if offset > d.until {
		d.until = offset
		d.touch("until", func() any { return d.until })
	}
}

// From returns the offset from which the alerts topic is to be read: 0 where there is a sink that is new, which is told what fires.
func (d *Dispatcher) From() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes {
		if !l.known {
			return 0
		}
	}
	return d.until
}

// introduce tells sinks that are new what fires. d.mu is held.
func (d *Dispatcher) introduce() {
	for _, id := range slices.Sorted(maps.Keys(d.former)) {
		r := d.former[id]
		for _, name := range route(d.opts.Routes, d.names, &r) {
			if l := d.lanes[name]; !l.known && l.threads[id] == nil {
				l.offer(&r)
			}
		}
	}
	d.former = nil
}
