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

// Who is sent to dearer models by nobody knows whom is charged rightly, and no row tells whose doing it is: that is said, with what is
// missing.
func TestUnknownSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := load(t, "rerouted")
	out, truth := stream(t, optionsOf(s), s)
	label, found := truth.Incidents[0], out.final()
	if len(found) != 1 {
		t.Fatalf("%d incidents, want one", len(found))
	}
	r := found[0]
	if r.Class != "unknown" || r.Severity == incident.Info || r.Scope.Where["region"] != "us-east-1" || len(r.Scope.Where) != 1 {
		t.Errorf("%s, severity %s, want an unknown cause along the region", kindText(r), r.Severity)
	}
	if d := r.StartedAt.Sub(label.StartedAt).Abs(); d > 30*time.Minute {
		t.Errorf("began %v off", d)
	}
	if r.EndedAt == nil || r.EndedAt.Sub(label.EndedAt).Abs() > 6*time.Hour {
		t.Errorf("ended %v, want %v", r.EndedAt, label.EndedAt)
	}
	says := saidBy(&r)
	if x := r.Factors["mix"]; x < 2 || says["mix_model"] == "" || says["missing"] == "" || says["missing_fields"] != "missing: rows carry no experiment, which might tell" {
		t.Errorf("mix x%.2g, evidence %v", x, says)
	}
}

// Where rows name no client, longer inputs are the meter's or the client's, and nobody can tell which: that is said, and whom it would concern
// what it comes to.
func TestLongerInputsOfNoClientAreUnknown(t *testing.T) {
	t.Parallel()
	s := load(t, "unsigned")
	out, truth := stream(t, optionsOf(s), s)
	label, found := truth.Incidents[0], out.final()
	if len(found) != 1 {
		t.Fatalf("%d incidents, want one", len(found))
	}
	r := found[0]
	if r.Class != "unknown" || r.Severity != incident.Ticket || len(r.Scope.Where) != 0 || r.Factors["tokens"] < 2 {
		t.Errorf("%s, severity %s, tokens x%.2g, want an unknown cause of everybody's", kindText(r), r.Severity, r.Factors["tokens"])
	}
	if d := r.StartedAt.Sub(label.StartedAt).Abs(); d > 10*time.Minute {
		t.Errorf("began %v off", d)
	}
	if n := label.Users; r.UsersAffected < n*8/10 || r.UsersAffected > n {
		t.Errorf("%d users are affected, want %d", r.UsersAffected, n)
	}
	says := saidBy(&r)
	if says["missing"] == "" || says["missing_fields"] != "missing: rows carry no client, client_version, experiment, which might tell" || says["not_a_bug"] != "" {
		t.Errorf("evidence %v", says)
	}
}

// saidBy returns the evidence of a record by its code.
func saidBy(r *incident.Record) map[string]string {
	says := map[string]string{}
	for _, e := range r.Evidence {
		says[e.Code] = e.Text
	}
	return says
}

// People who try a dear new model are at no fault, and are on record.
func TestNewModelIsNobodysFault(t *testing.T) {
	t.Parallel()
	s := load(t, "new-model")
	out, _ := stream(t, optionsOf(s), s)
	found := out.final()
	if len(found) != 1 {
		t.Fatalf("%d incidents, want one", len(found))
	}
	if r := found[0]; r.Class != "organic" || r.Severity != incident.Info || len(r.Scope.Where) != 0 || r.Factors["mix"] < 2 {
		t.Errorf("%s, severity %s, mix x%.2g, want everybody's, on record", kindText(r), r.Severity, r.Factors["mix"])
	}
}
