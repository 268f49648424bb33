package detector

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Another incident may have had the identity of what is found, and be about other rows by now.
func TestIdentityIsGivenOnce(t *testing.T) {
	f := newFleet(newOptions(), []int32{0}, nil)
	l := &live{finding: incident.Finding{Cause: verdict.Price, StartedAt: 5 * cohort.Hour}}
	first := f.identify(l)
	f.lives = append(f.lives, &live{Incident: incident.Incident{ID: first}})
	if again := f.identify(l); first != incident.Identify(l.finding) || again == first || again != f.identify(l) {
		t.Errorf("%s and then %s", first, again)
	}
}
