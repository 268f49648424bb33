package detector

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/profile"
)

// tick gathers the cells of one tick, in the order in which their leaves appeared.
type tick struct {
	cells map[*cohort.Leaf]*cohort.Cell
	order []cellAt
}

func newTick() *tick { return &tick{cells: map[*cohort.Leaf]*cohort.Cell{}} }

func (t *tick) cell(leaf *cohort.Leaf, at int64) *cohort.Cell {
	c := t.cells[leaf]
	if c == nil {
		c = new(cohort.Cell)
		t.cells[leaf] = c
		t.order = append(t.order, cellAt{leaf, at, c})
	}
	return c
}

// cell returns the cell of leaf for time t: of its open tick, or of the late rows.
func (s *shard) cell(leaf *cohort.Leaf, t int64) *cohort.Cell {
	at := t - t%cohort.Tick
	if at < s.closed {
		// One cell a leaf and tick: late rows are few.
		for _, c := range s.late.order {
			if c.leaf == leaf && c.at == at {
				return c.cell
			}
		}
		c := new(cohort.Cell)
		s.late.order = append(s.late.order, cellAt{leaf, at, c})
		return c
	}
	k := s.open[at]
	if k == nil {
		k = newTick()
		s.open[at] = k
	}
	return k.cell(leaf, at)
}

// moments books a user's closed bucket in the tick that is closing, so that it is never late.
func (s *shard) moments(m *profile.Moments) {
	observe(s.cell(m.Leaf, max(m.At, s.closed)), m)
}

// observe adds what was measured against a user's past.
func observe(c *cohort.Cell, m *profile.Moments) {
	if c.Moments == nil {
		c.Moments = new([cohort.NumMoments]cohort.Moment)
	}
	for k := range c.Moments {
		if m.Valid[k] {
			c.Moments[k].Observe(m.X[k], m.Fresh, false)
			if m.Counts {
				c.Moments[k].Count(m.Mean[k])
			}
			if m.Brief {
				c.Moments[k].CountBrief(m.BriefMean[k])
			}
		}
	}
}

// followed adds what a row at t says of the one before it in its conversation.
func followed(c *cohort.Cell, n profile.Note, t int64) {
	if n.Follows {
		c.Follows++
	}
	if n.Grows {
		c.Grows++
	}
	if n.Short {
		flagged(c, cohort.Short, n.Fresh, t)
	}
}

// gap books a row that follows a missing one in the tick that is closing, so that it is never late.
func (s *shard) gap(g profile.Gap) {
	c := s.cell(g.Leaf, max(g.At, s.closed))
	c.Follows++
	if !g.Settled {
		flagged(c, cohort.Gap, g.Fresh, g.At)
		if g.Far {
			c.Far++
		}
	}
}

func flagged(c *cohort.Cell, f cohort.Flag, n profile.Fresh, t int64) {
	off := c.OffOf(f)
	off.Rows++
	off.Seen(t)
	if n.Hour {
		off.Users++
	}
	if n.Day {
		off.DayUsers++
	}
}
