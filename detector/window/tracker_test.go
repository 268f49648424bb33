package window

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/event"
)

const whole = 40.0

var epoch = time.Date(2026, 6, 24, 9, 0, 0, 0, time.UTC).UnixNano()

func at(sec int) int64 { return epoch + int64(sec)*int64(time.Second) }

// charge is a row of plan pro; its window ends at end, and a gauge below zero is none.
func charge(sec int, credits, gauge float64, end int) *event.Event {
	e := &event.Event{Time: at(sec), Credits: event.Credits(credits * float64(event.Credit))}
	e.Dims[event.Plan] = "pro"
	if gauge >= 0 {
		e.HasQuota, e.QuotaUsed, e.QuotaResets = true, gauge, at(end)
	}
	return e
}

func reset(sec int, reason string) *event.Event {
	e := charge(sec, 0, 0, 0)
	e.Kind, e.Reason, e.QuotaResets = event.Reset, reason, 0
	return e
}

func given() *Tracker {
	return New(Options{Budgets: map[string]event.Credits{"pro": whole * event.Credit}, Wait: 2 * time.Minute})
}

func (t *Tracker) sure(e *event.Event) Reading {
	return t.Row(1, e, Charge{Most: e.Credits, Sure: true})
}

// what counts what rows reveal.
func what(t *Tracker, rows ...*event.Event) (n [4]int, judged int) {
	for _, e := range rows {
		if r := t.sure(e); r.Judged {
			judged++
			n[r.Kind]++
		}
	}
	return n, judged
}

// A window of 18,000 s, a charge of a credit every five minutes: each is a fortieth of it.
func TestRows(t *testing.T) {
	const end = 18_000
	row := func(k int, gauge float64) *event.Event { return charge(300*k, 1, gauge, end) }
	honest := func(from, to int) (rows []*event.Event) {
		for k := from; k <= to; k++ {
			rows = append(rows, row(k, float64(k)/whole))
		}
		return rows
	}
	next := func(k int, gauge float64) *event.Event { return charge(end+300*k, 1, gauge, 2*end) }
	for _, c := range []struct {
		name string
		rows []*event.Event
		want Kind // of what is wrong; None if nothing may be
	}{
		{"a gauge that agrees", honest(1, 20), None},
		{"moves eight times from the sixth row on", append(honest(1, 5), row(6, 13/whole), row(7, 21/whole), row(8, 29/whole)), Fast},
		{"jumps up without charges", append(honest(1, 5), row(6, 0.9), row(7, 0.925)), Fast},
		{"missing on part of the rows", []*event.Event{row(1, 1/whole), row(2, -1), row(3, -1), row(4, 4/whole), row(5, -1), row(6, 6/whole), row(7, 7/whole)}, None},
		{"two windows, the second from zero", append(honest(1, 20), next(1, 1/whole), next(2, 2/whole), next(3, 3/whole)), None},
		{"the second goes on where the first was", append(honest(1, 20), next(1, 21/whole), next(2, 22/whole), next(3, 23/whole)), Kept},
		{"the first is shown after its end", append(honest(1, 20), charge(end+121, 1, 21/whole, end)), Kept},
		{"shown for two minutes: clocks differ", append(honest(1, 20), charge(end+119, 1, 21/whole, end)), None},
		{"the second does not move", append(honest(1, 20), next(1, 0), next(2, 0), next(3, 0), next(4, 0)), Slow},
		{"the end is told a little differently each time", []*event.Event{charge(300, 1, 1/whole, end), charge(600, 1, 2/whole, end-3), charge(900, 1, 3/whole, end+5), charge(1200, 1, 4/whole, end)}, None},
		{"the end moves on and the gauge stays", append(honest(1, 20), charge(6300, 1, 21/whole, end+3600), charge(6600, 1, 22/whole, end+3600)), Kept},
		{"the end moves on with a gauge from zero: a reset that no row told of", append(honest(1, 20), charge(6300, 1, 1/whole, end+6300), charge(6600, 1, 2/whole, end+6300)), None},
		{"the gauge falls within its window: the same", append(honest(1, 20), row(21, 1/whole), row(22, 2/whole), row(23, 3/whole)), None},
		{"a charge is dated seconds after a gauge that knows it", append(honest(1, 20), next(1, 1/whole), next(2, 6/whole), charge(end+604, 4, -1, 0), next(3, 7/whole), next(4, 8/whole)), None},
		{"a window begins with rows without a gauge", append(honest(1, 20), next(1, -1), next(2, -1), next(3, -1), next(4, 4/whole), next(5, 5/whole)), None},
		{"the gauge falls within a window seen from its beginning", append(honest(1, 20), next(1, 1/whole), next(2, 2/whole), next(3, 3/whole), next(4, 0.2/whole), next(5, 1.2/whole), next(6, 2.2/whole)), None},
		{"a reset that comes after rows that follow it", append(honest(1, 20), next(1, 1/whole), next(2, 2/whole), next(3, 3/whole), reset(end+850, "total"), charge(end+840, 1, 4/whole, 2*end), next(4, 2/whole), next(5, 3/whole)), None},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, judged := what(given(), c.rows...)
			wrong := n[Fast] + n[Slow] + n[Kept]
			if c.want == None && wrong > 0 || c.want != None && (n[c.want] == 0 || n[c.want] != wrong) {
				t.Errorf("by kind %v of %d judged, want %v only", n, judged, c.want)
			}
			if judged == 0 {
				t.Error("nothing was judged")
			}
		})
	}
}

