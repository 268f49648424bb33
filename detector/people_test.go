package detector

import (
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// A drain that is taken for what the user does now ends with that, and says so.
func TestAcceptedIsShown(t *testing.T) {
	f := fleetOf(1000)
	f.person(stolen("u", f.now))
	l := f.userLive("u", byUser)
	if l == nil || l.Status != incident.Firing {
		t.Fatal("nothing fires")
	}
	f.person(profile.Finding{Kind: profile.Accepted, User: "u", At: f.now + 7*24*cohort.Hour, Observed: 40, Expected: 2, Ratio: 20})
	i := slices.IndexFunc(l.Verdict.Evidence, func(e verdict.Evidence) bool { return e.Code == "accepted_as_usual" })
	if l.open() || i < 0 || !l.Verdict.Evidence[i].Against || *l.Verdict.Evidence[i].Observed != 40 || *l.Verdict.Evidence[i].Expected != 2 {
		t.Errorf("status %s, evidence %+v", l.Status, l.Verdict.Evidence)
	}
}
