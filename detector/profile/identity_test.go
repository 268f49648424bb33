package profile

import "testing"

// Identities are new for a day, and the one longest unseen makes room.
func TestIdentities(t *testing.T) {
	var ids identities
	const now, days = 1_800_000_000, 86400 // in seconds
	for i := range uint32(perKind) {
		if first := ids.see(i+1, now-7*days+i); first != now-7*days+i {
			t.Fatalf("first seen %d", first)
		}
	}
	if first := ids.see(1, now); first != now-7*days {
		t.Errorf("seen again: first %d", first)
	}
	ids.see(99, now-60) // makes the second go
	if fresh, active, since := ids.fresh(now); fresh != 1 || active != 2 || since != now-60 {
		t.Errorf("%d fresh of %d active since %d, want 1 of 2 since %d", fresh, active, since, now-60)
	}
	if first := ids.see(2, now); first != now {
		t.Errorf("the one longest unseen is still known: first %d", first)
	}
	if first := ids.see(1, now); first != now-7*days {
		t.Error("the one just seen made room")
	}
	if fresh, _, _ := ids.fresh(now + 2*days); fresh != 0 {
		t.Errorf("%d are fresh after two days", fresh)
	}
}

// A stranger is new by machine and place at once; a new laptop at home and a journey with the old one are not.
func TestAStrangerIsNewInTwoWays(t *testing.T) {
	for _, c := range []struct {
		name                     string
		device, network, country string
		novel, strange           bool
	}{
		{"the owner", "laptop", "as1", "DE", false, false},
		{"a new laptop", "laptop2", "as1", "DE", true, false},
		{"a journey", "laptop", "as9", "FR", true, false},
		{"a stranger", "other", "as9", "DE", true, true},
		{"a stranger abroad", "other", "as1", "FR", true, true},
		{"without a device, a journey or a stranger", "", "as9", "FR", true, false},
	} {
		u := &User{FirstAt: monday}
		e, _ := charge("u", monday, 1)
		e.Country = "DE"
		u.identify(e)
		e.Time += 5 * day
		u.identify(e)
		e.Device, e.ASN, e.Country = c.device, c.network, c.country
		if novel, strange := u.identify(e); novel != c.novel || strange != c.strange {
			t.Errorf("%s: novel %v, strange %v", c.name, novel, strange)
		}
	}
}

// An account's first identities are its own also a day later to the second, and in rows that come out of order.
func TestAnAccountsFirstIdentitiesAreNoStrangers(t *testing.T) {
	for _, first := range []int64{monday, monday + 7e9, monday + 599e9} {
		table, _ := newHeard()
		table.charge("u", first, 1)
		for _, after := range []int64{-9e9, -1, day - 9e9, day - 1, day, day + 1, day + 7e9, day + 9e9} {
			table.charge("u", first+after, 1)
			if u := table.user("u"); u.novelAwake != 0 {
				t.Errorf("first seen %d s into its bucket: novel %d ns later", first%Bucket/1e9, after)
				break
			}
		}
	}
}

// What a stranger does on an account is held against its owner's past by the evidence of theft, and by nothing else: neither while
// everything about them is new nor, after much was drawn, on the days after. A new laptop is the owner's.
func TestAStrangerIsNoMeasureOfTheUser(t *testing.T) {
	for _, c := range []struct {
		who      string
		network  string
		measured bool
	}{
		{"the owner's new laptop", "as1", true},
		{"a thief", "as9", false},
	} {
		table, h := newHeard()
		for d := range int64(5) {
			for b := range int64(20) {
				table.charge("u", monday+d*day+b*Bucket, 1)
			}
		}
		table.Close(monday + 5*day)
		h.moments = nil
		tokens := false
		for b := range int64(200) {
			e, q := charge("u", monday+5*day+b*Bucket, 20)
			e.Device, e.ASN = "other", c.network
			tokens = table.Fold(e, plain, 0, q).Tokens != nil || tokens
		}
		if measured := len(h.moments) > 0; measured != c.measured || tokens != c.measured {
			t.Errorf("%s: %d stretches measured, requests %v", c.who, len(h.moments), tokens)
		}
	}
}