// The first row that shows whether a window was followed by another says when it ended and which row was the last in it.
func TestWindowsTurn(t *testing.T) {
	const end = 18_000
	row := func(sec, end int) *event.Event { return charge(sec, 0.1, float64(sec)/1e6, end) }
	for _, c := range []struct {
		name  string
		rows  []*event.Event // the last ones of a window that ends at end, and what comes then
		turns []int          // the rows that say so, and of each the row before
		kept  bool
	}{
		{"another one", []*event.Event{row(17_700, end), row(20_000, 2*end), row(20_300, 2*end)}, []int{1, 0}, false},
		{"it stands", []*event.Event{row(17_700, end), row(20_000, end), row(20_300, end)}, []int{1, 0}, true},
		{"it stands, as a row within two minutes could not say yet", []*event.Event{row(17_700, end), row(end+60, end), row(20_000, end), row(20_300, end)}, []int{2, 1}, true},
		{"within two minutes another one is shown", []*event.Event{row(17_700, end), row(end+60, 2*end), row(end+200, 2*end)}, []int{1, 0}, false},
		{"a reset was made", []*event.Event{row(17_700, end), reset(17_800, "total"), row(20_000, 2*end)}, nil, false},
		{"it has not ended", []*event.Event{row(17_000, end), row(17_300, end+3600), row(17_600, end+3600)}, nil, false},
	} {
		tr := given()
		tr.sure(row(16_400, end))
		var turns []int
		for i, e := range c.rows {
			r := tr.sure(e)
			if r.Stood == 0 && r.Ended == 0 {
				continue
			}
			turns = append(turns, i, slices.IndexFunc(c.rows, func(e *event.Event) bool { return e.Time == r.Stood }))
			if r.Ended != at(end) || (r.Kind == Kept && r.At == e.Time) != c.kept {
				t.Errorf("%s: row %d says %+v", c.name, i, r)
			}
		}
		if !slices.Equal(turns, c.turns) {
			t.Errorf("%s: rows %v say so, want %v", c.name, turns, c.turns)
		}
	}
}

// After a reset, whatever its reason, the gauge starts from zero, in a window that keeps its end or gets a new one.
func TestResets(t *testing.T) {
	const end = 18_000
	for _, reason := range []string{"total", "manual", "banked", "goodwill"} {
		for _, then := range []int{end, end + 5000} {
			for _, c := range []struct {
				name string
				from float64 // gauge that rows after the reset count from
				want Kind
			}{{"honoured", 0, None}, {"not honoured", 20, Kept}, {"takes credits away", 36, Fast}} {
				tr := given()
				for k := 1; k <= 20; k++ {
					tr.sure(charge(100*k, 1, float64(k)/whole, end))
				}
				tr.sure(reset(2100, reason))
				var rows []*event.Event
				for k := 1; k <= 4; k++ {
					rows = append(rows, charge(2100+200*k, 1, (c.from+float64(k))/whole, then))
				}
				n, judged := what(tr, rows...)
				if wrong := n[Fast] + n[Slow] + n[Kept]; wrong != n[c.want]*min(int(c.want), 1) || judged < 2 || c.want != None && wrong == 0 {
					t.Errorf("%s reset %s, window to %d: by kind %v of %d, want %v", reason, c.name, then, n, judged, c.want)
				}
			}
		}
	}
}

