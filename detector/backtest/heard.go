package backtest

import "github.com/drainwatch/drainwatch/detector/incident"

// Heard is how often one cause was told of.
type Heard struct {
	Pages     int // times somebody was woken: an incident began to fire as a page, anew after it was resolved too
	Tickets   int // times a ticket was opened: the same below a page
	Incidents int // that turned out to be this one, itself included
	Revisions int // of the one that has most
}

// Hear counts, for every match, how often its cause was told of, from every revision of every incident in the order in which
// they were said: those of its record, and those of incidents that were merged into it.
func (s *Score) Hear(said []incident.Record) {
	last := map[string]*incident.Record{}
	heard := map[string]*Heard{}
	for i := range said {
		r := &said[i]
		h := heard[r.Incident]
		if h == nil {
			h = &Heard{}
			heard[r.Incident] = h
		}
		h.Revisions++
		before := incident.Severity("")
		if p := last[r.Incident]; p != nil && p.Status == incident.Firing {
			before = p.Severity
		}
		last[r.Incident] = r
		switch {
		case r.Status != incident.Firing || r.Severity == before:
		case r.Severity == incident.Page:
			h.Pages++
		case r.Severity == incident.Ticket && before != incident.Page:
			h.Tickets++
		}
	}
	for i := range s.Matches {
		m := &s.Matches[i]
		for id, h := range heard {
			if end(last, id) != m.Record.Incident {
				continue
			}
			m.Heard.Pages += h.Pages
			m.Heard.Tickets += h.Tickets
			m.Heard.Incidents++
			m.Heard.Revisions = max(m.Heard.Revisions, h.Revisions)
		}
	}
}

// end follows an incident to the one that goes on in its place.
func end(last map[string]*incident.Record, id string) string {
	for range last { // a circle of merges would be a fault, and no reason to hang
		r := last[id]
		if r == nil || r.MergedInto == nil {
			break
		}
		id = *r.MergedInto
	}
	return id
}
