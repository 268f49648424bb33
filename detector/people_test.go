package detector

import (
	"math"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
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

// One user whose rows are off is held against the user's own active stretches as they were when that was found, and each factor against
// what such a stretch differs by of itself, until booking has read the user's own rows.
func TestOneUserIsHeldAgainstOwnStretches(t *testing.T) {
	f := fleetOf(1000)
	at := f.now - 2*cohort.Hour
	leaf := &cohort.Leaf{Values: [event.NumDims]string{event.Plan: "pro"}}
	c := &cohort.Cell{Rows: 100, PricedRows: 100, Moments: new([cohort.NumMoments]cohort.Moment)}
	c.Moments[cohort.Turns] = cohort.Moment{N: 100, Squares: 100} // as often e times as an eth
	f.store.Add(f.store.Series(leaf, at), at, c)
	f.store.All.Learn(f.now, func(cohort.Flag) bool { return false }, func(cohort.Measure) bool { return false })
	drew := func(buckets, turns, price float32) profile.Counts {
		list := 10 * turns
		return profile.Counts{Buckets: buckets, Turns: turns, Requests: turns, Rows: turns, Input: 1000 * turns, Output: 100 * turns, List: list, Credits: price * list}
	}
	s := profile.Finding{Kind: profile.Suspect, User: "u", Leaf: leaf, Flag: cohort.Over, Rows: 10, At: f.now, Since: f.now, Now: drew(1, 12, 4), Base: drew(40, 120, 1)}
	f.single(&s)
	l := f.lives[0]
	check := func(why string, ratio, usual float64, moved string) {
		t.Helper()
		r := l.Record(incident.Identity{})
		if r.Ratio == nil || math.Abs(*r.Ratio-ratio) > 1e-6 || math.Abs(r.Usual["turns"]-usual) > 1e-3 || r.Moved() != moved {
			t.Errorf("%s: x%v, %v, usual %v, %s moved; want x%v, turns usual %v, %s", why, *r.Ratio, r.Factors, r.Usual, r.Moved(), ratio, usual, moved)
		}
	}
	check("four times the price and four times the turns of a stretch, of which the latter is usual", 16, math.E, "price")
	later := profile.Finding{Kind: profile.Suspect, User: "u", Leaf: leaf, Flag: cohort.Over, Rows: 20, At: f.now, Since: f.now, Now: drew(2, 24, 4), Base: drew(50, 150, 3)}
	f.single(&later)
	f.judge(l, l.Cause)
	l.Incident, _ = incident.Step(l.Incident, l.finding, f.now)
	check("what is charged since is no past", 16, math.E, "price")
}

// One user's fault is not over because the user sleeps, or is away for a day, but once rows came that are right, or after a weekend.
func TestOneUserRests(t *testing.T) {
	leaf := &cohort.Leaf{Values: [event.NumDims]string{event.Plan: "pro"}}
	begin := func() (*fleet, *live, func(hours int64)) {
		f := fleetOf(1000)
		off := func() {
			f.single(&profile.Finding{Kind: profile.Suspect, User: "u", Leaf: leaf, Flag: cohort.Over, Rows: 10, At: f.now, Since: f.now})
		}
		off()
		l := f.lives[0]
		for range 5 { // days
			f.now += 30 * cohort.Hour
			if f.follow(); l.Status != incident.Firing {
				t.Fatal("over while the user rests")
			}
			off()
		}
		return f, l, func(hours int64) {
			f.now += hours * cohort.Hour
			f.follow()
		}
	}
	f, l, wait := begin()
	last := f.now
	f.person(profile.Finding{Kind: profile.Righted, User: "u", Flag: cohort.Under, At: f.now + cohort.Hour})
	if wait(20); l.Status != incident.Firing {
		t.Error("over for rows that are right of another flag")
	}
	f.person(profile.Finding{Kind: profile.Righted, User: "u", Flag: cohort.Over, At: f.now})
	if wait(1); l.Status != incident.Resolved || l.LastAt != last || l.Revision != 2 {
		t.Errorf("rows are right again, and it is %s since %d at revision %d, want %d and 2", l.Status, l.LastAt, l.Revision, last)
	}
	// No row comes after the input's last: an hour of right ones is all that there will be.
	for _, c := range []struct {
		why   string
		hours int64
		flag  cohort.Flag
		want  incident.Status
	}{
		{"right for two hours up to the end", 2, cohort.Over, incident.Resolved},
		{"right for minutes", 0, cohort.Over, incident.Firing},
		{"right of another flag", 2, cohort.Under, incident.Firing},
	} {
		f, l, wait = begin()
		f.person(profile.Finding{Kind: profile.Righted, User: "u", Flag: c.flag, At: f.now + 10*minute})
		wait(c.hours)
		if f.settleEnds(); l.Status != c.want {
			t.Errorf("%s: %s, want %s", c.why, l.Status, c.want)
		}
	}
	_, l, wait = begin()
	if wait(73); l.Status != incident.Resolved {
		t.Error("the user never came back, and it still fires")
	}
}
