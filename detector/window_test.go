package detector_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

// A wrong gauge is found with its cohort, whether budgets are given or learned. It charges nobody: its ledger lists who saw it
// and owes them nothing. No row outside it is listed.
func TestWrongGauges(t *testing.T) {
	for _, c := range []struct {
		name  string
		given bool
		late  time.Duration // that the onset may be dated
	}{
		{"gauge-fast", true, time.Minute},
		{"gauge-fast", false, 10 * time.Minute},
		{"gauge-stuck", true, 10 * time.Minute},
	} {
		t.Run(fmt.Sprintf("%s, budgets given %v", c.name, c.given), func(t *testing.T) {
			if testing.Short() && (c.given || c.name != "gauge-fast") {
				t.Skip("long")
			}
			t.Parallel()
			var out *outcome
			var truth *fixtures.Truth
			if c.given {
				p := play(t, c.name)
				out, truth = p.outcome, p.truth
			} else {
				s := load(t, c.name)
				o := optionsOf(s)
				o.Plans = nil
				out, truth = stream(t, o, s)
			}
			wrongGauge(t, out, &truth.Incidents[0], c.late)
			if n := len(out.summary.Plans); (n > 0) != c.given {
				t.Errorf("the summary says how %d plans stand with their budgets", n)
			}
		})
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

// coarse is a scenario whose gauges are told in whole percents, and not at all on three rows of ten.
type coarse struct{ generator }

func (c coarse) Generate(seed uint64, emit func(*event.Event) error) (*fixtures.Truth, error) {
	n := 0
	return c.generator.Generate(seed, func(e *event.Event) error {
		n++
		e.QuotaUsed = math.Round(e.QuotaUsed*100) / 100
		e.HasQuota = e.HasQuota && n%10 > 2
		return emit(e)
	})
}

// Coarse and missing gauges hide small users, not the fault; and nothing that is right looks wrong by them.
func TestCoarseGauges(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	s := load(t, "gauge-fast")
	out, truth := stream(t, optionsOf(s), coarse{s})
	want := &truth.Incidents[0]
	if final := out.final(); len(final) != 1 || final[0].Cause != "window" || scopeText(final[0].Scope) != scopeText(incident.Scope(want.Scope)) {
		t.Fatalf("%d incidents, want %s", len(final), scopeText(incident.Scope(want.Scope)))
	}
	for _, row := range out.ledger {
		if _, ok := want.Ledger[row.User]; !ok {
			t.Errorf("%s saw a right gauge", row.User)
		}
	}
}
