package detector

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// What the rows of an incident come to may show that it is graver than was said. Of one that is over an estimate wakes nobody; a count does.
func TestBookedSeverity(t *testing.T) {
	for _, c := range []struct {
		why    string
		by     seenBy
		status incident.Status
		want   incident.Severity
	}{
		{"an estimate while it fires", byMeasure, incident.Firing, incident.Page},
		{"an estimate of what is over", byMeasure, incident.Resolved, incident.Ticket},
		{"a count while it fires", byFlag, incident.Firing, incident.Page},
		{"a count of what is over", byFlag, incident.Resolved, incident.Page},
	} {
		p := newPatient(int64(20_000) * 24 * cohort.Hour)
		cause := verdict.Penalty
		if p.by = c.by; c.by == byMeasure {
			cause, p.measure = verdict.ContextBloat, cohort.InputPerRequest
		}
		p.finding = incident.Finding{Cause: cause, Scope: incident.CohortScope(p.where), Severity: incident.Ticket, StartedAt: p.at, LastAt: p.at + 2*cohort.Hour}
		p.Incident = incident.Open(p.finding, p.at)
		p.Status, p.lastHit = c.status, p.at+2*cohort.Hour
		over := ledger.Result{Users: 40, First: p.at, Last: p.at + 2*cohort.Hour}
		over.Overcharge.Add(90 * event.Credit)
		over.Charged.Add(100 * event.Credit)
		over.Inside.Credits = over.Charged
		p.inside = over.Inside
		p.f.booked(map[string]ledger.Result{p.ID: over}, p.f.statuses(), true)
		if p.Severity != c.want {
			t.Errorf("%s: %s, want %s", c.why, p.Severity, c.want)
		}
	}
}
