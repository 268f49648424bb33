package ledger

import (
	"fmt"
	"math"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// life feeds b what one user did: so many turns an hour apart, each of some requests, some unprompted ones besides.
type life struct {
	user       string
	from       int64
	turns      int
	requests   int // a turn
	unprompted int // a turn
	charge     string
	rowsSeen   int
}

func (l *life) feed(b *Booker) {
	for turn := range l.turns {
		for r := range l.requests + l.unprompted {
			l.rowsSeen++
			e := &event.Event{
				ID: fmt.Sprint(l.user, l.from, l.rowsSeen), User: l.user, Time: l.from + int64(turn)*cohort.Hour + int64(r)*1e9, Credits: credits(l.charge), HasTokens: true,
			}
			if r < l.requests {
				e.TurnID = fmt.Sprint(l.user, l.from, "t", turn)
			}
			b.Add(cohort.Row{Event: e, Unprompted: r >= l.requests})
		}
	}
}

func due(b *Booker) map[string]string {
	out := map[string]string{}
	for _, r := range b.Results()["inc_1"].Rows {
		out[r.User] = r.Charged.String() + " " + r.Expected.String()
	}
	return out
}

func TestEstimateAgainstTheUsersOwnPast(t *testing.T) {
	before, in := onset-100*cohort.Hour, onset+1
	for _, c := range []struct {
		why       string
		measure   cohort.Measure
		past, now life
		want      string // charged and due
	}{
		{
			"four times the requests a turn: a quarter is due", cohort.RequestsPerTurn,
			life{turns: 20, requests: 2, charge: "1"},
			life{turns: 5, requests: 8, charge: "1"},
			"40.000000000 10.000000000",
		},
		{
			"fewer than before: all is due", cohort.RequestsPerTurn,
			life{turns: 20, requests: 4, charge: "1"},
			life{turns: 5, requests: 2, charge: "1"},
			"10.000000000 10.000000000",
		},
		{
			"requests five times as dear: a fifth is due", cohort.InputPerRequest,
			life{turns: 20, requests: 2, charge: "1"},
			life{turns: 5, requests: 2, charge: "5"},
			"50.000000000 10.000000000",
		},
		{
			"four times the background work: three quarters of that are too much, and the user's own turns are due", cohort.Background,
			life{turns: 20, requests: 1, unprompted: 1, charge: "1"},
			life{turns: 5, requests: 1, unprompted: 4, charge: "1"},
			"25.000000000 10.000000000",
		},
	} {
		b := NewBooker([]Claim{{Incident: "inc_1", From: onset, To: onset + 1000*cohort.Hour, ByMeasure: true, Measure: c.measure}})
		c.past.user, c.past.from = "u", before
		c.now.user, c.now.from = "u", in
		c.past.feed(b)
		c.now.feed(b)
		if got := due(b)["u"]; got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}

// Who has no past of their own is held against what is typical of those who have.
func TestEstimateOfNewcomers(t *testing.T) {
	b := NewBooker([]Claim{{Incident: "inc_1", From: onset, To: onset + 1000*cohort.Hour, ByMeasure: true, Measure: cohort.InputPerRequest}})
	for i, charge := range []string{"2", "4", "100"} { // the typical multiple is 4
		u := fmt.Sprint("known", i)
		(&life{user: u, from: onset - 100*cohort.Hour, turns: minPast, requests: 1, charge: "1"}).feed(b)
		(&life{user: u, from: onset, turns: 3, requests: 1, charge: charge}).feed(b)
	}
	(&life{user: "hardly known", from: onset - 100*cohort.Hour, turns: minPast - 1, requests: 1, charge: "8"}).feed(b)
	(&life{user: "hardly known", from: onset, turns: 1, requests: 1, charge: "8"}).feed(b)
	(&life{user: "new", from: onset, turns: 1, requests: 1, charge: "8"}).feed(b)
	got := due(b)
	for u, want := range map[string]string{
		"known0": "6.000000000 3.000000000", "known1": "12.000000000 3.000000000", "known2": "300.000000000 3.000000000",
		"hardly known": "8.000000000 2.000000000", "new": "8.000000000 2.000000000",
	} {
		if got[u] != want {
			t.Errorf("%s: %s, want %s", u, got[u], want)
		}
	}

	b = NewBooker([]Claim{{Incident: "inc_1", From: onset, To: onset + 1000*cohort.Hour, ByMeasure: true}})
	(&life{user: "new", from: onset, turns: 1, requests: 1, charge: "8"}).feed(b)
	if got := due(b)["new"]; got != "8.000000000 8.000000000" {
		t.Errorf("nobody has a past: %s, want all due", got)
	}
}

func TestEstimateOfSumsBeyondARow(t *testing.T) {
	b := NewBooker([]Claim{{Incident: "inc_1", From: onset, To: onset + 1000*cohort.Hour, ByMeasure: true, Measure: cohort.InputPerRequest}})
	(&life{user: "u", from: onset - 100*cohort.Hour, turns: minPast, requests: 1, charge: "0.000000001"}).feed(b)
	now := life{user: "u", from: onset, turns: 4, requests: 1, charge: event.Credits(math.MaxInt64).String()}
	now.feed(b)
	r := b.Results()["inc_1"]
	if x := r.Rows[0]; x.Expected.Cmp(event.Sum{}) < 0 || x.Expected.Cmp(x.Charged) > 0 || r.Overcharge.Float64() < 9e9 {
		t.Errorf("%v due of %v, %v too much", x.Expected, x.Charged, r.Overcharge)
	}
}

// A turn is counted once, though its rows mix with those of three others.
func TestTurnsAreToldApart(t *testing.T) {
	b := NewBooker([]Claim{{Incident: "inc_1", From: onset, To: onset + cohort.Hour, ByMeasure: true, Measure: cohort.RequestsPerTurn}})
	for i := range 40 {
		b.Add(row(func(it *cohort.Row) { it.Event.TurnID = fmt.Sprint("t", i%4) }))
	}
	if n := b.claims[0].users["u1"].now.turns; n != 4 {
		t.Errorf("%v turns, want 4", n)
	}
}

// Who was charged for too little is owed to, never owes: tokens against the user's own past in the scope, lost requests against
// as many active hours of all, as one user's hours differ too much, but at least what the rows show to be missing.
func TestEstimateOfTooLittle(t *testing.T) {
	past, now := onset-100*cohort.Hour, onset
	for _, c := range []struct {
		why   string
		claim Claim
		lives []life
		want  map[string]string // charged and due
	}{
		{
			"requests at a fifth of what they cost before",
			Claim{},
			[]life{
				{user: "u", from: past, turns: 20, requests: 1, charge: "5"},
				{user: "u", from: now, turns: 4, requests: 1, charge: "1"},
				{user: "new", from: now, turns: 1, requests: 1, charge: "1"},
				{user: "dearer", from: past, turns: 20, requests: 1, charge: "1"},
				{user: "dearer", from: now, turns: 4, requests: 1, charge: "3"},
				{user: "as u", from: past, turns: 20, requests: 1, charge: "5"},
				{user: "as u", from: now, turns: 4, requests: 1, charge: "1"},
			},
			map[string]string{
				"u": "4.000000000 20.000000000", "as u": "4.000000000 20.000000000", "new": "1.000000000 5.000000000", "dearer": "12.000000000 12.000000000",
			},
		},
		{
			"requests that were free have a hundred times nothing due",
			Claim{},
			[]life{{user: "u", from: past, turns: 20, requests: 1, charge: "1"}, {user: "u", from: now, turns: 4, requests: 1, charge: "0"}},
			map[string]string{"u": "0.000000000 0.000000000"},
		},
		{
			"six requests an hour where there were eight and two",
			Claim{Lost: 0.1},
			[]life{
				{user: "u", from: past, turns: 20, requests: 8, charge: "1"},
				{user: "u", from: now, turns: 1, requests: 4, charge: "1"},
				{user: "v", from: past, turns: 20, requests: 2, charge: "1"},
				{user: "v", from: now, turns: 1, requests: 1, charge: "1"},
			},
			map[string]string{"u": "4.000000000 8.000000000", "v": "1.000000000 2.000000000"},
		},
		{
			"a busy day: half of what follows shows a request missing",
			Claim{Lost: 0.5},
			[]life{{user: "u", from: past, turns: 20, requests: 2, charge: "1"}, {user: "u", from: now, turns: 1, requests: 4, charge: "1"}},
			map[string]string{"u": "4.000000000 8.000000000"},
		},
	} {
		c.claim.Incident, c.claim.From, c.claim.To, c.claim.ByMeasure, c.claim.Short = "inc_1", onset, onset+1000*cohort.Hour, true, true
		c.claim.Measure = cohort.InputPerRequest
		b := NewBooker([]Claim{c.claim})
		for _, l := range c.lives {
			l.feed(b)
		}
		got := due(b)
		for u, want := range c.want {
			if got[u] != want {
				t.Errorf("%s: %s: %s, want %s", c.why, u, got[u], want)
			}
		}
	}
}