// The whole of a plan that is not given is learned from many users, and a fault that follows is held against it.
func TestLearned(t *testing.T) {
	tr := New(Options{Wait: 2 * time.Minute})
	use := func(user uint64, day int, factor float64) (wrong, judged int) {
		for k := 1; k <= 20; k++ {
			sec := day*86400 + int(user)*60 + 300*k
			e := charge(sec, 1, min(1, factor*float64(k)/whole), day*86400+int(user)*60+18_000)
			r := tr.Row(user, e, Charge{Most: e.Credits, Sure: true})
			if r.Judged {
				judged++
			}
			if r.Kind != None {
				wrong++
			}
		}
		return wrong, judged
	}
	day := func(n int, factor float64) (wrong, judged int) {
		for user := range uint64(30) {
			w, j := use(user+1, n, factor)
			wrong, judged = wrong+w, judged+j
		}
		tr.Advance(at((n + 1) * 86400))
		return wrong, judged
	}
	if _, judged := day(0, 1); judged != 0 {
		t.Errorf("%d readings judged before any whole is known", judged)
	}
	if got := tr.plans.budget(tr.plans.of("pro")); math.Abs(got-whole) > 0.02*whole {
		t.Fatalf("learned %.2f credits, want %v", got, whole)
	}
	if wrong, judged := day(1, 1); wrong != 0 || judged < 200 {
		t.Errorf("%d of %d right readings called wrong", wrong, judged)
	}
	if wrong, judged := day(2, 8); wrong < judged*9/10 || judged < 200 {
		t.Errorf("%d of %d readings of a gauge that runs eight times too fast called wrong", wrong, judged)
	}
	if wrong, judged := tr.Follow(), 0; wrong.plans.budget(wrong.plans.of("pro")) == 0 || wrong.Len() != judged {
		t.Error("a follower does not know the budgets, or knows users")
	}
}

// A gauge that counts something other than credits teaches no whole, so nothing is judged by it.
func TestUnrelatedGauge(t *testing.T) {
	tr := New(Options{Wait: 2 * time.Minute})
	for user := range uint64(60) {
		for k := 1; k <= 10; k++ {
			e := charge(int(user)*60+300*k, math.Exp(float64(user%12)/2), float64(k)/30.01, 30_000)
			if r := tr.Row(user, e, Charge{Most: e.Credits, Sure: true}); r.Judged {
				t.Fatal("judged")
			}
		}
		tr.Advance(at(int(user) * 60))
	}
	if got := tr.plans.budget(tr.plans.of("pro")); got != 0 {
		t.Errorf("learned %.2f credits", got)
	}
}

// A right gauge never cries, however its rows come: at any pace, several at once, rounded, missing here and there, counted a
// moment before or after their neighbours, out of order within the wait, from other pools, with refunds, over windows and resets.
func TestRightGaugeNeverCries(t *testing.T) { rapid.Check(t, func(r *rapid.T) { rightGauge(r, 1) }) }

// And a wrong one always does, under the same conditions.
func TestWrongGaugeCries(t *testing.T) { rapid.Check(t, func(r *rapid.T) { rightGauge(r, 8) }) }

