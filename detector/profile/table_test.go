package profile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

// monday is 2026-06-01 00:00 UTC.
var monday = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).UnixNano()

var plain = &cohort.Leaf{Values: [event.NumDims]string{event.Plan: "pro"}}

// heard is what a table said.
type heard struct {
	moments  []Moments
	findings []Finding
}

func newHeard() (*Table, *heard) {
	h := &heard{}
	return NewTable(func(m *Moments) { h.moments = append(h.moments, *m) }, func(f Finding) { h.findings = append(h.findings, f) }), h
}

func (h *heard) of(k FindingKind) (out []Finding) {
	for _, f := range h.findings {
		if f.Kind == k {
			out = append(out, f)
		}
	}
	return out
}

// charge is a row of a user, priced as charged.
func charge(user string, at int64, credits float64) (*event.Event, price.Quote) {
	e := &event.Event{User: user, Time: at, Credits: event.Credits(credits * 1e9), Input: 1000, Output: 100, HasTokens: true, Device: "laptop", ASN: "as1", APIKey: "k1"}
	return e, price.Quote{Known: true, Expected: e.Credits}
}

func (t *Table) charge(user string, at int64, credits float64) Row {
	e, q := charge(user, at, credits)
	return t.Fold(e, plain, 0, q)
}

// heap returns the bytes in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A known user's row costs no allocation, whether it stays in its bucket, closes one, or begins a day.
func TestFoldOfAKnownUserAllocatesNothing(t *testing.T) {
	n := 0
	table := NewTable(func(*Moments) { n++ }, func(Finding) {})
	at := monday
	e, q := charge("u", at, 1)
	table.Fold(e, plain, 0, q)
	for _, step := range []int64{1e9, 60e9, Bucket, day} {
		if a := testing.AllocsPerRun(500, func() {
			e.Time += step
			e.TurnID = "t"
			table.Fold(e, plain, cohort.Flags(0).With(cohort.Over), q)
		}); a != 0 {
			t.Errorf("rows %v apart: %v allocations", time.Duration(step), a)
		}
	}
	if n == 0 {
		t.Error("no bucket was measured: the test did not reach what it should")
	}
	// Nor does one that comes from rest and goes back.
	if a := testing.AllocsPerRun(500, func() {
		e.Time += Bucket
		table.Fold(e, plain, cohort.Flags(0).With(cohort.Over), q)
		if table.Close(e.Time + 3*Bucket); len(table.active) != 0 {
			t.Fatal("the user is not at rest")
		}
		table.Fold(e, plain, cohort.Flags(0).With(cohort.Over), q)
	}); a != 0 {
		t.Errorf("from rest: %v allocations", a)
	}
}

// The table holds no more than it may; who goes is one of the longest silent, the same on every run.
func TestTableIsBounded(t *testing.T) {
	var left []uint64
	for run := range 2 {
		table, _ := newHeard()
		table.most = 1000
		rng := rand.New(rand.NewPCG(1, 1))
		at := monday
		for i := range 20_000 {
			at += 1e9
			table.charge(fmt.Sprint("busy", i%50), at, 1)
			table.charge(fmt.Sprint("u", rng.IntN(1_000_000)), at, 1)
			if table.Len() > table.most {
				t.Fatalf("%d users, at most %d", table.Len(), table.most)
			}
		}
		if table.Evicted == 0 {
			t.Error("nobody was given up")
		}
		for i := range 50 {
			if u := table.user(fmt.Sprint("busy", i)); u == nil || u.FirstAt > monday+100e9 {
				t.Errorf("busy user %d was given up", i)
			}
		}
		keys := make([]uint64, table.Len())
		for i := range keys {
			keys[i] = table.index.Hash(uint32(i))
		}
		if run == 1 && !slices.Equal(keys, left) {
			t.Error("other users are left after the same rows")
		}
		left = keys
	}
}

// What is said of users does not depend on the order in which their rows came, as long as each user's are in order.
func TestOrderOfUsersDoesNotMatter(t *testing.T) {
	say := func(shuffle uint64) *heard {
		table, h := newHeard()
		rng := rand.New(rand.NewPCG(shuffle, 0))
		for b := range int64(6 * 144) {
			from := monday + b*Bucket
			for _, u := range rng.Perm(30) {
				// A world of its own for each user and bucket: every fifth user drains round the clock on the sixth day.
				own := rand.New(rand.NewPCG(uint64(u), uint64(b)))
				credits := math.Exp(own.NormFloat64())
				drained := b >= 5*144 && u%5 == 0
				if drained {
					credits *= 30
				}
				if own.IntN(8) == 0 || drained {
					table.charge(fmt.Sprint("u", u), from+own.Int64N(Bucket), credits)
				}
			}
			table.Close(from + Bucket)
		}
		return h
	}
	one, two := say(1), say(2)
	if len(one.of(Drain)) == 0 || len(one.moments) == 0 {
		t.Fatal("nothing was said: the test does not reach what it should")
	}
	if fmt.Sprintf("%+v", one.findings) != fmt.Sprintf("%+v", two.findings) { // as text, since NaN differs from itself
		t.Errorf("findings differ:\n%+v\n%+v", one.findings, two.findings)
	}
	if !reflect.DeepEqual(one.moments, two.moments) {
		t.Error("moments differ")
	}
}

