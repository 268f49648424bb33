package ledger

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// habits are the hours in which one user had rows: what each drew until an incident began, and how many there were in it.
type habits struct {
	past     []verdict.Period // an hour each, in order of time
	pastHour int64            // the latest of those
	from, to int64            // event times of the first and the last row of the past
	then     float64          // hours with rows in it up to the last affected row,
	since    float64          // and after that
	thenHour int64

	blends  [2]verdict.Blend // what they were of: before, and in it up to the last affected row
	waiting verdict.Blend    // and after that
}

// own counts a row of a claim's one user in what that one drew before the first affected row, or in it.
func (c *claim) own(it *cohort.Row) {
	h, off := &c.habits, it.Flags.Has(c.Flag) && it.Event.Time >= c.From
	if h.waiting == nil {
		h.blends, h.waiting = [2]verdict.Blend{{}, {}}, verdict.Blend{}
	}
	sort := c.sorts.list[c.sorts.number(it.Event)]
	if c.begun || off {
		h.waiting.Add(sort, cellOf(it, false), 1)
		if newHour(&h.thenHour, it.Event.Time) {
			h.since++
		}
		if off {
			h.then, h.since = h.then+h.since, 0
			for s, p := range h.waiting {
				h.blends[1].Put(s, &p.Drawn, 1)
			}
			clear(h.waiting)
		}
		return
	}
	at := it.Event.Time
	if newHour(&h.pastHour, at) {
		h.past = append(h.past, verdict.Period{})
	}
	if len(h.past) > 0 {
		x, cell := &h.past[len(h.past)-1], cellOf(it, false)
		x.Add(cell, 1)
		x.Users = 1
		h.blends[0].Add(sort, cell, 1)
	}
	if h.from == 0 {
		h.from = at
	}
	h.to = max(h.to, at)
}

// leastLike is how many like stretches tell what is usual (verdict.Spreads), mostLike how many are kept of it.
const leastLike, mostLike = 3, 24

// compared returns what the user drew from the first affected row to the last, inside, what as many hours with rows drew before it at the mean, and
// what each stretch of so many did, the latest first; of fewer hours where the past has not three such. Users are those hours.
//
// A user's hours are told apart by whether there was work in them, not by the time of the day: the price of a row is what it is at any.
func (h *habits) compared(inside *cohort.Cell) (now, before verdict.Period, like []verdict.Period) {
	n := len(h.past) // hours
	if n < leastLike || h.to-h.from < leastPast || h.then == 0 {
		return verdict.Period{}, verdict.Period{}, nil
	}
	now.Add(inside, 1)
	now.Users = h.then
	for _, x := range h.past {
		before = before.Plus(x)
	}
	long := max(min(int(h.then), n/leastLike), 1)
	for past := range slices.Chunk(h.past[n%long:], long) {
		var x verdict.Period
		for _, hour := range past {
			x = x.Plus(hour)
		}
		like = append(like, x)
	}
	slices.Reverse(like)
	return now, before.Scale(h.then / float64(n)), like[:min(len(like), mostLike)]
}
