package detector

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// see lets the fleet hear of accounts, one a second from the present on, and weigh them.
func (f *fleet) see(on identities, users ...string) {
	for _, u := range users {
		f.now += 1e9
		f.head = f.now
		f.link(link{user: u, on: on, from: f.now, at: f.now})
		f.settleFarms(true)
	}
}

func accounts(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint("u", i))
	}
	slices.Sort(out)
	return out
}

// Two farms that turn out to share an account are one: the older keeps its id and widens, the younger resolves into it. So it is if the
// fleet was saved in between.
func TestFarmsThatMeetAreOne(t *testing.T) {
	for _, saved := range []bool{false, true} {
		f := fleetOf(1000)
		again := func() {
			if g := fleetOf(1000); saved {
				if err := g.restore(f.AppendBinary(nil)); err != nil {
					t.Fatal(err)
				}
				f = g
			}
		}
		began := f.now + 1e9
		f.see(identities{"d1"}, accounts(0, 8)...)
		f.see(identities{"d2"}, accounts(8, 17)...)
		again()
		if len(f.lives) != 2 || f.lives[0].Users != 8 || f.lives[1].Users != 9 {
			t.Fatalf("%d incidents", len(f.lives))
		}
		id := f.lives[0].ID
		f.see(identities{"d2"}, "u3")
		again()
		old, young := f.lives[0], f.lives[1]
		if len(f.lives) != 2 || !old.open() || old.ID != id || old.Users != 17 || old.StartedAt != began || !slices.Equal(old.finding.Scope.Users, accounts(0, 17)) ||
			young.Status != incident.Resolved || young.MergedInto != id {
			t.Errorf("%d incidents; %s with %d users since %d, %s into %q", len(f.lives), old.Status, old.Users, old.StartedAt, young.Status, young.MergedInto)
		}
		f.see(identities{"d2"}, "v")
		f.see(identities{"d3"}, "v", "w") // and goes on elsewhere
		again()
		if old := f.lives[0]; len(f.lives) != 2 || old.Users != 19 || old.finding.Scope.LinkedBy != "device" {
			t.Errorf("%d incidents, %d users by %s", len(f.lives), old.Users, old.finding.Scope.LinkedBy)
		}
	}
}

// What ties accounts is the closest that connects them all, or all that it takes.
func TestWhatLinksAFarm(t *testing.T) {
	f := fleetOf(1000)
	f.see(identities{"d1", "", "a"}, accounts(0, 5)...)
	f.see(identities{"d2", "k", "a"}, accounts(5, 10)...)
	for _, c := range []struct {
		users []string
		want  string
	}{
		{accounts(0, 5), "device"}, {accounts(5, 10), "device"}, {accounts(0, 10), "ip"},
	} {
		if got := f.ties.linked(c.users); got != c.want {
			t.Errorf("%v are linked by %q, want %q", c.users, got, c.want)
		}
	}
	f = fleetOf(1000)
	f.see(identities{"d1", "", "a"}, accounts(0, 4)...)
	f.see(identities{"d2", "k1", "b"}, accounts(4, 8)...)
	f.see(identities{"d3", "k1", "c"}, "u0")
	if got := f.ties.linked(accounts(0, 8)); got != "device+api_key" {
		t.Errorf("linked by %q", got)
	}
}

// An account that was named for a drain of its own is not named twice: its incident widens to the farm. What else is found of the accounts of
// a farm is no news, but a wrong charge is.
func TestAFarmTakesOverItsAccounts(t *testing.T) {
	f := fleetOf(1000)
	u := stolen("u3", f.now)
	f.person(u)
	id := f.lives[0].ID
	f.see(identities{"d"}, accounts(0, 8)...)
	l := f.lives[0]
	if len(f.lives) != 1 || l.ID != id || l.Cause != verdict.Farming || l.Users != 8 || l.Scope.Kind != "users" || l.by != byLinks {
		t.Fatalf("%d incidents, the first %s of %d users", len(f.lives), l.Cause.Name, l.Users)
	}
	var spared []Spared
	f.o.Spare = func(s Spared) { spared = append(spared, s) }
	f.person(stolen("u5", f.now))
	if len(f.lives) != 1 || len(spared) != 1 || spared[0].For[0].Code != "named_in_a_farm" {
		t.Errorf("%d incidents, spared %v", len(f.lives), spared)
	}
	if f.person(stolen("elsewhere", f.now)); len(f.lives) != 2 {
		t.Error("another account's theft is not told")
	}
	f.person(profile.Finding{Kind: profile.Calm, User: "u3", At: f.now}) // no longer a matter of its own
	if !l.open() {
		t.Error("the farm ended with one account's calm")
	}
}

