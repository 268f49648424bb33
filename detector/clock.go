package detector

import (
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

const (
	tickLag   = int64(10 * time.Second) // a tick closes this long behind the head
	maxJump   = int64(time.Hour)        // a row further ahead than this moves the head only in company
	jumpRows  = 3                       // how much company
	startRows = 32                      // rows that are looked at before the head is set first
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
	near     int // rows near the head since the first of those was held
}

// place says what to do with a row of time t and moves the head if it may.
func (c *clock) place(t int64) placement {
	switch {
	case t > c.head+maxJump:
		return ahead
	case t < c.head-c.lateness:
		return late
	}
	c.near++
	c.head = max(c.head, t)
	return onTime
}

// hold keeps a row that is ahead, or that came before the head was set.
func (c *clock) hold(r Record, t int64) {
	if len(c.held) == 0 {
		c.near = 0
	}
	c.held, c.heldAt = append(c.held, r), append(c.heldAt, t)
}

// release returns the held rows, to be placed again, once they may be believed: at the start when there are enough of them,
// later when they outnumber the rows near the head, and then only as far as the earliest of them. end releases what waits
// for the start, however few.
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
		for at[i] < middle-maxJump {
			i++
		}
		c.head, c.started = at[i], true
	case n >= jumpRows && n > c.near:
		c.head = max(c.head, slices.Min(c.heldAt)) // rows near the head may have come that far by themselves
	default:
		return nil
	}
	out := c.held
	c.held, c.heldAt, c.near = nil, nil, 0
	return out
}

// overflow returns the held rows if there are too many, or at the end: they will never be believed.
func (c *clock) overflow(end bool) []Record {
	if !c.started || len(c.held) < maxHeld && !end {
		return nil
	}
	out := c.held
	c.held, c.heldAt, c.near = nil, nil, 0
	return out
}

// closed returns the start of the first tick that is still open.
func (c *clock) closed() int64 {
	t := c.head - tickLag
	return t - t%cohort.Tick
}
