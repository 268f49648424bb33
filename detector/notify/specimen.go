package notify

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// Specimen returns a notification that looks like a real one and says that it is none. Its severity is that of a ticket, so
// that nobody is woken where the receiver makes that difference.
func Specimen(now time.Time, status incident.Status) *Notification {
	now = now.UTC().Truncate(time.Second)
	ratio, began := 12.0, now.Add(-time.Minute)
	overcharge, err := event.ParseSum("123.45")
	if err != nil {
		panic("notify: own text is no amount: " + err.Error())
	}
	r := incident.Record{
		V: 1, Incident: fmt.Sprintf("inc_test%d", now.Unix()), Revision: 1, Status: status, Class: "metering_bug", Cause: "price",
		Severity: incident.Ticket, Confidence: 0.99, Scope: incident.Scope{Kind: "cohort", Where: map[string]string{"plan": "specimen"}},
		StartedAt: began, Onset: &incident.Onset{From: began.Add(-4 * time.Second), To: began, Level: incident.OnsetLevel}, DetectedAt: now, UpdatedAt: now, Ratio: &ratio, Factors: map[string]float64{"price": 12}, UsersAffected: 3,
		Overcharge: overcharge, Links: map[string]string{},
		Evidence: []incident.Evidence{{Code: "specimen", Text: "sent by drainwatch notify test; nothing is wrong and there is nothing to do"}},
		Title:    "Metering bug: specimen charged 12x since " + began.Format("15:04Z"),
		Summary:  "A specimen sent by drainwatch notify test. Nothing is wrong. Next: nothing.",
	}
	if status == incident.Resolved {
		r.Revision, r.EndedAt = 2, &now
	}
	return &Notification{Record: r, Mark: "TEST", Now: now}
}

// Try opens a sink and sends one notification, once.
func Try(ctx context.Context, s Settings, out io.Writer, n *Notification) (reply string, err error) {
	sink, err := s.Open(out)
	if err != nil {
		return "", err
	}
	if c, ok := sink.(io.Closer); ok {
		defer func() { _ = c.Close() }() // idle connections
	}
	ctx, cancel := context.WithTimeout(ctx, sink.Policy().Timeout)
	defer cancel()
	return sink.Send(ctx, n)
}
