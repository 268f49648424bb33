package detector

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// noon is 2026-06-18 12:00 UTC.
var noon = time.Date(2026, 6, 18, 12, 0, 0, 0, time.UTC).UnixNano()

const (
	second = int64(time.Second)
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
)

// in2106 is what a clock that overflowed says.
var in2106 = time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC).UnixNano()

// driven is a clock and what became of each row that it placed, as a shard does.
type driven struct {
	clock
	same                bool   // all rows are one user's
	rows                uint64 // users so far
	onTime, late, never []int64
}

func (d *driven) row(t int64) {
	d.take(t)
	d.again(d.release(false))
	for _, r := range d.overflow(false) {
		d.never = append(d.never, r.Offset)
	}
}

func (d *driven) take(t int64) {
	if !d.started {
		d.hold(Record{Offset: t}, t, d.user())
		return
	}
	switch d.place(t, d.user()) {
	case ahead:
		d.hold(Record{Offset: t}, t, d.user())
	case late:
		d.late = append(d.late, t)
	case onTime:
		d.onTime = append(d.onTime, t)
	}
}

// user returns whose row it is: each row is another's unless the test says otherwise.
func (d *driven) user() uint64 {
	if d.same {
		return 1
	}
	d.rows++
	return d.rows
}

func (d *driven) again(rows []Record) {
	for _, r := range rows {
		d.take(r.Offset)
	}
}

func (d *driven) end() {
	for rows := d.release(true); rows != nil; rows = d.release(true) {
		d.again(rows)
	}
	for _, r := range d.overflow(true) {
		d.never = append(d.never, r.Offset)
	}
}

func drive(times ...int64) *driven {
	d := &driven{clock: clock{lateness: 2 * minute}}
	for _, t := range times {
		d.row(t)
	}
	return d
}

// every returns n times from start on, step apart.
func every(start, step int64, n int) (out []int64) {
	for i := range int64(n) {
		out = append(out, start+i*step)
	}
	return out
}

// One row from 2106 is never believed, and costs the others nothing.
func TestOneRowFrom2106(t *testing.T) {
	for name, at := range map[string]int{"first": 0, "while the head is set": 10, "later": 100, "last": 200} {
		times := slices.Insert(every(noon, second, 200), at, in2106)
		d := drive(times...)
		d.end()
		if len(d.onTime) != 200 || len(d.late) != 0 || !slices.Equal(d.never, []int64{in2106}) || d.head != noon+199*second {
			t.Errorf("%s: %d on time, %d late, never %v, head %v", name, len(d.onTime), len(d.late), d.never, time.Unix(0, d.head).UTC())
		}
	}
}

// A row from 1970 is late, wherever it comes.
func TestOneRowFrom1970(t *testing.T) {
	for name, at := range map[string]int{"first": 0, "while the head is set": 10, "later": 100} {
		d := drive(slices.Insert(every(noon, second, 200), at, 5)...)
		d.end()
		if len(d.onTime) != 200 || !slices.Equal(d.late, []int64{5}) || len(d.never) != 0 {
			t.Errorf("%s: %d on time, late %v, never %v", name, len(d.onTime), d.late, d.never)
		}
	}
}

// A night without traffic, or a week, stops nothing: every row is placed.
func TestGaps(t *testing.T) {
	for _, gap := range []int64{30 * minute, 2 * hour, 9 * hour, 7 * 24 * hour} {
		d := drive(append(every(noon, second, 100), every(noon+gap, second, 100)...)...)
		d.end()
		if len(d.onTime) != 200 || len(d.late) != 0 || len(d.never) != 0 || d.head != noon+gap+99*second {
			t.Errorf("after %v: %d on time, %d late, %d never", time.Duration(gap), len(d.onTime), len(d.late), len(d.never))
		}
	}
}

