package detector_test

import (
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// What a cohort does more of is recorded as its own, and wakes nobody.
func TestSurgeOfACohort(t *testing.T) {
	t.Parallel()
	s := load(t, "region-surge")
	out, truth := stream(t, optionsOf(s), s)
	label := truth.Incidents[0]
	var found []incident.Record
	for _, r := range out.final() {
		if r.Cause != "surge" {
			t.Errorf("nobody is at fault: %s", kindText(r))
			continue
		}
		found = append(found, r)
	}
	if len(found) != 1 {
		t.Fatalf("%d surges, want one", len(found))
	}
	r := found[0]
	switch where := r.Scope.Where; {
	case r.Class != "organic" || r.Severity != incident.Info:
		t.Errorf("%s, severity %s", kindText(r), r.Severity)
	case len(where) != 1 || where["region"] != "us-east-1":
		t.Errorf("scope %v, want the region", where)
	}
	if d := r.StartedAt.Sub(label.StartedAt).Abs(); d > 2*time.Hour {
		t.Errorf("began %v off", d)
	}
	if r.EndedAt == nil || r.EndedAt.Sub(label.EndedAt).Abs() > 6*time.Hour {
		t.Errorf("ended %v, want %v", r.EndedAt, label.EndedAt)
	}
	if r.Ratio == nil || *r.Ratio < 2.5 || *r.Ratio > 6 {
		t.Errorf("ratio %v, want about 4", r.Ratio)
	}
}
