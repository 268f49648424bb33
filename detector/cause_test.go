package detector_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// A cause is added in one place, the tables of verdict: with a row there, what rows show is found, said, judged, explained and booked
// under the new name, and nothing else has heard of it.
func TestACauseIsAddedInOnePlace(t *testing.T) {
	added := verdict.Cause{Class: verdict.MeteringBug, Name: "double_write", Factor: "rows", What: "the same charge written twice", Next: "ask the two writers"}
	families, causes := verdict.Families, verdict.Causes
	t.Cleanup(func() { verdict.Families, verdict.Causes = families, causes })
	verdict.Causes = append(slices.Clone(causes), added)
	verdict.Families = slices.Clone(families)
	for i := range verdict.Families {
		if verdict.Families[i].Flag == cohort.Duplicate {
			verdict.Families[i].Cause = added
		}
	}

	file := filepath.Join(t.TempDir(), "twice.yaml")
	err := os.WriteFile(file, []byte(`story: charges that come twice
start: 2026-06-24T00:00:00Z
until: 2026-06-25T18:00:00Z
population: {users: 250}
incidents:
  - {id: twice, kind: duplicate_charge, where: {plan: pro}, share: 0.8, from: 2026-06-25T10:00:00Z, to: 2026-06-25T14:00:00Z}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, file)
	out, truth := stream(t, optionsOf(s), s)
	want := truth.Incidents[0]
	var found []incident.Record
	for _, r := range out.final() {
		if r.Class != "organic" {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d incidents, want one: %v", len(found), found)
	}
	r := found[0]
	if r.Class != "metering_bug" || r.Cause != "double_write" || string(r.Severity) != want.Expect || r.Onset == nil {
		t.Errorf("%s/%s, %s, began %+v", r.Class, r.Cause, r.Severity, r.Onset)
	}
	if r.Overcharge.Cmp(want.Overcharge) != 0 || len(out.ledger) != len(want.Ledger) {
		t.Errorf("booked %v over %d users, want %v over %d", r.Overcharge, len(out.ledger), want.Overcharge, len(want.Ledger))
	}
	x := incident.ExplainOne(r)
	if x.Next != added.Next || !strings.Contains(x.Headline, added.What) || !strings.Contains(r.Summary, added.What) || len(x.WouldChange) == 0 {
		t.Errorf("next %q, headline %q, summary %q, would change %q", x.Next, x.Headline, r.Summary, x.WouldChange)
	}
	if incident.FactorOf(r.Class, r.Cause) != "rows" || !slices.Contains(incident.Causes()["metering_bug"], "double_write") {
		t.Error("its factor and its name are not known where records are read")
	}
	for _, o := range x.RuledOut {
		if strings.HasPrefix(o.By, "rows ") {
			t.Errorf("its own factor is ruled out: %+v", o)
		}
	}
}