// A start amid garbage finds the time that most rows agree on.
func TestStartWithGarbage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	times := every(noon, second, 300)
	for i := range 7 { // of the first 32
		times = slices.Insert(times, rng.IntN(20), in2106-int64(i)*hour)
		times = slices.Insert(times, rng.IntN(20), int64(i)*24*hour)
	}
	d := drive(times...)
	d.end()
	if len(d.onTime) != 300 || len(d.late) != 7 || len(d.never) != 7 {
		t.Errorf("%d on time, %d late, %d never; want 300, 7, 7", len(d.onTime), len(d.late), len(d.never))
	}
}

// Rows that come in order from the start on, an hour or more within the first few dozen, are all on time.
func TestStartOfASparsePartition(t *testing.T) {
	d := drive(every(noon, minute, 90)...)
	d.end()
	if len(d.onTime) != 90 {
		t.Errorf("%d of 90 on time, %d late, %d never", len(d.onTime), len(d.late), len(d.never))
	}
}

// Broken clocks in the minority move nothing however many they are; when they are the majority for good, as when the producers'
// time zone was wrong before, the head follows them rather than stand still.
func TestBrokenClocks(t *testing.T) {
	var times []int64
	for _, at := range every(noon, second, 600) {
		times = append(times, at, at+second/2)
		if at%(3*second) == 0 {
			times = append(times, at+5*hour)
		}
	}
	d := drive(times...)
	d.end()
	if len(d.onTime) != 1200 || len(d.never) == 0 || d.head > noon+601*second {
		t.Errorf("minority: %d of 1200 on time, %d never, head %v", len(d.onTime), len(d.never), time.Unix(0, d.head).UTC())
	}

	d = drive(append(every(noon, second, 50), every(noon+5*hour, second, 500)...)...)
	if d.head != noon+5*hour+499*second || len(d.onTime) != 550 {
		t.Errorf("majority: %d of 550 on time, head %v", len(d.onTime), time.Unix(0, d.head).UTC())
	}
}

// Memory is bounded when rows ahead come and come, and none of them is believed while the rows near the head are more.
func TestHeldRowsAreBounded(t *testing.T) {
	var times []int64
	for _, at := range every(noon, second/100, 3*maxHeld) {
		times = append(times, at, at+1, in2106)
	}
	d := drive(times...)
	if len(d.held) >= maxHeld || len(d.never) == 0 || len(d.onTime) != 6*maxHeld {
		t.Errorf("%d held, %d never, %d on time", len(d.held), len(d.never), len(d.onTime))
	}
}

// Any order within the lateness leaves every row on time, and the head where it belongs.
func TestDisorderWithinTheLateness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type row struct{ at, arrives int64 }
		var rows []row
		at := noon
		for range rapid.IntRange(40, 200).Draw(t, "rows") {
			at += rapid.Int64Range(0, 30*second).Draw(t, "gap")
			rows = append(rows, row{at, at + rapid.Int64Range(0, 2*minute).Draw(t, "delay")})
		}
		slices.SortStableFunc(rows, func(a, b row) int { return int(a.arrives - b.arrives) })
		d := drive()
		for _, r := range rows {
			d.row(r.at)
			if d.started && d.closed() > d.head-tickLag {
				t.Fatalf("ticks up to %d are closed at head %d", d.closed(), d.head)
			}
		}
		d.end()
		if len(d.onTime) != len(rows) || d.head != at {
			t.Fatalf("%d of %d on time, %d late, %d never, head %v", len(d.onTime), len(rows), len(d.late), len(d.never), d.head-at)
		}
	})
}

// The head never goes back, and every row is accounted for once, whatever comes.
func TestEveryRowIsPlacedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drive()
		head, n := int64(0), rapid.IntRange(0, 300).Draw(t, "rows")
		for range n {
			d.row(noon + rapid.SampledFrom([]int64{0, second, minute, 3 * minute, 50 * minute, 70 * minute, 100 * minute, 2 * hour, 26 * hour, -5 * minute, -noon, in2106 - noon}).Draw(t, "at"))
			if d.started && d.head < head {
				t.Fatalf("the head went back by %v", time.Duration(head-d.head))
			}
			head = d.head
		}
		d.end()
		if got := len(d.onTime) + len(d.late) + len(d.never); got != n {
			t.Fatalf("%d of %d rows are accounted for", got, n)
		}
	})
}
