package detector_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// abused is a world in which every kind of abuse comes and goes, beside owners who work on.
const abused = `story: abuse that ends
start: 2026-06-16T00:00:00Z
until: 2026-06-24T12:00:00Z
population: {users: 60}
incidents:
  - {id: stolen, kind: stolen_key, factor: 20, activity: 0.85, from: 2026-06-22T02:20:00Z, to: 2026-06-22T20:20:00Z}
  - {id: shared, kind: shared_account, where: {plan: pro}, count: 40, activity: 0.8, from: 2026-06-22T01:00:00Z, to: 2026-06-23T06:00:00Z}
  - {id: scripted, kind: scripted_drain, every: 11s, activity: 0.85, from: 2026-06-22T19:00:00Z, to: 2026-06-23T12:00:00Z}
  - {id: farm, kind: farming, where: {region: eu-west-1}, count: 12, from: 2026-06-22T04:00:00Z, to: 2026-06-22T20:00:00Z}
`

// Abuse ends with its last row, to the row, and that is said hours later, once: of a user after six, of a farm after a day without rows. So
// it is where the engine was stopped and taken up again meanwhile, and in partitions.
func TestAbuseEndsWithItsLastRow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "abused.yaml")
	if err := os.WriteFile(file, []byte(abused), 0o600); err != nil {
		t.Fatal(err)
	}
	w := world(t, file)
	in := split(t, w.records, 2)
	stops := make([]map[int32]int64, 9)
	for i := range stops {
		stops[i] = map[int32]int64{}
		for p, rows := range in {
			stops[i][p] = int64(len(rows)) * int64(21+i) / 30
		}
	}
	restarted, _ := interrupted(t, w.options, in, stops, false)
	whole := replay(t, w.options, in)
	if want, got := whole.said(t), restarted.said(t); got != want {
		t.Errorf("after restarts it says otherwise: %s", difference(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
	last := whole.final()
	for _, want := range w.truth.Incidents {
		i := slices.IndexFunc(last, func(r incident.Record) bool { return r.Cause == want.Cause })
		if i < 0 {
			t.Errorf("%s was not found", want.Cause)
			continue
		}
		r := last[i]
		quiet := 6 * time.Hour
		if r.Cause == "farming" {
			quiet = 24 * time.Hour
		}
		if r.Status != incident.Resolved || r.EndedAt == nil || !r.EndedAt.Equal(want.EndedAt) || r.UpdatedAt.Sub(want.EndedAt) < quiet || r.UpdatedAt.Sub(want.EndedAt) > quiet+2*time.Hour {
			t.Errorf("%s: %s, ended at %v, said at %v; it ended at %v", r.Cause, r.Status, r.EndedAt, r.UpdatedAt, want.EndedAt)
		}
	}
	if len(last) != len(w.truth.Incidents) {
		t.Errorf("%d incidents, want %d", len(last), len(w.truth.Incidents))
	}
}
