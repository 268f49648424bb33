package cohort

import (
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/window"
)

// Row is one charged row and what is known of it.
type Row struct {
	Event      *event.Event
	Flags      Flags
	Quote      price.Quote
	Unprompted bool           // no turn of the user asked for it
	NewTurn    bool           // the first of its turn
	NewHour    bool           // the user's first of an hour
	Gauge      window.Reading // what it reveals of its user's gauge
	Draw       window.Draw    // what it says of its user's budget

	Fresh, FreshDay Flags // flags that the user bears for the first time within an hour, a day

	// Of a row that is read again: what it could show of the requests up to it, what it shows, and when the prompt came that began its
	// turn, if it shows that this one is not missing.
	Tells, Shows Flags
	Begun        int64
}

// At returns when what f says of the row was so: a gauge is judged at a later row.
func (r *Row) At(f Flag) int64 {
	if f == GaugeOff && r.Gauge.At != 0 {
		return r.Gauge.At
	}
	return r.Event.Time
}

// Could says whether the row could have borne f, as far as it shows by itself: Gap and Short go by the rows before it.
func (r *Row) Could(f Flag) bool {
	usage, q := r.Event.Kind == event.Usage, &r.Quote
	switch f {
	case Over, Under:
		return usage && q.Known && r.Event.Status == event.OK
	case CacheLost:
		return usage && q.Known && r.Event.Status == event.OK && q.Full > q.Expected+2*q.Slack
	case FailureCharged:
		return usage && r.Event.Status != event.OK
	case Penalised:
		return usage || r.Flags.Has(Penalised)
	case GaugeOff:
		return r.Gauge.Judged
	case Duplicate, Copy:
		return usage && r.Event.Status == event.OK && r.Event.Credits > 0
	default:
		return usage
	}
}

// InHindsight says whether a row that is read again could show that f had begun, of the flags that go by the rows before it, whether it
// does, and of when it says so. A gauge that should have started anew and stands says so of the end of its window, one that has not of the
// last row in that window.
func (r *Row) InHindsight(f Flag) (at int64, off, could bool) {
	if f != GaugeOff {
		return r.Event.Time, r.Shows.Has(f), r.Tells.Has(f)
	}
	g := &r.Gauge
	if g.Kind == window.Kept && g.At == r.Event.Time {
		return g.Ended, true, g.Ended != 0
	}
	return g.Stood, false, g.Stood != 0
}

// Count adds a row. What was charged again was asked for once.
func (c *Cell) Count(r *Row) {
	e := r.Event
	c.Credits.Add(e.Credits)
	if r.NewTurn {
		c.Turns++
	}
	if r.NewHour {
		c.Users++
		if r.Draw.Budgeted {
			c.Budgeted++
		}
	}
	if r.Draw.Dry {
		c.Dry++
	}
	if e.Kind == event.Usage {
		c.countUsage(r)
	}
	if r.Gauge.Judged {
		c.Gauged++
	}
	if r.Flags != 0 {
		c.countFlags(r)
	}
}

func (c *Cell) countUsage(r *Row) {
	e, q := r.Event, &r.Quote
	c.Rows++
	c.Usage.Add(e.Credits)
	if !r.Flags.Has(Duplicate) && !r.Flags.Has(Copy) {
		c.Requests++
		if r.Unprompted {
			c.Background++
		}
	}
	if e.Status != event.OK {
		c.Failures++
	}
	if q.Known {
		c.Priced.Add(e.Credits)
	}
	if q.Known && e.Status == event.OK {
		c.List.Add(q.Expected)
		c.Full.Add(q.Full)
		c.PricedRows++
		if q.Full > q.Expected+2*q.Slack {
			c.CachedRows++
		}
	}
	c.Input += e.Input
	c.Cached += e.Cached
	c.CacheWrite += e.CacheWrite
	c.Output += e.Output
}

func (c *Cell) countFlags(r *Row) {
	for f := range NumFlags {
		if !r.Flags.Has(f) {
			continue
		}
		off := c.OffOf(f)
		off.Rows++
		off.Charged.Add(r.Event.Credits)
		off.Seen(r.At(f))
		if f == Over || f == Under || f == CacheLost {
			off.Expected.Add(r.Quote.Expected)
		}
		switch f {
		case Over:
			c.shape(r)
		case GaugeOff:
			off.Expected.Add(r.Event.Credits) // a wrong gauge charges nobody
			c.gauge(&r.Gauge)
		default:
		}
		if r.Fresh.Has(f) {
			off.Users++
		}
		if r.FreshDay.Has(f) {
			off.DayUsers++
		}
	}
}

func (c *Cell) gauge(r *window.Reading) {
	if c.Gauge == nil {
		c.Gauge = new(Gauge)
	}
	var g Gauge
	switch r.Kind {
	case window.Fast:
		g = Gauge{Fast: 1, Shown: r.Shown, Due: r.Due}
	case window.Slow:
		g = Gauge{Slow: 1, Shown: r.Shown, Due: r.Due}
	case window.Kept:
		g.Kept = 1
	case window.None:
	}
	c.Gauge.Add(&g)
}
