package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/profile"
)

type cellCounter struct{ *cohort.Cell }

// cell returns the cell of leaf for time t: of its open tick, or of the late rows.
func (s *shard) cell(leaf *cohort.Leaf, t int64) cellCounter {
	at := t - t%cohort.Tick
	if at < s.closed {
		// One cell a leaf and tick: late rows are few.
		for _, c := range s.late.order {
			if c.leaf == leaf && c.at == at {
				return cellCounter{c.cell}
			}
		}
		c := new(cohort.Cell)
		s.late.order = append(s.late.order, cellAt{leaf, at, c})
		return cellCounter{c}
	}
	k := s.open[at]
	if k == nil {
		k = newTick()
		s.open[at] = k
	}
	return cellCounter{k.cell(leaf, at)}
}

// count adds a charged row.
func (c cellCounter) count(e *event.Event, r *row, p *profile.Row) {
	c.Credits.Add(e.Credits)
	if e.Kind == event.Usage {
		c.Rows++
		c.Usage.Add(e.Credits)
		if !r.flags.Has(cohort.Duplicate) && !r.flags.Has(cohort.Copy) {
			c.Requests++
			if p.Unprompted {
				c.Background++
			}
		}
		if e.Status != event.OK {
			c.Failures++
		}
		if r.quote.Known {
			c.Priced.Add(e.Credits)
		}
		if r.quote.Known && e.Status == event.OK {
			c.List.Add(r.quote.Expected)
			c.Full.Add(r.quote.Full)
			c.PricedRows++
			if r.quote.Full > r.quote.Expected+2*r.quote.Slack {
				c.CachedRows++
			}
		}
		c.Input += e.Input
		c.Cached += e.Cached
		c.CacheWrite += e.CacheWrite
		c.Output += e.Output
	}
	if p.NewTurn {
		c.Turns++
	}
	if p.NewHour {
		c.Users++
	}
	if r.flags == 0 {
		return
	}
	for f := range cohort.NumFlags {
		if !r.flags.Has(f) {
			continue
		}
		off := c.OffOf(f)
		off.Rows++
		off.Charged.Add(e.Credits)
		off.Seen(e.Time)
		if f == cohort.Over || f == cohort.Under || f == cohort.CacheLost {
			off.Expected.Add(r.quote.Expected)
		}
		if f == cohort.Over {
			c.shape(e, r)
		}
		if p.Fresh.Has(f) {
			off.Users++
		}
		if p.FreshDay.Has(f) {
			off.DayUsers++
		}
	}
}

// shapeLeast is the charge below which rounding blurs the shape of an overcharge.
const shapeLeast = event.Credit / 1000

func (c cellCounter) shape(e *event.Event, r *row) {
	in, was := e.Credits-r.quote.Output, r.quote.Expected-r.quote.Output
	if r.quote.Expected < shapeLeast || in <= 0 || was <= 0 {
		return
	}
	if c.Shape == nil {
		c.Shape = new(cohort.Shape)
	}
	c.Shape.Observe(math.Log(float64(e.Credits)/float64(r.quote.Expected)), math.Log(float64(in)/float64(was)))
}

// moments books a user's closed bucket in the tick that is closing, so that it is never late.
func (s *shard) moments(m profile.Moments) {
	at := max(m.At+profile.Bucket, s.closed)
	c := s.cell(m.Leaf, at).Cell
	if c.Moments == nil {
		c.Moments = new([cohort.NumMoments]cohort.Moment)
	}
	for k := range c.Moments {
		if m.Valid[k] {
			c.Moments[k].Observe(m.X[k], m.Fresh, m.FreshDay)
		}
	}
}