// Whoever comes in one tick, the order in which shards say so changes nothing.
func TestFarmsDoNotDependOnOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	want := ""
	for range 20 {
		f := fleetOf(1000)
		var links []link
		for i := range 40 {
			at := f.now + int64(i)*1e9
			l := link{user: fmt.Sprint("u", i), on: identities{fmt.Sprint("d", i/5%3), fmt.Sprint("k", i%4), "a"}, from: at, at: at}
			links = append(links, l)
			l.hour, l.credits, l.used, l.at = true, event.Credits(i), 900, at+6e11
			links = append(links, l)
		}
		rng.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
		for _, l := range links {
			f.link(l)
		}
		f.now += cohort.Hour
		f.head = f.now
		f.settleFarms(true)
		got := string(f.AppendBinary(nil))
		want = cmp.Or(want, got)
		if got != want || len(f.lives) != 1 {
			t.Fatalf("%d incidents; another order says otherwise", len(f.lives))
		}
	}
}

// Who sits down at any of ten machines is a third of an account on each of three; who has a place is one there.
func TestAnAccountCountsOnce(t *testing.T) {
	f := fleetOf(1000)
	for i := range 30 {
		for k := range 3 {
			f.see(identities{fmt.Sprint("d", (i+k*3)%10), "", "a"}, fmt.Sprint("u", i))
		}
		f.see(identities{fmt.Sprint("own", i), "", "a"}, fmt.Sprint("u", i))
	}
	if count, _ := f.ties.most(accounts(0, 30)); count < 2.99 || count > 3.01 || len(f.lives) > 0 {
		t.Errorf("%v accounts on a machine, %d incidents; want 3 and none", count, len(f.lives))
	}
}

// What is known of accounts is bounded by those of a week, and of an address that goes on for ever too.
func TestYoungAccountsAreForgotten(t *testing.T) {
	f := fleetOf(1000)
	most := 0
	for i := range 60 {
		f.now += day / 2
		f.see(identities{fmt.Sprint("d", i), fmt.Sprint("k", i), "nat"}, fmt.Sprint("u", i))
		f.ties.forget(f.now)
		most = max(most, len(f.ties.accounts), len(f.ties.groups)/2)
	}
	if most > 2*7+2 {
		t.Errorf("%d accounts or identities are kept", most)
	}
	f.ties.forget(f.now + 8*day)
	if x := &f.ties; len(x.accounts)+len(x.groups) > 0 {
		t.Errorf("%d accounts and %d identities are left", len(x.accounts), len(x.groups))
	}
}

// A long chain of devices is looked at when all are, not with each that joins.
func TestALongChainWaits(t *testing.T) {
	f := fleetOf(1000)
	for i := range 2 * atOnce {
		f.now++
		f.link(link{user: fmt.Sprint("u", i), on: identities{fmt.Sprint("d", i/2), fmt.Sprint("k", (i+1)/2)}, from: f.now, at: f.now})
	}
	due := len(f.ties.due)
	if f.settleFarms(false); len(f.ties.due) < due-2 { // the two keys at its ends have one account each
		t.Errorf("%d of %d identities are still due", len(f.ties.due), due)
	}
	if f.settleFarms(true); len(f.ties.due) > 0 || f.ties.near != nil {
		t.Errorf("%d identities are due", len(f.ties.due))
	}
}

// A farm that wears out more accounts of one device than are kept goes on for as long as it does. It lists as many, and counts all.
func TestALargeFarmGoesOn(t *testing.T) {
	f := fleetOf(1000)
	ended := 0
	f.say = func(_ *live, why []incident.Reason) {
		if slices.Contains(why, incident.Ended) {
			ended++
		}
	}
	n := 0
	for h := range 24 * 12 {
		f.now += cohort.Hour
		f.head = f.now
		f.follow()
		for range 150 {
			f.link(link{user: fmt.Sprint("u", n), on: identities{"d"}, created: f.now - 1, from: f.now, at: f.now})
			n++
		}
		if h%12 == 11 {
			f.settleFarms(true)
		}
		f.ties.forget(f.now)
	}
	if l := f.lives[0]; len(f.lives) != 1 || ended > 0 || len(f.ties.accounts) >= farmMost {
		t.Errorf("%d incidents, the first %s, ended %d times; %d accounts are kept", len(f.lives), l.Status, ended, len(f.ties.accounts))
	}
	if l := f.lives[0]; l.Users != n || len(l.Scope.Users) != farmMost {
		t.Errorf("%d users and %d of them listed, want %d and %d", l.Users, len(l.Scope.Users), n, farmMost)
	}
}

