package localise

import (
	"math"
	"slices"
)

const (
	weakest     = -9.0 // nats below which a cell is not considered even as part of a group
	maxWeak     = 40   // cells of a cuboid that are considered
	maxPartners = 7    // elements of a group
	leastJoin   = 1.0  // nats that a further element must save
)

// group is several elements of one cuboid with one factor.
type group struct {
	sums  []float64
	size  int
	total float64 // what they save together
	cells []int   // those that are not in the answer yet
}

// partners adds elements that are too weak to stand alone: one fault often hits several values of the same dimensions with one
// factor, so that an element's cuboid and factor are known once a sibling is found, and two or three weak ones may stand
// together.
func (s *search) partners() {
	weak := make([][]int, 1<<len(s.cards))
	for cell, g := range s.gains {
		if g > weakest {
			weak[s.mask(cell)] = append(weak[s.mask(cell)], cell)
		}
	}
	for _, m := range s.masks {
		candidates := weak[m]
		slices.SortFunc(candidates, s.byGain)
		candidates = candidates[:min(len(candidates), maxWeak)]
		for {
			best := group{}
			for _, g := range s.seeds(m, candidates) {
				g = s.grow(m, g, candidates)
				if len(g.cells) > 0 && g.total > best.total {
					best = g
				}
			}
			if len(best.cells) == 0 {
				break
			}
			for _, cell := range best.cells {
				s.take(cell, best.total/float64(best.size))
				candidates = slices.DeleteFunc(candidates, func(c int) bool { return c == cell })
			}
		}
	}
}

// seeds returns groups of one: the elements of the answer, and weak cells, which save nothing alone.
func (s *search) seeds(m int, candidates []int) (out []group) {
	if len(candidates) == 0 {
		return nil
	}
	for _, c := range s.answer {
		if c.cell > 0 && s.mask(c.cell) == m {
			sums := make([]float64, aWidth)
			for _, i := range s.within(nil, c.cell) {
				add(sums, s.leaf[i*aWidth:(i+1)*aWidth])
			}
			out = append(out, group{sums: sums, size: 1, total: c.gain})
		}
	}
	for _, cell := range candidates {
		out = append(out, group{sums: slices.Clone(s.at(cell)), size: 1, cells: []int{cell}})
	}
	return out
}

// grow adds candidates to a group while each makes it better; a weak seed may need two at once. It returns no cells where
// that leads nowhere.
func (s *search) grow(m int, g group, candidates []int) group {
	weak := len(g.cells) == 1
	for g.size < maxPartners {
		best, top := s.partner(m, g, candidates)
		if best < 0 || top <= g.total+leastJoin && !(weak && g.size == 1) {
			break
		}
		g.sums = slices.Clone(g.sums)
		add(g.sums, s.at(best))
		g.size++
		g.cells = append(g.cells, best)
		if top <= g.total+leastJoin {
			if _, next := s.partner(m, g, candidates); next <= g.total+leastJoin {
				return group{}
			}
			continue
		}
		g.total = top
	}
	if weak && g.size == 1 {
		return group{}
	}
	return g
}

// partner returns the candidate that makes the best of a group, and what the group then saves.
func (s *search) partner(m int, g group, candidates []int) (best int, top float64) {
	best, top = -1, math.Inf(-1)
	each := math.Ln2 // that there is one more
	for d, card := range s.cards {
		if m>>d&1 == 1 {
			each += math.Log(float64(card))
		}
	}
	orders, _ := math.Lgamma(float64(g.size + 2))
	length := s.lengths[m] + float64(g.size)*each - orders
	sums := make([]float64, aWidth)
	for _, cell := range candidates {
		if slices.Contains(g.cells, cell) {
			continue
		}
		copy(sums, g.sums)
		add(sums, s.at(cell))
		if t := s.gain(sums, length); t > top {
			best, top = cell, t
		}
	}
	return best, top
}