// Today's buckets enter the past a day late, decayed by the day, and count for dayCap buckets at most.
func TestThePastIsMergedADayLate(t *testing.T) {
	table, _ := newHeard()
	at := func(d, bucket int64) int64 { return monday + d*day + bucket*Bucket }
	for b := range int64(10) {
		table.charge("u", at(0, b), 1)
	}
	table.Close(at(1, 0))
	u := table.user("u")
	if u.past.Buckets != 0 || u.today.Buckets != 10 {
		t.Fatalf("the same day: past of %v buckets, today of %v", u.past.Buckets, u.today.Buckets)
	}
	table.charge("u", at(1, 0), 1)
	if u.past.Buckets != 10 || u.past.List != 10 || u.pastDays != 1 || u.today.Buckets != 0 {
		t.Fatalf("the day after: past %+v over %v days", u.past, u.pastDays)
	}
	for b := range int64(100) { // a day beyond the cap
		table.charge("u", at(1, b), 1)
	}
	u.volume = 0 // that nothing is held
	table.charge("u", at(3, 0), 1)
	near := func(a float32, b float64) bool { return math.Abs(float64(a)-b) < 1e-3 }
	if want := 10*dayDecay + dayCap; !near(u.past.Buckets, want) || !near(u.pastDays, 1*dayDecay+2) {
		t.Errorf("past of %v buckets over %v days, want %v over %v", u.past.Buckets, u.pastDays, want, dayDecay+2)
	}
}

// The past does not learn from a day on which evidence stands.
func TestThePastIsHeldWhileEvidenceStands(t *testing.T) {
	table, _ := newHeard()
	table.charge("u", monday, 1)
	table.charge("u", monday+Bucket, 1)
	table.Close(monday + 2*Bucket)
	u := table.user("u")
	u.past = Counts{Buckets: minPast, List: minPast}
	u.volume = VolumeThreshold
	table.charge("u", monday+day, 1)
	if u.past.Buckets != minPast || u.today.Buckets != 0 {
		t.Errorf("past of %v buckets after a day on which evidence stood", u.past.Buckets)
	}
	u.past, u.volume = Counts{}, VolumeThreshold
	u.today = Counts{Buckets: 2, List: 2}
	table.charge("u", monday+2*day, 1)
	if u.past.Buckets < 2 {
		t.Errorf("past of %v buckets: who has no past learns one, whatever the population's says", u.past.Buckets)
	}
}

// What was drawn lately halves every five hours, also while nothing is drawn and whoever draws is packed.
func TestLatelyFades(t *testing.T) {
	table, _ := newHeard()
	table.charge("u", monday, 8)
	for i, want := range []float64{8, 8, 4, 2} {
		at := monday + Bucket - 1
		if i > 0 {
			at = monday + int64(i-1)*5*cohort.Hour
			table.Close(at)
		}
		if v, _ := table.View("u", at); math.Abs(float64(v.Short.Credits)-want) > 1e-3 || v.Short.Rows != v.Short.Requests {
			t.Errorf("%v are left of 8 at %d, want %v", v.Short.Credits, i, want)
		}
	}
	table.charge("u", monday+15*cohort.Hour, 1)
	if v, _ := table.View("u", monday+15*cohort.Hour); math.Abs(float64(v.Short.Credits)-2) > 1e-3 {
		t.Errorf("%v are left of 8 after three times five hours and 1 more, want 2", v.Short.Credits)
	}
}

