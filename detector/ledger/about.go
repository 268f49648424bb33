package ledger

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Chance is a row that could have been affected.
type Chance struct {
	At   int64
	Hit  bool
	User uint64 // hash of whose it is
	Pair uint64 // what a charge that should not exist has in common with the one that it follows, 0 of others
}

// Odds are what the rows about a pivot are judged by: how often one is affected in quiet times, how many tell as much as one, and the
// level of confidence. Clean says that quiet rows bear the flag so seldom that the first affected one is the fault's.
type Odds struct {
	Quiet, Alike, Level float64
	Clean               bool
}

// About is what a scope's rows did about the first affected one: each of Rows, in the order of time, and Hits of Trials after the last
// of them. Rows may not reach back as far as there are any.
type About struct {
	Rows         []Chance
	Hits, Trials int64
	Past         [2]int64 // hits and trials of rows that came more than an hour before the pivot
	Wider        bool     // the rows are of more than the claim's scope
}

// How many rows of a partition are kept up to the pivot of a claim and after it: enough to tell the onset of a fault that hits one row
// in a hundred, and of a price that creeps for hours before it shows.
const (
	aboutBefore = 4096
	aboutAfter  = 1024
)

// about gathers an About, partition by partition. Its zero value is ready.
type about struct {
	ring   []Chance // the latest of this partition up to the pivot,
	oldest int      // in a circle from here on, once it is full
	after  []Chance
	past   [2]int64
	hits   int64 // of this and the partitions before it, that are in neither
	trials int64
	rows   []Chance // of the partitions before
	from   int64    // before this rows are missing,
	to     int64    // and after it some are; 0 is never
}

// chance notes a row that could have been affected.
func (c *claim) chance(it *cohort.Row) {
	e := it.Event
	if at := it.At(c.Flag); !c.Hindsight && at <= c.To && it.Could(c.Flag) {
		off := (it.Flags.Has(c.Flag) || c.toTheUnit(it)) && c.Where.Matches(&e.Dims)
		c.about.note(c.Pivot, Chance{at, off, xxhash.Sum64String(e.User), pair(c.Flag, e)})
	}
	if !c.Hindsight || e.Time > c.To {
		return // what a row says of before says nothing once the fault is over
	}
	user := xxhash.Sum64String(e.User)
	if c.Flag == cohort.GaugeOff {
		user = 0 // a window that ends is one chance a user has, so that all must say how often one is spared
	}
	if c.Flag == cohort.Gap && it.Begun != 0 {
		c.about.note(c.Pivot, Chance{At: it.Begun, User: user})
	}
	at, off, could := it.InHindsight(c.Flag)
	if !could {
		return
	}
	off = off && c.Where.Matches(&e.Dims)
	c.about.note(c.Pivot, Chance{At: at, Hit: off, User: user})
	if e.Time < c.Pivot-cohort.Hour {
		c.about.past[0] += int64(one(off))
		c.about.past[1]++
	}
}

// note takes in a row of the claim's scope. Those of a partition come in the order of their times, but for those that tell of what was
// before them: a few that are noted late count among those after the last.
func (a *about) note(pivot int64, c Chance) {
	switch {
	case c.At <= pivot && len(a.ring) < aboutBefore:
		a.ring = append(a.ring, c)
	case c.At <= pivot:
		a.from = max(a.from, a.ring[a.oldest].At+1)
		a.ring[a.oldest] = c
		a.oldest = (a.oldest + 1) % aboutBefore
	case len(a.after) < aboutAfter:
		a.after = append(a.after, c)
	default:
		if last := a.after[aboutAfter-1].At; a.to == 0 || last < a.to {
			a.to = last
		}
		a.count(c)
	}
}

func (a *about) count(c Chance) {
	a.trials++
	if c.Hit {
		a.hits++
	}
}

func (a *about) endPartition() {
	a.rows = append(append(a.rows, a.ring...), a.after...)
	a.ring, a.after, a.oldest = nil, nil, 0
}

// all returns what was gathered, as far as every partition's rows are there.
func (a *about) all() About {
	a.endPartition()
	to := a.to
	if to == 0 {
		to = math.MaxInt64
	}
	var out About
	for _, c := range a.rows {
		switch {
		case c.At > to:
			a.count(c)
		case c.At >= a.from:
			out.Rows = append(out.Rows, c)
		}
	}
	slices.SortFunc(out.Rows, func(x, y Chance) int {
		return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(one(x.Hit), one(y.Hit)), cmp.Compare(x.User, y.User), cmp.Compare(x.Pair, y.Pair))
	})
	out.Rows = paired(out.Rows)
	out.Hits, out.Trials, out.Past = a.hits, a.trials, a.past
	return out
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pairedWithin is how soon after a charge one that should not exist follows on it.
const pairedWithin = int64(60e9)

// paired leaves of a charge and those that should not exist and follow on it one hit, at the time of the first of these: that the first
// itself is as it should be does not say that the fault spared it.
func paired(rows []Chance) []Chance {
	right, hit := map[uint64][]int{}, map[uint64]int64{}
	gone := make([]bool, len(rows))
	for i, c := range rows {
		switch open := right[c.Pair]; {
		case c.Pair == 0:
		case !c.Hit:
			right[c.Pair] = append(open, i)
		case len(open) > 0 && c.At-rows[open[len(open)-1]].At <= pairedWithin:
			gone[open[len(open)-1]] = true
			right[c.Pair], hit[c.Pair] = open[:len(open)-1], c.At
		default:
			before, again := hit[c.Pair]
			gone[i] = again && c.At-before <= pairedWithin
			hit[c.Pair] = c.At
		}
	}
	i := -1
	return slices.DeleteFunc(rows, func(Chance) bool { i++; return gone[i] })
}

// pair is what a charge has in common with those that should not exist and follow on it: the request, the tokens, or the user.
func pair(f cohort.Flag, e *event.Event) uint64 {
	user := xxhash.Sum64String(e.User)
	switch f {
	case cohort.Duplicate:
		return (user ^ bits.RotateLeft64(xxhash.Sum64String(e.RequestID), 21)) | 1
	case cohort.Copy:
		h := user ^ bits.RotateLeft64(xxhash.Sum64String(e.Dims[event.Model]), 21)
		for _, n := range [...]int64{e.Input, e.Cached, e.CacheWrite, e.Output} {
			h = bits.RotateLeft64((h^uint64(n))*0x9e3779b97f4a7c15, 29)
		}
		return h | 1
	case cohort.Penalised:
		return user | 1
	}
	return 0
}
