package detector

import (
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

const (
	tickLag   = int64(10 * time.Second)   // a tick closes this long behind the head
	maxJump   = int64(time.Hour)          // a row further ahead than this moves the head only in company
	jumpRows  = 3                         // how much company
	gapMost   = int64(7 * 24 * time.Hour) // a longer gap wants farRows rows of several users: a broken clock can be busy
	farRows   = 32
	startRows = 32 // rows that are looked at before the head is set first
	maxHeld   = 4096
)

// placement says where a row's time lies against the partition's head.
type placement uint8

const (
	onTime placement = iota
	late             // further behind the head than the lateness allowed
	ahead            // implausibly far ahead: held until others confirm it
)

// clock is a partition's event time. Its head is the greatest plausible event time read: one row from 2106 does not move it,
// a night without traffic does not stop it.
type clock struct {
	head     int64
	started  bool
	lateness int64
	held     []Record // rows that wait: at the start, and those ahead
	heldAt   []int64
	heldBy   []uint64
	near     int // rows near the head since the first of those was held

	top, second mark // the greatest time read, and the greatest of any other user
	run         int  // rows of top's user since another user's
}

// mark is a time and whose row bore it.
type mark struct {
	at   int64
	user uint64
}

// aloneRows is how many rows of one user, with nobody else's between them, move the head by themselves: at night there may
// be nobody else.
const aloneRows = 8

// place says what to do with a row of a user at time t and moves the head if it may. One user's clock that runs ahead moves
// it only as far as another's, or half the lateness further: else everybody else would be late.
func (c *clock) place(t int64, user uint64) placement {
	switch {
	case t > c.head+maxJump:
		return ahead
	case t < c.head-c.lateness:
		return late
	}
	c.near++
	switch {
	case user == c.top.user:
		c.run++
		c.top.at = max(c.top.at, t)
	case t >= c.top.at:
		c.second, c.top, c.run = c.top, mark{t, user}, 1
	default:
		c.run = 0
		if t > c.second.at || user == c.second.user {
			c.second = mark{max(t, c.second.at), user}
		}
	}
	if c.top.at-c.second.at <= c.lateness/2 || c.run >= aloneRows {
		c.head = max(c.head, c.top.at)
	} else {
		c.head = max(c.head, c.second.at)
	}
	return onTime
}

// settle lets the head come up to the greatest time read if that is within the lateness: nobody else may follow for now.
func (c *clock) settle() {
	if c.top.at-c.head <= c.lateness {
		c.head = max(c.head, c.top.at)
	}
}

// hold keeps a row that is ahead, or that came before the head was set.
func (c *clock) hold(r Record, t int64, user uint64) {
	if len(c.held) == 0 {
		c.near = 0
	}
	c.held, c.heldAt, c.heldBy = append(c.held, r), append(c.heldAt, t), append(c.heldBy, user)
}

// release returns the held rows, to be placed again, once they may be believed: at the start when there are enough of them,
// later when they outnumber the rows near the head, and then only as far as the earliest of them. end says that the input has
// ended: no more company will come.
func (c *clock) release(end bool) []Record {
	n := len(c.held)
	switch {
	case n == 0:
		return nil
	case !c.started:
		if n < startRows && !end {
			return nil
		}
		at := slices.Clone(c.heldAt)
		slices.Sort(at)
		// The first of those that lie near the middle one: a stray clock among them says nothing.
		middle := at[(n-1)/2]
		i := 0
		for at[i] < middle-gapMost {
			i++
		}
		c.head, c.started = at[i], true
		c.top, c.second = mark{at: at[i]}, mark{at: at[i]}
	case c.believed(end):
		c.head = max(c.head, slices.Min(c.heldAt)) // rows near the head may have come that far by themselves
		c.top, c.second = mark{at: c.head}, mark{at: c.head}
	default:
		return nil
	}
	out := c.held
	c.held, c.heldAt, c.heldBy, c.near = nil, nil, nil, 0
	return out
}

// believed says whether the earliest of the held rows may move the head: at the end of the input a gap is enough.
func (c *clock) believed(end bool) bool {
	n := len(c.held)
	if slices.Min(c.heldAt)-c.head <= gapMost {
		return (end || n >= jumpRows) && n > c.near
	}
	return n >= farRows && n > c.near && slices.Max(c.heldBy) != slices.Min(c.heldBy)
}

// overflow returns the held rows if there are too many, or at the end: they will never be believed.
func (c *clock) overflow(end bool) []Record {
	if !c.started || len(c.held) < maxHeld && !end {
		return nil
	}
	out := c.held
	c.held, c.heldAt, c.heldBy, c.near = nil, nil, nil, 0
	return out
}

// closed returns the start of the first tick that is still open.
func (c *clock) closed() int64 {
	t := c.head - tickLag
	return t - t%cohort.Tick
}
