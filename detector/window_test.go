package detector_test

import (
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

// A wrong gauge is found with its cohort, whether budgets are given or learned. It charges nobody: its ledger lists who saw it
// and owes them nothing. No row outside it is listed.
func TestWrongGauges(t *testing.T) {
	for _, name := range []string{"gauge-fast", "gauge-stuck"} {
		for _, given := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				if testing.Short() && (given || name != "gauge-fast") {
					t.Skip("long")
				}
				s := load(t, name)
				o := optionsOf(s)
				if !given {
					o.Plans = nil
				}
				out, truth := stream(t, o, s)
				late := 10 * time.Minute
				if !given {
					late = 2 * time.Hour // plans with few users have no budget, so there is less to date the onset by
				}
				wrongGauge(t, out, &truth.Incidents[0], late)
			})
		}
	}
}

func wrongGauge(t *testing.T, out *outcome, want *fixtures.Incident, late time.Duration) {
	t.Helper()
	final := out.final()
	if len(final) != 1 {
		t.Fatalf("%d incidents, want one", len(final))
	}
	r := final[0]
	if r.Cause != "window" || scopeText(r.Scope) != scopeText(incident.Scope(want.Scope)) || string(r.Severity) != want.Expect {
		t.Errorf("%s %s as %s, want %s as %s", r.Cause, scopeText(r.Scope), r.Severity, scopeText(incident.Scope(want.Scope)), want.Expect)
	}
	if d := r.StartedAt.Sub(want.StartedAt.Truncate(time.Second)); d < 0 || d > late {
		t.Errorf("started at %v, want %v", r.StartedAt, want.StartedAt)
	}
	if r.EndedAt == nil || r.EndedAt.Sub(want.EndedAt).Abs() > 15*time.Minute {
		t.Errorf("ended at %v, want %v", r.EndedAt, want.EndedAt)
	}
	if !r.Overcharge.IsZero() {
		t.Errorf("overcharge %v of what was charged rightly", r.Overcharge)
	}
	for _, row := range out.ledger {
		over := row.Overcharge()
		if w, ok := want.Ledger[row.User]; !ok || row.Rows > w.Rows || !over.IsZero() {
			t.Errorf("%s: %d rows, overcharge %v; %d were affected", row.User, row.Rows, over, w.Rows)
		}
	}
	if len(out.ledger) < len(want.Ledger)*2/3 || r.UsersAffected != len(out.ledger) {
		t.Errorf("%d users in the ledger, %d on the alert, %d affected", len(out.ledger), r.UsersAffected, len(want.Ledger))
	}
}
