package ledger

import (
	"fmt"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// What a scope did is summed from its first affected row to its last, in each partition: a clean row before or after them is
// no part of the incident, one between them is.
func TestInsideReachesFromTheFirstAffectedRowToTheLast(t *testing.T) {
	const clean, hit = false, true
	pro := Claim{Incident: "inc_1", Where: where("plan", "pro"), From: onset, To: onset + cohort.Hour, Flag: cohort.Over}
	for _, c := range []struct {
		why        string
		partitions [][]bool // rows a second apart, of users in turn
		rows, off  int64
		users      int64
	}{
		{"nothing is affected", [][]bool{{clean, clean}}, 0, 0, 0},
		{"clean rows before and after", [][]bool{{clean, clean, hit, clean, hit, clean}}, 3, 2, 1},
		{"another partition begins anew", [][]bool{{hit, hit}, {clean, clean, hit}}, 3, 3, 3},
		{"what follows the last of one partition is not the other's", [][]bool{{hit, clean, clean}, {hit}}, 2, 2, 2},
	} {
		t.Run(c.why, func(t *testing.T) {
			b := NewBooker([]Claim{pro})
			for p, rows := range c.partitions {
				for i, off := range rows {
					e := &event.Event{User: fmt.Sprintf("p%du%d", p, i%3), Time: onset + int64(i)*1e9, Credits: credits("12")}
					e.Dims[event.Plan] = "pro"
					it := cohort.Row{Event: e}
					if off {
						it.Flags = it.Flags.With(cohort.Over)
					}
					b.Add(it)
				}
				b.EndPartition()
			}
			in := b.Results()["inc_1"].Inside
			if in.Rows != c.rows || in.Flagged(cohort.Over).Rows != c.off || in.Users != c.users {
				t.Errorf("%d rows, %d of them affected, %d users", in.Rows, in.Flagged(cohort.Over).Rows, in.Users)
			}
			if got := in.Flagged(cohort.Over).DayUsers; c.off > 0 && got != int64(len(b.Results()["inc_1"].Rows)) {
				t.Errorf("%d users bear it, and %d are owed", got, len(b.Results()["inc_1"].Rows))
			}
		})
	}
}
