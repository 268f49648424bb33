package profile

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

// flagState is what a user's flagged rows were.
type flagState [cohort.NumFlags]struct {
	since           int64   // when the count of rows began,
	fresh, freshDay int32   // the minute at which the user last counted anew, within an hour and a day
	past            float32 // share of rows in the past
	rows, said      uint16
	bucket          uint16 // rows of the open bucket
	run             bool   // most rows that could bear the flag have borne it, up to the last closed bucket that had any
}

// flagState returns an empty state.
func (t *Table) flagState() *flagState {
	k := len(t.spareFlags)
	if k == 0 {
		return new(flagState)
	}
	s := t.spareFlags[k-1]
	t.spareFlags = t.spareFlags[:k-1]
	*s = flagState{}
	return s
}

// flag counts the flags of a row against its user and says which make the user count anew.
func (t *Table) flag(u *User, e *event.Event, flags cohort.Flags, q price.Quote, r *Row) {
	if u.flags == nil {
		u.flags = t.flagState()
	}
	minute := int32(e.Time / 60e9)
	for f := range cohort.NumFlags {
		if !flags.Has(f) {
			continue
		}
		x := &u.flags[f]
		if minute-x.freshDay >= 24*60 {
			r.FreshDay = r.FreshDay.With(f)
			x.freshDay = minute
		}
		if minute-x.fresh >= 60 {
			r.Fresh = r.Fresh.With(f)
			x.fresh = minute
			if !x.run { // a fault of all of a user's rows is one, however few there are an hour
				x.rows, x.said = 0, 0
				x.since = e.Time
			}
		}
		x.rows = min(x.rows, math.MaxUint16-1) + 1
		x.bucket = min(x.bucket, math.MaxUint16-1) + 1
		// Said at SuspectRows, at every doubling and in every hour of a run, and only of a user whose past was clean.
		again := x.said > 0 && r.Fresh.Has(f)
		if n := x.rows; n >= t.SuspectRows && (again || n >= 2*x.said && x.past < 0.1) && !(q.Rough && (f == cohort.Over || f == cohort.Under)) {
			x.said = n
			s := Finding{Kind: Suspect, User: string(u.key), Flag: f, At: e.Time, Since: x.since, Rows: int64(n), Leaf: u.leaf}
			s.Now, s.Base = u.atWork()
			t.Say(s)
		}
	}
}

// fade takes a closed bucket into the shares of flagged rows; known says that the user has a past. A run that is too short to
// be said yet, at so many rows, is not learned from. It returns the flags of which a run that was said has ended, in rows that are right.
func (s *flagState) fade(c *Counts, known bool, said uint16) (righted cohort.Flags) {
	for f := range s {
		x := &s[f]
		could := c.Rows - c.Failures
		switch cohort.Flag(f) {
		case cohort.FailureCharged:
			could = c.Failures
		case cohort.Penalised:
			could = c.Rows + c.Penalties
		default:
		}
		share := float32(0)
		if could > 0 {
			share = min(float32(x.bucket)/could, 1)
			if share == 0 && x.run && x.said > 0 {
				righted = righted.With(cohort.Flag(f))
			}
			x.run = share >= 0.5
		}
		x.bucket = 0
		switch {
		case known && x.run && x.rows < said:
		case known || share == 0:
			x.past += (share - x.past) / 64
		default:
			x.past += (share - x.past) / 4
		}
	}
	return righted
}
