package backtest

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

var t0 = time.Date(2026, 6, 25, 14, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }

func sum(credits int64) event.Sum {
	var s event.Sum
	s.Add(event.Credits(credits) * event.Credit)
	return s
}

func cohort(pairs ...string) incident.Scope {
	where := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		where[pairs[i]] = pairs[i+1]
	}
	return incident.Scope{Kind: "cohort", Where: where}
}

func user(id string) incident.Scope { return incident.Scope{Kind: "user", User: id} }

func label(id, class, cause string, scope incident.Scope, from, to int) Label {
	return Label{ID: id, Class: class, Cause: cause, Scope: scope, StartedAt: at(from), EndedAt: at(to), Overcharge: sum(100), HasLedger: true}
}

func record(id, class, cause string, scope incident.Scope, from, to int) incident.Record {
	end := at(to)
	return incident.Record{
		Incident: id, Class: class, Cause: cause, Scope: scope, Severity: incident.Page, Status: incident.Resolved,
		StartedAt: at(from), DetectedAt: at(from + 1), EndedAt: &end, Overcharge: sum(100),
	}
}

func TestCompare(t *testing.T) {
	pro := cohort("plan", "pro", "region", "eu")
	price := label("price", "metering_bug", "price", pro, 0, 60)
	merged := "older"
	surge := label("surge", "organic", "surge", cohort(), 0, 60)
	surge.Silent, surge.HasLedger = true, false

	for _, tc := range []struct {
		name           string
		why            string
		labels         []Label
		records        []incident.Record
		matched        map[string]string // label to record
		missed, passed int
		extra          []string
	}{
		{"found", "same cause, scope and time", []Label{price}, []incident.Record{record("r", "metering_bug", "price", pro, 1, 60)}, map[string]string{"price": "r"}, 0, 0, nil},
		{"nothing found", "a label without a record is a miss", []Label{price}, nil, nil, 1, 0, nil},
		{"false alarm", "a record without a label is extra", nil, []incident.Record{record("r", "unknown", "unknown", pro, 1, 60)}, nil, 0, 0, []string{"r"}},
		{"wrong class, right scope", "it is a finding with a mistake", []Label{price}, []incident.Record{record("r", "abuse", "scripted_drain", pro, 1, 60)}, map[string]string{"price": "r"}, 0, 0, nil},
		{"right class, wider scope", "everybody contains pro", []Label{price}, []incident.Record{record("r", "metering_bug", "penalty", cohort(), 1, 60)}, map[string]string{"price": "r"}, 0, 0, nil},
		{"right cause, disjoint scope", "free is not pro, but the cause is the same and nothing else explains it", []Label{price}, []incident.Record{record("r", "metering_bug", "price", cohort("plan", "free"), 1, 60)}, map[string]string{"price": "r"}, 0, 0, nil},
		{"wrong class, disjoint scope", "nothing speaks for it", []Label{price}, []incident.Record{record("r", "abuse", "stolen_key", cohort("plan", "free"), 1, 60)}, nil, 1, 0, []string{"r"}},
		{"another day", "an incident of yesterday is another one", []Label{price}, []incident.Record{record("r", "metering_bug", "price", pro, -1000, -900)}, nil, 1, 0, []string{"r"}},
		{"said twice", "one cause is one incident: the better record stands, the other is extra", []Label{price}, []incident.Record{record("worse", "metering_bug", "price", cohort("plan", "pro"), 1, 60), record("better", "metering_bug", "price", pro, 5, 60)}, map[string]string{"price": "better"}, 0, 0, []string{"worse"}},
		{"same likeness", "the nearer onset wins", []Label{price}, []incident.Record{record("a-far", "metering_bug", "price", pro, 40, 60), record("b-near", "metering_bug", "price", pro, 1, 30)}, map[string]string{"price": "b-near"}, 0, 0, []string{"a-far"}},
		{"merged away", "it spoke of the older one, which stands", []Label{price}, []incident.Record{record("older", "metering_bug", "price", pro, 1, 60), func() incident.Record {
			r := record("younger", "metering_bug", "price", pro, 2, 3)
			r.MergedInto = &merged
			return r
		}()}, map[string]string{"price": "older"}, 0, 0, nil},
		{
			"two causes at once", "each record goes where it fits best, not first come first served",
			[]Label{price, label("twice", "metering_bug", "duplicate_charge", pro, 0, 60)},
			[]incident.Record{record("a", "metering_bug", "duplicate_charge", pro, 0, 60), record("b", "metering_bug", "price", pro, 0, 60)},
			map[string]string{"price": "b", "twice": "a"},
			0, 0, nil,
		},
		{"surge unsaid", "growth need not be recorded", []Label{surge}, nil, nil, 0, 1, nil},
		{"surge said", "and may be", []Label{surge}, []incident.Record{record("r", "organic", "surge", cohort(), 1, 60)}, map[string]string{"surge": "r"}, 0, 0, nil},
		{"surge taken for a bug", "then it is a false alarm, not a finding", []Label{surge}, []incident.Record{record("r", "metering_bug", "price", cohort(), 1, 60)}, nil, 0, 1, []string{"r"}},
		{
			"a user of the linked ones", "half of the ring is the ring",
			[]Label{label("ring", "abuse", "farming", incident.Scope{Kind: "users", Users: []string{"b", "a"}}, 0, 60)},
			[]incident.Record{record("r", "abuse", "scripted_drain", user("a"), 0, 60)},
			map[string]string{"ring": "r"},
			0, 0, nil,
		},
		{"a person within a surge", "one busy person is not everybody", []Label{surge}, []incident.Record{record("r", "organic", "power_user", user("a"), 1, 60)}, nil, 0, 1, []string{"r"}},
		{"a user of the cohort", "the cause is right, the scope is not", []Label{price}, []incident.Record{record("r", "metering_bug", "price", user("a"), 1, 60)}, map[string]string{"price": "r"}, 0, 0, nil},
		{
			"another user", "another account is another incident",
			[]Label{label("key", "abuse", "stolen_key", user("a"), 0, 60)},
			[]incident.Record{record("r", "abuse", "scripted_drain", user("b"), 0, 60)},
			nil, 1, 0,
			[]string{"r"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := Compare(tc.labels, tc.records)
			matched := map[string]string{}
			for _, m := range s.Matches {
				matched[m.Label.ID] = m.Record.Incident
			}
			var extra []string
			for _, r := range s.Extra {
				extra = append(extra, r.Incident)
			}
			if len(matched) != len(tc.matched) || len(matched) > 0 && !reflect.DeepEqual(matched, tc.matched) || len(s.Missed) != tc.missed || len(s.Passed) != tc.passed || !reflect.DeepEqual(extra, tc.extra) {
				t.Errorf("%s: matched %v, missed %d, passed %d, extra %v", tc.why, matched, len(s.Missed), len(s.Passed), extra)
			}
		})
	}
}