// A shard says an account once on each identity, and once an hour, while it is young or was seen there; and forgets it as the fleet does.
func TestShardsSayYoungAccountsSeldom(t *testing.T) {
	s := shardOf(t, Options{Plans: map[string]Plan{"p": {FiveHour: 10 * event.Credit}}})
	start := int64(1_800_000_000e9) / day * day
	row := func(user string, at int64, created int64, device string) {
		e := &event.Event{User: user, Time: start + at, AccountCreated: start + created, Device: device, APIKey: "k", IP: "a", Credits: event.Credit}
		e.Dims[event.Plan] = "p"
		s.budgets.Row(uint64(user[0]), e)
		_, runs := s.running[uint64(user[0])]
		s.follow(e, uint64(user[0]), !runs)
	}
	heard := func() []link {
		clear(s.running)
		out := append(s.links, s.runs...)
		s.links, s.runs = nil, nil
		return out
	}
	for i := range int64(6) {
		row("a", i*60e9, -day, "d")
		row("o", i*60e9, -30*day, "d")
	}
	if got := heard(); len(got) != 2 || got[0].hour || !got[1].hour || got[0].on != (identities{"d", "k", "a"}) || got[1].credits != 6*event.Credit || got[1].used != 601 || got[1].at-got[1].from != 300e9 {
		t.Errorf("%+v", got)
	}
	row("a", cohort.Hour, -day, "d")
	row("a", cohort.Hour+1e9, -day, "e")
	if got := heard(); len(got) != 2 || got[0].on != (identities{"e"}) || got[1].on[byDevice] != "e" {
		t.Errorf("who moves to another device: %+v", got)
	}
	row("a", 7*day, -day, "d") // no longer young, and known
	if got := heard(); len(got) != 1 || !got[0].hour {
		t.Errorf("who has grown old: %+v", got)
	}
	if s.forgetTies(start + 15*day); s.ties.Len() != 0 {
		t.Errorf("%d are not forgotten", s.ties.Len())
	}
}

// One account with ever new addresses and devices neither takes the room of others nor hides where it moves next.
func TestOneAccountTakesLittleRoom(t *testing.T) {
	s := shardOf(t, Options{})
	f, start := fleetOf(1000), int64(1_800_000_000e9)
	row := func(device, ip string) identities {
		return s.tie(&event.Event{User: "u", Time: start + 1, AccountCreated: start, Device: device, IP: ip}, 1)
	}
	for i := range 1000 {
		row("", fmt.Sprint("a", i))
	}
	if on := row("d", "a0"); s.ties.Len() != tiesMost/2+2 || on != (identities{"d", "", "a0"}) {
		t.Errorf("%d are kept after addresses; it is on %v", s.ties.Len(), on)
	}
	for i := range 1000 {
		id := fmt.Sprint("d", i)
		row(id, "")
		f.link(link{user: "u", on: identities{id}, from: f.now, at: f.now})
	}
	if s.ties.Len() != tiesMost+1 || len(f.ties.groups) != tiesMost || len(f.ties.accounts["u"].ties) != tiesMost {
		t.Errorf("%d are kept in the shard, %d in the fleet", s.ties.Len(), len(f.ties.groups))
	}
	if s.forgetTies(start + 9*day); s.ties.Len() != 0 {
		t.Errorf("%d are left", s.ties.Len())
	}
}

// An hour counts from the first row that names what the account is on.
func TestARowWithoutIDsHidesNoHour(t *testing.T) {
	s := shardOf(t, Options{})
	start := int64(1_800_000_000e9) / day * day
	for i, device := range []string{"", "d", "d"} {
		s.follow(&event.Event{User: "a", Time: start + int64(i), AccountCreated: start, Device: device, Credits: event.Credit}, 1, i == 0)
	}
	if len(s.runs) != 1 || s.runs[0].on != (identities{"d"}) || s.runs[0].credits != 2*event.Credit {
		t.Errorf("%+v", s.runs)
	}
}

// Who works on without a pause is said hour by hour.
func TestHoursWithoutAPauseAreSaid(t *testing.T) {
	s := shardOf(t, Options{})
	start := int64(1_800_000_000e9) / day * day
	for m := range int64(5*60 + 3) {
		s.follow(&event.Event{User: "a", Time: start + m*60e9, AccountCreated: start, Device: "d", Credits: event.Credit}, xxhash.Sum64String("a"), m == 0)
		if m%60 == 2 { // the hour closes late
			s.sayRuns(start + m/60*cohort.Hour)
		}
	}
	said := slices.DeleteFunc(s.links, func(l link) bool { return !l.hour })
	if len(said) != 5 {
		t.Fatalf("%d hours are said, want 5", len(said))
	}
	for i, l := range said {
		if from := start + int64(i)*cohort.Hour; l.from != from || l.at != from+59*60e9 || l.credits != 60*event.Credit {
			t.Errorf("hour %d: from %d to %d s, %v", i, (l.from-start)/1e9, (l.at-start)/1e9, l.credits)
		}
	}
}