func rightGauge(r *rapid.T, factor float64) {
	const wait = 120
	round := rapid.SampledFrom([]float64{0, 0.01, 0.001}).Draw(r, "round")
	missing := rapid.Float64Range(0, 0.6).Draw(r, "missing")
	disorder := rapid.IntRange(0, wait-20).Draw(r, "disorder")
	pace := rapid.IntRange(1, 400).Draw(r, "pace")
	coin := rapid.Float64Range(0, 1)
	type sent struct {
		e       *event.Event
		arrives int
		sure    bool
	}
	var rows []sent
	now, end, used := 0, -1, 0.0
	for range 400 {
		now += 1 + int(float64(pace)*coin.Draw(r, "gap"))
		if coin.Draw(r, "reset") < 0.005 {
			rows = append(rows, sent{reset(now, "total"), now, true})
			used, end = 0, -1
			now += 15 // nobody charges in the seconds in which windows are set to zero
			continue
		}
		if now >= end {
			used, end = 0, now+18_000
		}
		c := 0.001 + 0.2*coin.Draw(r, "credits")*coin.Draw(r, "large")
		sure := true
		if x := coin.Draw(r, "kind"); x < 0.02 {
			c, sure = -c, false // a refund, which moves no gauge here
		} else if x < 0.05 {
			sure = false // of another pool
		} else {
			used += c
		}
		gauge := min(1, used*factor/whole)
		if round > 0 {
			gauge = math.Round(gauge/round) * round
		}
		if coin.Draw(r, "gauge") < missing {
			gauge = -1
		}
		skew := int(3 * coin.Draw(r, "skew")) // charged a moment before it is dated
		rows = append(rows, sent{charge(now+skew, c, gauge, end), now + skew + int(float64(disorder)*coin.Draw(r, "late")), sure})
	}
	slices.SortStableFunc(rows, func(a, b sent) int { return cmp.Compare(a.arrives, b.arrives) })
	tr, wrong, judged := given(), 0, 0
	for _, s := range rows {
		x := tr.Row(1, s.e, Charge{Most: s.e.Credits, Sure: s.sure})
		if x.Judged {
			judged++
		}
		if x.Kind != None {
			wrong++
			if factor == 1 {
				r.Fatalf("kind %v at %d: shown %d, due %d", x.Kind, (s.e.Time-epoch)/int64(time.Second), x.Shown, x.Due)
			}
		}
	}
	if factor > 1 && judged >= 5 && wrong == 0 {
		r.Fatalf("none of %d readings called wrong", judged)
	}
}

// A row beyond the lateness may have moved the gauge or not.
func TestLate(t *testing.T) {
	tr := given()
	what(tr, charge(0, 1, 0.1, 18_000), charge(300, 1, 0.125, 18_000))
	tr.Late(1, charge(200, 5, -1, 0))
	if n, judged := what(tr, charge(600, 1, 0.275, 18_000), charge(900, 1, 0.3, 18_000), charge(1200, 1, 0.325, 18_000)); judged == 0 || n[Fast]+n[Slow]+n[Kept] > 0 {
		t.Errorf("by kind %v of %d", n, judged)
	}
}

// Times at the ends of what can be told, and users without a gauge, leave no state.
func TestNothingToFollow(t *testing.T) {
	tr := given()
	odd := charge(0, 1, 0.5, 100)
	odd.Time = math.MinInt64
	tr.sure(odd)
	odd.Time = math.MaxInt64
	tr.sure(odd)
	tr.sure(charge(0, 1, -1, 0))
	tr.sure(reset(0, "total"))
	if tr.Len() != 0 {
		t.Errorf("%d users followed", tr.Len())
	}
	tr.sure(charge(0, 1, 0.5, 100))
	tr.Advance(at(0))
	tr.Advance(at(9 * 86400))
	if tr.Len() != 0 {
		t.Errorf("%d users remembered after nine days", tr.Len())
	}
}

// costs returns the bytes of heap that each of many users costs.
func costs(row func(key uint64)) int {
	const users = 100_000
	in := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := in()
	for k := range users {
		row(uint64(k) * 0x9e3779b97f4a7c15)
	}
	return int(in()-before) / users
}

func TestAUserCostsNoMoreThanBytes(t *testing.T) {
	tr := given()
	e := charge(0, 0.01, 0.1, 18_000)
	if n := costs(func(key uint64) { tr.Row(key, e, Charge{}) }); n > Bytes || tr.Len() == 0 {
		t.Errorf("a user costs %d bytes, stated are %d", n, Bytes)
	}
	tr = given()
	tr.sure(e)
	if n := testing.AllocsPerRun(1000, func() {
		e.Time += int64(time.Second)
		tr.sure(e)
	}); n > 0 {
		t.Errorf("%v allocations a row of a known user", n)
	}
}

func BenchmarkRow(b *testing.B) {
	for _, users := range []int{1, 10_000, 1_000_000} {
		b.Run(strconv.Itoa(users), func(b *testing.B) {
			tr := given()
			e := charge(0, 0.01, 0.1, 18_000)
			for k := range users {
				tr.Row(uint64(k)*0x9e3779b97f4a7c15, e, Charge{})
			}
			b.ReportAllocs()
			for k := 0; b.Loop(); k++ {
				tr.Row(uint64(k%users)*0x9e3779b97f4a7c15, e, Charge{Most: e.Credits, Sure: true})
			}
		})
	}
}