func TestMatchFigures(t *testing.T) {
	scope := incident.Scope{Kind: "users", Users: []string{"a", "b"}, LinkedBy: "device"}
	l := label("l", "metering_bug", "price", scope, 0, 60)
	r := record("r", "metering_bug", "price", incident.Scope{Kind: "users", Users: []string{"b", "a"}}, 2, 60)
	r.Overcharge = sum(101)
	m := Compare([]Label{l}, []incident.Record{r}).Matches[0]
	if !m.Class || !m.Cause || !m.Scope || m.Onset != 2*time.Minute || m.Delay != 3*time.Minute || math.Abs(m.LedgerError-0.01) > 1e-12 {
		t.Errorf("%+v", m)
	}
	if m.Exact(0.005) || !m.Exact(0.02) {
		t.Error("1% off: wrong within half a percent, right within two")
	}
	m.Label.Estimate = true
	if !m.Exact(0) {
		t.Error("what is an estimate cannot be wrong about money")
	}
	l.Overcharge = event.Sum{}
	if m := Compare([]Label{l}, []incident.Record{r}).Matches[0]; !math.IsInf(m.LedgerError, 1) || m.Exact(0.5) {
		t.Errorf("money where none is owed: %v", m.LedgerError)
	}
	l.HasLedger = false
	if m := Compare([]Label{l}, []incident.Record{r}).Matches[0]; !math.IsNaN(m.LedgerError) || !m.Exact(0) {
		t.Errorf("no ledger: %v", m.LedgerError)
	}
	// A right cause under a wrong class is no right cause: both have a `price`.
	r.Class = "under_metering"
	if m := Compare([]Label{l}, []incident.Record{r}).Matches[0]; m.Class || m.Cause {
		t.Errorf("%+v", m)
	}
}

// How long it took, by the clock, from when it could be seen, and in rows of the account.
func TestMatchDelays(t *testing.T) {
	l := label("l", "abuse", "scripted_drain", user("a"), 0, 60)
	r := record("r", "abuse", "scripted_drain", user("a"), 0, 60)
	r.DetectedAt, r.Severity = at(25), incident.Ticket
	for _, minute := range []int{0, 1, 9, 10, 25, 25, 26, 50} {
		l.Hits = append(l.Hits, at(minute))
	}
	l.EvidentAt = at(9)
	if m := Compare([]Label{l}, []incident.Record{r}).Matches[0]; m.Delay != 25*time.Minute || m.Evident != 16*time.Minute || m.Rows != 6 || m.Buckets != 3 || !m.Severity {
		t.Errorf("%+v", m)
	}
	l.EvidentAt, l.Severity = at(40), incident.Page
	if m := Compare([]Label{l}, []incident.Record{r}).Matches[0]; m.Evident != -15*time.Minute || m.Severity {
		t.Errorf("found before it was evident, as a ticket instead of a page: %+v", m)
	}
	l.EvidentAt, l.Hits, r.Severity = time.Time{}, nil, incident.Page
	if m := Compare([]Label{l}, []incident.Record{r}).Matches[0]; m.Evident != 0 || m.Rows != 0 || m.Buckets != 0 || !m.Severity {
		t.Errorf("nothing known of rows: %+v", m)
	}
}

// The order in which labels and records come changes nothing.
func TestCompareIgnoresOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	classes := [][2]string{{"metering_bug", "price"}, {"metering_bug", "penalty"}, {"abuse", "stolen_key"}}
	scopes := []incident.Scope{cohort(), cohort("plan", "pro"), cohort("plan", "free"), user("a")}
	for range 200 {
		var labels []Label
		var records []incident.Record
		for i := range rng.IntN(6) {
			c := classes[rng.IntN(3)]
			labels = append(labels, label(string(rune('a'+i)), c[0], c[1], scopes[rng.IntN(4)], rng.IntN(60), 60+rng.IntN(60)))
		}
		for i := range rng.IntN(6) {
			c := classes[rng.IntN(3)]
			records = append(records, record(string(rune('a'+i)), c[0], c[1], scopes[rng.IntN(4)], rng.IntN(60), 60+rng.IntN(60)))
		}
		want := Compare(labels, records)
		if n := len(want.Matches) + len(want.Missed); n != len(labels) {
			t.Fatalf("%d labels, %d accounted for", len(labels), n)
		}
		if n := len(want.Matches) + len(want.Extra); n != len(records) {
			t.Fatalf("%d records, %d accounted for", len(records), n)
		}
		rng.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		if got := Compare(labels, records); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	}
}
