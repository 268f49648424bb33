package profile

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// A fault of all of a user's rows is told at ten of them however few there are an hour, from the first of them on; rows that
// are off now and then, and those of somebody who has always been so, never are.
func TestSlowSuspects(t *testing.T) {
	over := cohort.Flags(0).With(cohort.Over)
	always := func(int64) cohort.Flags { return over }
	for _, c := range []struct {
		why   string
		fault func(row int64) cohort.Flags // of rows 20 minutes apart, from the fault on
		fails func(row int64) bool
		clean int64 // rows before it
		rows  int64 // with which it is told, 0 if not
		first int64 // the row from which on
	}{
		{"every row, three an hour", always, nil, 300, 10, 0},
		{"every row, with failures between that cannot bear it", func(i int64) cohort.Flags {
			if i%3 == 1 {
				return 0
			}
			return over
		}, func(i int64) bool { return i%3 == 1 }, 300, 10, 0},
		{"every third row: no run, and too few an hour", func(i int64) cohort.Flags {
			if i%3 == 0 {
				return over
			}
			return 0
		}, nil, 300, 0, 0},
		{"a clean day between: counted from after it", func(i int64) cohort.Flags {
			if i >= 5 && i < 77 {
				return 0
			}
			return over
		}, nil, 300, 10, 77},
		{"always so, from the first row of the account on", always, nil, 0, 0, 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			table, h := newHeard()
			at := monday
			fold := func(flags cohort.Flags, failed bool) {
				at += 2 * Bucket
				e, q := charge("u", at, 1)
				if failed {
					e.Status = event.Failed
				}
				table.Fold(e, plain, flags, q)
			}
			for range c.clean {
				fold(0, false)
			}
			if c.clean == 0 {
				for range 200 {
					fold(over, false)
				}
				h.findings = nil
			}
			began := at + 2*Bucket
			for i := range int64(120) {
				fold(c.fault(i), c.fails != nil && c.fails(i))
			}
			said := h.of(Suspect)
			if c.rows == 0 {
				if len(said) > 0 {
					t.Fatalf("told: %+v", said[0])
				}
				return
			}
			if len(said) == 0 || said[0].Rows != c.rows || said[0].Since != began+c.first*2*Bucket {
				t.Fatalf("told %d times; want first with %d rows since row %d: %+v", len(said), c.rows, c.first, said[:min(len(said), 1)])
			}
			if last := said[len(said)-1].At; at-last > 2*cohort.Hour {
				t.Errorf("last told %v h before the last row: a run is told every hour", (at-last)/cohort.Hour)
			}
		})
	}
}

// Whose run of rows that are off ends in rows that are right is said once, of runs that were said; a night ends none.
func TestRighted(t *testing.T) {
	over := cohort.Flags(0).With(cohort.Over)
	table, h := newHeard()
	at := monday
	fold := func(n int, flags cohort.Flags) {
		for range n {
			at += Bucket
			e, q := charge("u", at, 1)
			table.Fold(e, plain, flags, q)
		}
	}
	fold(300, 0)
	fold(5, over)
	fold(50, 0)
	if said := h.of(Righted); len(said) > 0 {
		t.Fatalf("five rows are no run that was said, and yet %+v", said)
	}
	fold(30, over)
	at += 14 * cohort.Hour
	fold(30, over)
	mended := at
	if said := h.of(Righted); len(said) > 0 {
		t.Fatalf("said %+v while every row is off", said)
	}
	fold(50, 0)
	said := h.of(Righted)
	if len(said) != 1 || said[0].User != "u" || said[0].Flag != cohort.Over || said[0].At <= mended || said[0].At > mended+3*Bucket {
		t.Errorf("mended at %d, and said %+v", mended, said)
	}
}
