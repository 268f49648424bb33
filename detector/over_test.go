package detector

import (
	"fmt"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// quietUntil lets the fleet's time pass without rows.
func (f *fleet) quietUntil(at int64) {
	f.now = at
	f.follow()
}

// A farm is over a day after the last row of its accounts, and ends with that; it goes on under its id with a row of any account within a
// day, and is another after that. So it is if the fleet was saved in between.
func TestFarmsEnd(t *testing.T) {
	for _, saved := range []bool{false, true} {
		f := fleetOf(1000)
		again := func() {
			if !saved {
				return
			}
			g := fleetOf(1000)
			if err := g.restore(f.AppendBinary(nil)); err != nil {
				t.Fatal(err)
			}
			f = g
		}
		began := f.now
		row := func(account int64, at int64) {
			f.now, f.head = max(f.now, at), max(f.head, at)
			f.link(link{user: fmt.Sprint("u", 50-account), on: identities{"d"}, from: at, at: at})
			f.settleFarms(true)
			f.follow()
		}
		for i := range int64(farmSize) {
			row(i, began+i*cohort.Hour)
			again()
		}
		if len(f.lives) != 1 || f.lives[0].Status != incident.Firing {
			t.Fatalf("%d incidents", len(f.lives))
		}
		last := began + 30*cohort.Hour
		row(3, last)
		again()
		f.quietUntil(last + farmQuiet)
		if l := f.lives[0]; !l.open() {
			t.Error("it is over within a day")
		}
		f.quietUntil(last + farmQuiet + cohort.Tick)
		again()
		if l := f.lives[0]; l.open() || l.LastAt != last || l.StartedAt != began || l.Users != farmSize {
			t.Errorf("status %s, from %d to %d, %d users; want %d to %d", l.Status, l.StartedAt, l.LastAt, l.Users, began, last)
		}
		last += farmQuiet + 2*cohort.Hour
		row(5, last)
		row(100, last+1)
		again()
		if l := f.lives[0]; len(f.lives) != 1 || !l.open() || l.StartedAt != began || l.Users != farmSize+1 {
			t.Errorf("%d incidents, the first %s with %d users: it did not go on", len(f.lives), l.Status, l.Users)
		}
		f.quietUntil(last + 3*farmQuiet)
		again()
		if l := f.lives[0]; l.open() || l.LastAt != last+1 {
			t.Errorf("status %s, ended at %d, want %d", l.Status, l.LastAt, last+1)
		}
		back := last + 6*farmQuiet
		for i := range int64(farmSize) {
			row(i, back+i)
			again()
		}
		if len(f.lives) != 2 || f.lives[0].open() || !f.lives[1].open() || f.lives[1].StartedAt != back || f.lives[1].ID == f.lives[0].ID {
			t.Errorf("%d incidents when it came back", len(f.lives))
		}
	}
}

// A farm behind an address that others go on to use ends once, and stays so.
func TestAFarmDoesNotFlap(t *testing.T) {
	f := fleetOf(1000)
	said := map[incident.Reason]int{}
	f.say = func(_ *live, why []incident.Reason) {
		for _, w := range why {
			said[w]++
		}
	}
	hour := func(user string, used uint16) {
		from := f.now
		f.now += cohort.Hour
		f.head = f.now
		f.follow()
		f.link(link{user: user, on: identities{"", "", "nat"}, from: from + 60e9, at: f.now - 60e9, hour: true, credits: event.Credit, used: used})
		f.settleFarms(true)
		f.ties.forget(f.now)
	}
	for i := range 16 {
		hour(fmt.Sprint("u", i), 500)
		hour(fmt.Sprint("u", i), 950)
	}
	for i := range 24 * 5 {
		hour(fmt.Sprint("p", i%5), 50)
	}
	if len(f.lives) != 1 || said[incident.Opened] != 1 || said[incident.Ended] != 1 || said[incident.Reopened] != 0 {
		t.Errorf("%d incidents; said %v", len(f.lives), said)
	}
}

// A class whose pupils come one by one through a term is no farm, as long as those who were young together are few.
func TestAClassForgetsWhoWasYoung(t *testing.T) {
	f := fleetOf(1000)
	for i := range int64(4 * farmSize) {
		f.now += youngAccount/int64(farmSize-2) + cohort.Hour
		if i%(farmSize-2) == 0 {
			f.now += youngAccount
		}
		f.link(link{user: fmt.Sprint("u", i), on: identities{"d"}, from: f.now, at: f.now})
		f.settleFarms(true)
	}
	if len(f.lives) > 0 {
		t.Errorf("%d incidents", len(f.lives))
	}
}

// A class whose pupils stay is no farm either.
func TestAClassGrowsUp(t *testing.T) {
	f := fleetOf(1000)
	born := map[string]int64{}
	for d := range 2 * farmSize * 60 {
		f.now += day
		f.head = f.now
		if d%60 == 0 {
			u := fmt.Sprint("u", d/60)
			born[u] = f.now
			f.link(link{user: u, on: identities{"lab"}, created: f.now, from: f.now, at: f.now})
		}
		if d%3 == 0 {
			for _, u := range sortedKeys(born) {
				f.link(link{user: u, on: identities{"lab"}, created: born[u], from: f.now, at: f.now + 1e9, hour: true, credits: 1, used: 50})
			}
		}
		f.settleFarms(true)
		f.ties.forget(f.now)
	}
	if len(f.lives) > 0 || len(f.ties.accounts) > 2 {
		t.Errorf("%d incidents, %d accounts are kept", len(f.lives), len(f.ties.accounts))
	}
}

// What was said of a user ends when the shard says so, with the last row of who drew, and goes on under its id within a day.
func TestADrainGoesOnUnderItsID(t *testing.T) {
	f := fleetOf(1000)
	at := f.now
	u := stolen("u", at)
	u.Last = at - 7
	f.person(u)
	l := f.lives[0]
	id := l.ID
	over := func(last int64) {
		f.now = last + 6*cohort.Hour
		f.person(profile.Finding{Kind: profile.Calm, User: "u", At: f.now, Last: last})
	}
	if over(at + 5); l.Status != incident.Resolved || l.LastAt != at+5 {
		t.Fatalf("%s, ended at %d, want %d", l.Status, l.LastAt, at+5)
	}
	f.now += cohort.Hour
	weak := profile.Finding{Kind: profile.Drain, User: "u", At: f.now, Since: f.now, Last: f.now - 3, Ratio: 1}
	if f.person(weak); len(f.lives) != 1 || l.Status != incident.Firing || l.ID != id || l.Cause != verdict.StolenKey || l.StartedAt != u.NewSince {
		t.Errorf("%d incidents, %s, %s since %d", len(f.lives), l.Status, l.Cause.Name, l.StartedAt)
	}
	if over(f.now); l.Status != incident.Resolved {
		t.Fatal("it goes on")
	}
	f.now += reopenAfter
	if f.person(weak); l.Status != incident.Resolved || len(f.lives) != 1 {
		t.Error("it goes on a day after")
	}
	u = stolen("u", f.now)
	if f.person(u); l.Status != incident.Resolved || len(f.lives) != 2 || f.lives[1].ID == id {
		t.Error("another theft is not told")
	}
}

// People who share an account are dated by the first with a machine and a network of their own, where the owner's second machine came long
// before, and by the first newcomer where it did not.
func TestASharedAccountIsNotDatedByItsOwner(t *testing.T) {
	at := int64(1_800_000_000e9)
	for _, c := range []struct {
		name         string
		before, want int64
	}{{"a machine of the owner's, hours before", 5 * cohort.Hour, 0}, {"the first of them has the owner's network", 60e9, -60e9}} {
		u := profile.Finding{At: at + cohort.Hour, NewDevices: 6, NewNetworks: 6, NewFrom: at - c.before, CrowdFrom: at}
		o := drawnSince(&u, verdict.SharedAccount)
		if got := began(&u, verdict.SharedAccount); got != at+c.want || o.From >= got || o.To < got || o.To > got+1e9 {
			t.Errorf("%s: began %d s from when they came, between %d and %d", c.name, (got-at)/1e9, (o.From-at)/1e9, (o.To-at)/1e9)
		}
	}
}
