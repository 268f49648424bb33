package detector

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// What a shard says of rows that are missing, and of tokens that are, adds up over all closings: a gap once no row can settle it
// any more, in a tick that is still open.
func TestShardSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		why                string
		lost, late         bool
		short, blank       bool
		gaps, shorts, none int64
	}{
		{why: "nothing is wrong"},
		{why: "a row is lost", lost: true, gaps: 1},
		{why: "it comes a minute late", late: true},
		{why: "an answer is repeated in less than it has", short: true, shorts: 1},
		{why: "a row without tokens and charge", blank: true, none: 1},
	} {
		b := newBench(t)
		n := int64(0)
		row := func(at, input, cached int64) {
			e := &event.Event{
				Time: 1e18 + at*1e9, User: "u", Session: "s", TurnID: "t", Credits: event.Credit,
				Input: input, Cached: cached, Output: 300, HasTokens: true,
			}
			if input == 0 {
				e.Credits, e.Output, e.HasTokens = 0, 0, false
			}
			e.Dims[event.Origin] = "tool"
			n++
			e.ID = string(rune('a' + n))
			e.RequestID = e.ID
			b.fold(Record{Offset: n, Value: string(e.AppendJSON(nil))}, e, nil)
		}
		for i := range int64(40) { // the clock wants some rows to start
			e := &event.Event{ID: "x" + string(rune('a'+i)), Time: 1e18 - 100e9 + i*1e9, User: string(rune('a' + i)), Credits: event.Credit, Input: 5, Output: 5, HasTokens: true}
			e.RequestID = e.ID
			b.fold(Record{Offset: i, Value: string(e.AppendJSON(nil))}, e, nil)
		}
		row(0, 4000, 0)
		if !c.lost && !c.late {
			row(10, 5000, 4000)
		}
		third := int64(6000)
		if c.short {
			third = 5200
		}
		row(20, third, 5000)
		if c.late {
			row(10, 5000, 4000)
		}
		if c.blank {
			row(25, 0, 0)
		}
		row(30, 7000, third-100)
		b.finish()
		var sum cohort.Cell
		for _, cl := range b.closings {
			for _, x := range cl.cells {
				sum.Add(x.cell)
			}
		}
		if g, s, f := sum.Flagged(cohort.Gap), sum.Flagged(cohort.Short), sum.Flagged(cohort.Blank); g.Rows != c.gaps || s.Rows != c.shorts || f.Rows != c.none {
			t.Errorf("%s: %d gaps, %d too short, %d blank; want %d, %d, %d", c.why, g.Rows, s.Rows, f.Rows, c.gaps, c.shorts, c.none)
		} else if g.Rows > 0 && (g.Users != 1 || g.DayUsers != 1 || g.First != 1e18+20e9) {
			t.Errorf("%s: %+v", c.why, g)
		}
		if sum.Follows == 0 || sum.Grows == 0 {
			t.Errorf("%s: %d rows follow, %d grow", c.why, sum.Follows, sum.Grows)
		}
	}
}
