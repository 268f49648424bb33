package cohort

import (
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Flag names what can be wrong with a row by itself.
type Flag uint8

// The flags of a row.
const (
	Over      Flag = iota // charged above the price of its tokens
	CacheLost             // of those: charged exactly what it costs without the discount for cached input
	Under                 // charged below the price of its tokens
	Duplicate             // its request had been charged before
	Copy                  // the same tokens again under a new request, shortly after
	Penalised             // a charge of an enforcement system
	FailureCharged
	NoTokens // charged without any token field
	GaugeOff // the gauge shown to its user disagrees with the user's charges
	Gap      // it goes on from a request that nobody was charged for
	Short    // its input grew by less than the answer that it repeats
	Blank    // it went well, without tokens and without a charge
	NumFlags
)

var flagNames = [NumFlags]string{"over", "cache_lost", "under", "duplicate", "copy", "penalty", "failure_charged", "no_tokens", "gauge_off", "gap", "short", "blank"}

// String returns the flag's name.
func (f Flag) String() string { return flagNames[f] }

// Estimated says whether rows that bear the flag tell that something is wrong, and not what they should have cost.
func (f Flag) Estimated() bool { return f == Gap || f == Short || f == Blank }

// Flags is a set of flags.
type Flags uint16

// Has says whether f is in the set.
func (s Flags) Has(f Flag) bool { return s&(1<<f) != 0 }

// With returns the set with f.
func (s Flags) With(f Flag) Flags { return s | 1<<f }

// Off sums the rows of a cell that bear one flag.
type Off struct {
	Rows     int64
	Users    int64 // users that bear the flag here for the first time within an hour
	DayUsers int64 // the same within a day
	Charged  event.Sum
	Expected event.Sum // at list price; zero for rows that should not exist

	First, Last int64 // event times of the first and the last of them; 0 when there are none
}

func (o *Off) add(p *Off) {
	o.Rows += p.Rows
	o.Users += p.Users
	o.DayUsers += p.DayUsers
	o.Charged.AddSum(p.Charged)
	o.Expected.AddSum(p.Expected)
	if p.Rows > 0 {
		o.Seen(p.First)
		o.Seen(p.Last)
	}
}

// Gauge sums what is wrong with gauges: rows by kind, and, of those whose gauge moved too much or too little, how far it moved
// and what the charges came to, in millionths of a window.
type Gauge struct {
	Fast, Slow, Kept int64
	Shown, Due       int64
}

// Add adds the sums of h.
func (g *Gauge) Add(h *Gauge) {
	g.Fast += h.Fast
	g.Slow += h.Slow
	g.Kept += h.Kept
	g.Shown += h.Shown
	g.Due += h.Due
}

// Seen widens First and Last to hold t.
func (o *Off) Seen(t int64) {
	if o.First == 0 || t < o.First {
		o.First = t
	}
	o.Last = max(o.Last, t)
}

// Cell holds the sums of one leaf over one bucket of time. Its zero value is empty.
type Cell struct {
	Rows       int64 // of kind usage, failed ones included
	Requests   int64
	Background int64 // of those, requests that no turn of a user asked for
	Turns      int64
	Users      int64 // users whose first row of an hour fell here
	Budgeted   int64 // of those, users whose plan has a window
	Dry        int64 // users who within an hour first look like using their window up before it ends
	Failures   int64 // usage rows whose status is not ok
	CachedRows int64 // usage rows on which a lost discount would show
	PricedRows int64 // usage rows whose list value is known
	Gauged     int64 // rows at which a user's gauge was held against the charges
	Follows    int64 // rows that tell whether the request before them was charged for
	Grows      int64 // rows that tell whether their input was counted in full
	Far        int64 // rows that bear Gap, whatever is counted too high or too low

	Credits event.Sum // all charges; refunds, resets and negative adjustments are none
	Usage   event.Sum // of kind usage
	Priced  event.Sum // of rows whose list value is known
	List    event.Sum // list value of those that went well: the others should cost nothing
	Full    event.Sum // the same with cached input at the full input price

	Input, Cached, CacheWrite, Output int64

	Off     *[NumFlags]Off
	Shape   *Shape // of the rows that are Over
	Gauge   *Gauge // of the rows that are GaugeOff
	Moments *[NumMoments]Moment
}

// Tokens returns all tokens.
func (c *Cell) Tokens() int64 { return c.Input + c.Output }

// Flagged returns the sums of rows that bear f.
func (c *Cell) Flagged(f Flag) Off {
	if c.Off == nil {
		return Off{}
	}
	return c.Off[f]
}

// OffOf returns the sums of rows that bear f, to be added to.
func (c *Cell) OffOf(f Flag) *Off {
	if c.Off == nil {
		c.Off = new([NumFlags]Off)
	}
	return &c.Off[f]
}

// Opportunities returns the rows that could have borne f.
func (c *Cell) Opportunities(f Flag) int64 {
	switch f {
	case Over, Under:
		return c.PricedRows
	case CacheLost:
		return c.CachedRows
	case FailureCharged:
		return c.Failures
	case Penalised:
		return c.Rows + c.Flagged(Penalised).Rows
	case GaugeOff:
		return c.Gauged
	case Gap:
		return c.Follows
	case Short:
		return c.Grows
	default:
		return c.Rows
	}
}

// Add adds the sums of d.
func (c *Cell) Add(d *Cell) {
	c.Rows += d.Rows
	c.Requests += d.Requests
	c.Background += d.Background
	c.Turns += d.Turns
	c.Users += d.Users
	c.Budgeted += d.Budgeted
	c.Dry += d.Dry
	c.Failures += d.Failures
	c.CachedRows += d.CachedRows
	c.PricedRows += d.PricedRows
	c.Gauged += d.Gauged
	c.Follows += d.Follows
	c.Grows += d.Grows
	c.Far += d.Far
	c.Credits.AddSum(d.Credits)
	c.Usage.AddSum(d.Usage)
	c.Priced.AddSum(d.Priced)
	c.List.AddSum(d.List)
	c.Full.AddSum(d.Full)
	c.Input += d.Input
	c.Cached += d.Cached
	c.CacheWrite += d.CacheWrite
	c.Output += d.Output
	if d.Off != nil {
		if c.Off == nil {
			c.Off = new([NumFlags]Off)
		}
		for f := range c.Off {
			c.Off[f].add(&d.Off[f])
		}
	}
	if d.Shape != nil {
		if c.Shape == nil {
			c.Shape = new(Shape)
		}
		c.Shape.Add(d.Shape)
	}
	if d.Gauge != nil {
		if c.Gauge == nil {
			c.Gauge = new(Gauge)
		}
		c.Gauge.Add(d.Gauge)
	}
	if d.Moments != nil {
		if c.Moments == nil {
			c.Moments = new([NumMoments]Moment)
		}
		for m := range c.Moments {
			if d.Moments[m].N != 0 {
				c.Moments[m].Merge(d.Moments[m])
			}
		}
	}
}

// Measure names what is compared, user by user, with the user's own past.
type Measure uint8

// The measures of behaviour: natural logarithms of now over the user's own past, one value a user and active bucket, or a
// request (OfRequest).
const (
	RequestsPerTurn Measure = iota
	Background              // requests that no turn of the user asked for, per turn
	InputPerRequest
	OutputPerRequest
	Uncached  // list value of the input over what it would be with the past's cached share
	Turns     // turns (requests where no turns are sent) per active bucket
	Uncounted // how many times as long the past's input was: InputPerRequest turned over, for what is too little
	NumMoments
)

var measureNames = [NumMoments]string{"requests_per_turn", "background", "input_per_request", "output_per_request", "uncached", "turns", "uncounted"}

// OfRequest says whether the measure is taken of each request, rather than of a user's bucket when it closes.
func (m Measure) OfRequest() bool {
	return m == InputPerRequest || m == OutputPerRequest || m == Uncached || m == Uncounted
}

// String returns the measure's name.
func (m Measure) String() string { return measureNames[m] }

// Moment sums one measure over users and buckets. Its zero value is empty.
type Moment struct {
	N, Sum, Squares float64
	Users           float64 // users that count here for the first time within an hour
	Days            float64 // users that count here for the first time within SpanHours
	Up              float64 // of those, how many were above their past by UpBy
	Brief, BriefUp  float64 // the same two by BriefSpan, of a request's measures: what is sudden is seen within it
}

// Clip bounds a user's log-ratio, so that no user speaks for a cohort.
const Clip = 3.0

// SpanHours is how long a user counts once among those that are above their past: a few who never rest speak for nobody else.
const SpanHours = 3

// BriefSpan is how long a user counts once where something sudden is looked for: from the first request on, so that nobody counts
// twice in a shorter time.
const BriefSpan = int64(25 * time.Minute)

// UpBy is the log-ratio from which a user counts as above their past.
const UpBy = 0.22

// Observe adds a value, clipped to ±Clip; hour and day say that the user counts for the first time within one.
func (m *Moment) Observe(x float64, hour, day bool) {
	x = min(max(x, -Clip), Clip)
	m.N++
	m.Sum += x
	m.Squares += x * x
	if hour {
		m.Users++
	}
	if day {
		m.Count(x)
	}
}

// Count adds a user that counts for the first time within SpanHours, and stands at x then.
func (m *Moment) Count(x float64) {
	m.Days++
	if x > UpBy {
		m.Up++
	}
}

// CountBrief adds a user that counts for the first time within BriefSpan, and stands at x then.
func (m *Moment) CountBrief(x float64) {
	m.Brief++
	if x > UpBy {
		m.BriefUp++
	}
}

// Merge adds n.
func (m *Moment) Merge(n Moment) { m.add(&n, 1) }

func (m *Moment) add(n *Moment, w float64) {
	m.N += w * n.N
	m.Sum += w * n.Sum
	m.Squares += w * n.Squares
	m.Users += w * n.Users
	m.Days += w * n.Days
	m.Up += w * n.Up
	m.Brief += w * n.Brief
	m.BriefUp += w * n.BriefUp
}

// Mean returns the mean, 0 when empty.
func (m Moment) Mean() float64 {
	if m.N == 0 {
		return 0
	}
	return m.Sum / m.N
}

// Variance returns the variance about the mean, 0 when empty.
func (m Moment) Variance() float64 {
	if m.N == 0 {
		return 0
	}
	mean := m.Mean()
	return max(m.Squares/m.N-mean*mean, 0)
}