// What a row finds out about its user: the first of an hour, of a turn, unprompted, and flags anew within an hour and a day.
func TestRowFacts(t *testing.T) {
	table, _ := newHeard()
	over := cohort.Flags(0).With(cohort.Over)
	for i, c := range []struct {
		minute       int64
		turn, origin string
		flags        cohort.Flags
		want         Row
	}{
		{0, "t1", "user", 0, Row{NewHour: true, NewTurn: true}},
		{1, "t1", "tool", over, Row{Fresh: over, FreshDay: over}},
		{2, "t1", "background", over, Row{Unprompted: true}},
		{3, "t2", "", 0, Row{NewTurn: true}},
		{4, "", "", 0, Row{Unprompted: true}}, // others of this user have turns
		{59, "t1", "user", over, Row{}},       // a turn that goes on
		{61, "t2", "user", over, Row{NewHour: true, Fresh: over}},
		{62, "", "auto_review", over.With(cohort.Copy), Row{Fresh: cohort.Flags(0).With(cohort.Copy), FreshDay: cohort.Flags(0).With(cohort.Copy)}},
		{24*60 + 1, "t3", "user", over, Row{NewHour: true, NewTurn: true, Fresh: over, FreshDay: over}},
	} {
		e, q := charge("u", monday+c.minute*60e9, 1)
		e.TurnID, e.Dims[event.Origin] = c.turn, c.origin
		if got := table.Fold(e, plain, c.flags, q); got != c.want {
			t.Errorf("row %d: %+v, want %+v", i, got, c.want)
		}
	}
}

// A user whose rows are off is named at ten rows and at every doubling, unless such rows are usual for them.
func TestSuspects(t *testing.T) {
	table, h := newHeard()
	at := monday
	row := func(user string, flags cohort.Flags) {
		at += 1e9
		e, q := charge(user, at, 1)
		table.Fold(e, plain, flags, q)
	}
	for range 45 {
		row("u", cohort.Flags(0).With(cohort.Duplicate))
	}
	var rows []int64
	for _, f := range h.of(Suspect) {
		if f.User != "u" || f.Flag != cohort.Duplicate || f.Since != monday+1e9 {
			t.Errorf("%+v", f)
		}
		rows = append(rows, f.Rows)
	}
	if !reflect.DeepEqual(rows, []int64{10, 20, 40}) {
		t.Errorf("said at %v rows, want 10, 20 and 40", rows)
	}
	h.findings = nil
	for range 300 { // half of the rows of many hours are off: nothing new about this user
		at += cohort.Hour
		for range 8 {
			row("usual", cohort.Flags(0).With(cohort.Duplicate))
			row("usual", 0)
		}
	}
	h.findings = nil
	for range 40 {
		row("usual", cohort.Flags(0).With(cohort.Duplicate))
	}
	if got := h.of(Suspect); len(got) != 0 {
		t.Errorf("said of a user who is always so: %+v", got[0])
	}
}

// BenchmarkFold folds rows of users drawn evenly from many, 30,000 rows a bucket: with the most, nearly each comes from rest.
func BenchmarkFold(b *testing.B) {
	for _, users := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(users), func(b *testing.B) {
			table := NewTable(func(*Moments) {}, func(Finding) {})
			names := make([]string, users)
			for i := range names {
				names[i] = fmt.Sprintf("u_%011d", i)
				table.charge(names[i], monday, 1)
			}
			table.Close(monday + 2*Bucket)
			e, q := charge("", monday+day, 1)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				e.User = names[uint64(i)*0x9e3779b1%uint64(users)]
				before := e.Time
				if e.Time += 20e6; e.Time/Bucket != before/Bucket {
					table.Close(e.Time)
				}
				table.Fold(e, plain, 0, q)
			}
		})
	}
}

// What fails is asked again, and is no request more for a turn; what nobody was denied and is asked again is.
func TestFailuresAreNoRequestsMore(t *testing.T) {
	for _, c := range []struct {
		why    string
		status event.Status
		want   float64
	}{
		{"an outage: three of four requests fail", event.Failed, 1},
		{"a loop: four go well", event.OK, 2.5}, // half way: a bucket of one turn is held against one of the past
	} {
		table, heard := newHeard()
		ask := func(at int64, turn string, status event.Status) {
			e, q := charge("u", at, 1)
			e.TurnID, e.Status = turn, status
			table.Fold(e, plain, 0, q)
		}
		for i := range int64(40) {
			ask(monday+i*Bucket, fmt.Sprint(i), event.OK)
		}
		at := monday + 2*day
		for i := range int64(3) {
			ask(at+i*10e9, "last", c.status)
		}
		ask(at+30e9, "last", event.OK)
		table.Close(at + 2*Bucket)
		m := heard.moments[len(heard.moments)-1]
		if got := math.Exp(m.X[cohort.RequestsPerTurn]); math.Abs(got-c.want) > 0.01 {
			t.Errorf("%s: x%.3f requests a turn, want x%.3f", c.why, got, c.want)
		}
	}
}
