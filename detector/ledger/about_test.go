package ledger

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/window"
)

// Whatever lies in which partition, the rows about the pivot come in order, none twice, none left out between the first and the last of
// them, and what is not among them is counted.
func TestAboutIsWhatTheScopeDid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a about
		var want []Chance
		pivot := int64(rapid.IntRange(0, 20000).Draw(t, "pivot"))
		for range rapid.IntRange(1, 3).Draw(t, "partitions") {
			at := int64(0)
			step := int64(rapid.IntRange(1, 9).Draw(t, "step"))
			for range rapid.SampledFrom([]int{0, 5, 3000, 6000}).Draw(t, "rows") {
				at += step
				c := Chance{At: at, Hit: at%7 == 0}
				a.note(pivot, c)
				want = append(want, c)
			}
			a.endPartition()
		}
		slices.SortFunc(want, func(x, y Chance) int { return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(one(x.Hit), one(y.Hit))) })
		got := a.all()
		if len(got.Rows) == 0 {
			if n := int64(len(want)); n > 0 && got.Trials != n && n < aboutAfter {
				t.Fatalf("%d rows, and %d counted", n, got.Trials)
			}
			return
		}
		first := slices.IndexFunc(want, func(c Chance) bool { return c.At >= got.Rows[0].At })
		if !slices.Equal(got.Rows, want[first:first+len(got.Rows)]) {
			t.Fatalf("%d rows from %v on are not those of the scope", len(got.Rows), got.Rows[0])
		}
		hits := int64(0)
		for _, c := range want[first+len(got.Rows):] {
			hits += int64(one(c.Hit))
		}
		if n := int64(len(want) - first - len(got.Rows)); got.Trials != n || got.Hits != hits {
			t.Fatalf("%d of %d after the last, want %d of %d", got.Hits, got.Trials, hits, n)
		}
		if len(want) <= aboutAfter && len(got.Rows) != len(want) {
			t.Fatalf("%d rows of %d", len(got.Rows), len(want))
		}
	})
}

// Only rows of the claim's scope that could bear the flag count, a day before the incident too, and none that another claim has taken.
func TestAboutTakesChancesOnly(t *testing.T) {
	c := claimOf(cohort.Over)
	c.Pivot, c.Around = onset+1e9, c.Where
	other := claimOf(cohort.Duplicate)
	other.Incident = "inc_0"
	b := NewBooker([]Claim{other, c})
	at := func(ns int64, more func(*cohort.Row)) cohort.Row {
		return row(func(it *cohort.Row) {
			it.Event.Time = onset + ns
			if more != nil {
				more(it)
			}
		})
	}
	b.Add(at(-3600e9, nil))
	b.Add(at(0, func(it *cohort.Row) { it.Quote.Known = false }))
	b.Add(at(0, func(it *cohort.Row) { it.Event.Dims[event.Plan] = "free" }))
	b.Add(at(0, func(it *cohort.Row) { it.Event.Status = event.Failed }))
	b.Add(at(1e9, flagged(cohort.Over)))
	b.Add(at(2e9, flagged(cohort.Duplicate)))
	b.Add(at(3e9, flagged(cohort.Over)))
	b.Add(at(20e9, flagged(cohort.Over)))
	user := xxhash.Sum64String("u1")
	want := []Chance{{onset - 3600e9, false, user, 0}, {onset + 1e9, true, user, 0}, {onset + 3e9, true, user, 0}}
	if got := b.Results()["inc_1"].About; !slices.Equal(got.Rows, want) || got.Trials != 0 {
		t.Errorf("got %v and %d more, want %v", got.Rows, got.Trials, want)
	}
}

// With hindsight a row counts for what it tells of those before it, at the time of which it tells that, and the past says how often one
// shows what it should not.
func TestAboutInHindsight(t *testing.T) {
	tells := func(shows bool, begun int64) func(*cohort.Row) {
		return func(it *cohort.Row) {
			it.Tells, it.Begun = it.Tells.With(cohort.Gap), begun
			if shows {
				it.Shows = it.Tells
			}
		}
	}
	turned := func(stood, ended int64, kind window.Kind) func(*cohort.Row) {
		return func(it *cohort.Row) {
			it.Gauge = window.Reading{Kind: kind, At: it.Event.Time, Stood: onset + stood, Ended: onset + ended}
		}
	}
	user := xxhash.Sum64String("u1")
	for _, c := range []struct {
		name string
		flag cohort.Flag
		rows []func(*cohort.Row) // one a second
		want []Chance
	}{
		{
			"requests that follow others", cohort.Gap,
			[]func(*cohort.Row){tells(false, 0), nil, tells(false, onset-5e9), tells(true, 0)},
			[]Chance{{onset - 7200e9, true, user, 0}, {onset - 5e9, false, user, 0}, {onset, false, user, 0}, {onset + 2e9, false, user, 0}, {onset + 3e9, true, user, 0}},
		},
		{
			"windows that ended", cohort.GaugeOff,
			[]func(*cohort.Row){turned(-9e9, -7e9, window.None), nil, turned(-5e9, -3e9, window.Kept)},
			[]Chance{{onset - 9e9, false, 0, 0}, {onset - 3e9, true, 0, 0}},
		},
	} {
		b := NewBooker([]Claim{{Incident: "inc_1", From: onset, To: onset + 10e9, Flag: c.flag, ByMeasure: c.flag == cohort.Gap, Hindsight: true, Pivot: onset + 1e9}})
		b.Add(row(func(it *cohort.Row) {
			tells(true, 0)(it)
			it.Event.Time = onset - 7200e9
		}))
		for i, tell := range c.rows {
			b.Add(row(func(it *cohort.Row) {
				if it.Event.Time = onset + int64(i)*1e9; tell != nil {
					tell(it)
				}
			}))
		}
		about := b.Results()["inc_1"].About
		past := [2]int64{1, 1}
		if c.flag == cohort.GaugeOff {
			past = [2]int64{}
		}
		if !slices.Equal(about.Rows, c.want) || about.Past != past {
			t.Errorf("%s: %v with a past of %v, want %v", c.name, about.Rows, about.Past, c.want)
		}
	}
}

// A charge and those that should not exist and follow on it are one chance; what has no such company is one by itself.
func TestPaired(t *testing.T) {
	for _, c := range []struct{ name, rows, want string }{
		{"a row and its penalty", "a1 A2", "A2"},
		{"a row that was spared", "a1 b2 B3", "a1 B3"},
		{"charged three times", "a1 A2 A3", "A2"},
		{"two rows of one user, then both their penalties", "a1 a2 A3 A4", "A3 A4"},
		{"spared, then hit", "a1 a2 A3", "a1 A3"},
		{"another's follows", "a1 b2 A3 B4", "A3 B4"},
		{"a penalty alone", "A1", "A1"},
		{"long after the row: it is not that row's", "a1 A90", "a1 A90"},
		{"again, long after", "a1 A2 A90", "A2 A90"},
	} {
		parse := func(s string) (out []Chance) {
			for f := range strings.FieldsSeq(s) {
				at, err := strconv.Atoi(f[1:])
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, Chance{At: int64(at) * 1e9, Hit: f[0] < 'a', Pair: uint64(f[0] | 0x20)})
			}
			return out
		}
		if got, want := paired(parse(c.rows)), parse(c.want); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}
