package detector

import (
	"fmt"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
)

// stolen is what a shard says of a user whose account a stranger drains.
func stolen(user string, at int64) profile.Finding {
	return profile.Finding{
		Kind: profile.Drain, User: user, At: at, Since: at - cohort.Hour, Score: 20, Ratio: 20, Evidence: 5, Novel: 20,
		NewDevices: 1, Devices: 2, NewNetworks: 1, Networks: 2, NewSince: at - cohort.Hour,
	}
}

func shardOf(t *testing.T, o Options) *shard {
	t.Helper()
	o.withDefaults()
	s, err := newShard(0, &o, 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fleetOf(users int) *fleet {
	o := Options{}
	o.withDefaults()
	f := newFleet(&o, []int32{0}, nil)
	f.say = func(*live, []incident.Reason) {}
	f.warm, f.now, f.users[0] = true, 100*week+cohort.Hour, users
	return f
}

// Thresholds as calibrated are enough by themselves, however many users there are and however many were found before.
func TestEveryFindingIsSaidWhileNothingShifts(t *testing.T) {
	for _, users := range []int{1, 150, 3_000, 1_000_000, 20_000_000} {
		f := fleetOf(users)
		for i := range 200 {
			u := stolen(fmt.Sprint("u", i), f.now)
			if f.person(u); f.userLive(u.User, byUser) == nil {
				t.Fatalf("%d users: finding %d is held", users, i)
			}
		}
	}
}

// A day on which a fortieth of all users come near a threshold, where a thousandth used to: what is found of single users is
// held, and said once the many have become usual, or when more rules cry. A few more than usual hold nothing.
func TestFindingsAreHeldWhileManyShift(t *testing.T) {
	const users = 20_000
	day := func(f *fleet, near int64) {
		for range 24 {
			f.spent.near += near / 24
			f.spent.hour(f.now)
			f.now += cohort.Hour
		}
	}
	f := fleetOf(users)
	for range 7 {
		day(f, 24)
	}
	for _, calm := range []int64{24, 48} {
		day(f, calm)
		if f.person(stolen(fmt.Sprint("before", calm), f.now)); f.spent.held != 0 {
			t.Fatalf("held on a day with %d", calm)
		}
	}
	day(f, users/40)
	for i := range 300 {
		f.person(stolen(fmt.Sprint("many", i), f.now))
	}
	if f.spent.held != 300 {
		t.Errorf("%d of 300 held", f.spent.held)
	}
	for range 14 {
		day(f, users/40)
	}
	if f.person(stolen("many0", f.now)); f.userLive("many0", byUser) == nil {
		t.Error("still held after a fortnight")
	}
}

// A user counts once a day among those who come near a threshold, and the shard forgets who no longer does.
func TestApproachCountsAUserOnceADay(t *testing.T) {
	s := shardOf(t, Options{})
	far := profile.Finding{User: "far", At: 1, Evidence: nearBy*profile.VolumeThreshold - 0.1}
	near := profile.Finding{User: "near", At: 1, Evidence: nearBy * profile.VolumeThreshold}
	s.approach(&far)
	s.approach(&near)
	near.At = 23 * cohort.Hour
	s.approach(&near)
	if s.nearNow != 1 || len(s.near) != 1 {
		t.Errorf("counted %d, %v", s.nearNow, s.near)
	}
	near.At = 25 * cohort.Hour
	s.approach(&near)
	if s.forgetNear(50 * cohort.Hour); s.nearNow != 2 || len(s.near) != 0 {
		t.Errorf("counted %d, %v", s.nearNow, s.near)
	}
}
