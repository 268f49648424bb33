package localise

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"slices"
)

// MaxDims is the greatest number of dimensions of a Cube.
const MaxDims = 16

// Cube is a table of what was predicted and what really came, a leaf for each combination of values.
type Cube struct {
	Cards         []int      // the number of values of each dimension
	Leaves        [][]uint32 // by leaf, then dimension: values count from 1, 0 is unknown; no two leaves are the same
	Predict, Real []float64  // by leaf; below 0 counts as 0
}

// Cause is an element of a Cube that is said to have changed by itself.
type Cause struct {
	Values []uint32 // a value of each dimension, 0 for any
	// Score is how well the element stands, in [0, 1]: for amounts, its probability against chance, or, of one that was turned
	// down, of the values that deny it being chance; for counts, its share of the evidence that any set has.
	Score float64
	// Share is the part of all change that lies in its leaves, |real-predict| summed, without leaves of causes before it.
	Share float64

	gain float64 // nats
	cell int
}

const (
	maxCauses   = 60  // safety stop; real answers are far shorter
	maxRejected = 10  // candidates returned besides the answer
	leastGain   = 0.3 // nats that a cause must save in the description of the table
	leastDenial = 4.0 // nats by which values of one dimension together must deny that a cell changed as one
)

// Causes returns the set of elements that explains how real differs from predict, best first, and the best of the candidates
// that were turned down. doc.go has the method. Both directions at once, overlapping causes, and any number of dimensions of
// an element are considered; an element without any says that everything changed alike. Tables of counts of rare events are
// told from tables of amounts by their noise. The result does not depend on the order of leaves. It panics where slices differ
// in length, values exceed their Cards or dimensions MaxDims, and where a number is not finite. Cost: O(cells·dims) time and
// memory for a cube of at most a million cells; beyond that O(leaves·cuboids), and then of the largest cubes only elements of
// few dimensions are looked at, so that leaves times cuboids stay below 2²⁴.
func Causes(c Cube) (answer, rejected []Cause) {
	c = c.check()
	cells := newCells(c.Cards, c.Leaves)
	if areCounts(c.Predict, c.Real) {
		answer, rejected = countCauses(cells, c.Predict, c.Real, fittedRule)
	} else {
		answer, rejected = amountCauses(cells, c.Predict, c.Real)
	}
	return answer, rejected
}

func (c Cube) check() Cube {
	if len(c.Cards) > MaxDims || len(c.Predict) != len(c.Leaves) || len(c.Real) != len(c.Leaves) {
		panic(fmt.Sprintf("stats: a cube of %d dimensions, %d leaves, %d predicted and %d real", len(c.Cards), len(c.Leaves), len(c.Predict), len(c.Real)))
	}
	out := Cube{Cards: c.Cards, Leaves: c.Leaves, Predict: make([]float64, len(c.Predict)), Real: make([]float64, len(c.Real))}
	for i, l := range c.Leaves {
		f, v := c.Predict[i], c.Real[i]
		if math.IsNaN(f-v) || math.IsInf(f-v, 0) || len(l) != len(c.Cards) {
			panic(fmt.Sprintf("stats: leaf %d of a cube: %v, predicted %v, really %v", i, l, f, v))
		}
		for d, x := range l {
			if int(x) > c.Cards[d] {
				panic(fmt.Sprintf("stats: leaf %d of a cube: value %d of %d", i, x, c.Cards[d]))
			}
		}
		out.Predict[i], out.Real[i] = math.Max(f, 0), math.Max(v, 0)
	}
	return out
}

// search is the state of one table of amounts.
type search struct {
	*cells
	*amounts
	table
	lengths []float64 // of descriptions, by mask
	gains   []float64 // by cell, of leaves that are not explained yet
	gone    []bool    // by leaf
	moved   []float64 // by leaf, |real-predict|
	all     float64   // the sum of moved

	answer   []Cause
	rejected map[int]Cause
}

func amountCauses(c *cells, predict, real []float64) (answer, rejected []Cause) {
	s := &search{cells: c, amounts: newAmounts(predict, real), gone: make([]bool, len(real)), moved: make([]float64, len(real)), rejected: map[int]Cause{}}
	for i := range real {
		s.moved[i] = math.Abs(real[i] - predict[i])
		s.all += s.moved[i]
	}
	s.table = c.total(s.leaf, aWidth)
	s.lengths = c.describe()
	s.gains = make([]float64, c.n)
	for cell := range s.gains {
		s.gains[cell] = s.score(cell)
	}
	if s.shift != 0 {
		s.answer = append(s.answer, Cause{Values: make([]uint32, len(c.cards)), Score: 1, Share: 1, gain: math.Inf(1)})
	}
	for len(s.answer) < maxCauses {
		cell := s.best()
		if cell < 0 {
			break
		}
		s.take(cell, s.gains[cell])
	}
	s.partners()
	slices.SortStableFunc(s.answer, func(a, b Cause) int { return cmp.Compare(b.gain, a.gain) })
	for cell, r := range s.rejected {
		if s.count(s.at(cell)) > 0 || len(s.answer) == 0 {
			rejected = append(rejected, r)
		}
	}
	slices.SortFunc(rejected, func(a, b Cause) int { return cmp.Or(cmp.Compare(b.gain, a.gain), cmp.Compare(a.cell, b.cell)) })
	return s.answer, rejected[:min(len(rejected), maxRejected)]
}

// score returns what a cell as a cause saves. That everything changed is decided before.
func (s *search) score(cell int) float64 {
	if cell == 0 {
		return math.Inf(-1)
	}
	return s.gain(s.at(cell), s.lengths[s.mask(cell)])
}

// best returns the cell of greatest gain that no dimension's values deny, or -1.
func (s *search) best() int {
	var order []int
	for cell, g := range s.gains {
		if g > leastGain {
			order = append(order, cell)
		}
	}
	q := &queue{s, order}
	for heap.Init(q); len(q.order) > 0; {
		cell := heap.Pop(q).(int)
		by := s.denied(cell)
		if by == 0 {
			return cell
		}
		if _, known := s.rejected[cell]; !known && len(s.rejected) < 3*maxRejected {
			s.rejected[cell] = Cause{Values: s.values(cell), Score: probability(-by), Share: s.share(cell), gain: s.gains[cell], cell: cell}
		}
	}
	return -1
}

// byGain orders cells by their gain, equals by their description.
func (s *search) byGain(a, b int) int {
	if c := cmp.Compare(s.gains[b], s.gains[a]); c != 0 {
		return c
	}
	return s.simpler(a, b)
}

// queue hands out cells by gain; few of many are asked for.
type queue struct {
	*search
	order []int
}

func (q *queue) Len() int           { return len(q.order) }
func (q *queue) Less(i, j int) bool { return q.byGain(q.order[i], q.order[j]) < 0 }
func (q *queue) Swap(i, j int)      { q.order[i], q.order[j] = q.order[j], q.order[i] }
func (q *queue) Push(any)           {}
func (q *queue) Pop() any {
	last := len(q.order) - 1
	cell := q.order[last]
	q.order = q.order[:last]
	return cell
}

// denied returns the nats by which the values of one dimension deny that cell changed as one, the dimension where they do so
// most, and 0 below leastDenial. A value denies where its leaves look better unchanged than under the cell's factor and under
// any of its own, since causes overlap.
func (s *search) denied(cell int) (by float64) {
	parent, m := s.at(cell), s.mask(cell)
	var children []int
	for d := range s.cards {
		if m>>d&1 == 1 {
			continue
		}
		sum := 0.0
		children = s.children(children[:0], cell, d)
		for _, child := range children {
			sums := s.at(child)
			if s.count(sums) < 0.5 {
				continue
			}
			if under := s.under(parent, sums); under < 0 {
				sum += math.Max(0, -math.Max(under, s.gain(sums, 0)))
			}
		}
		by = math.Max(by, sum)
	}
	if by < leastDenial {
		return 0
	}
	return by
}

// share returns the part of all change that lies in leaves of the cell that are not explained yet.
func (s *search) share(cell int) float64 {
	sum := 0.0
	for _, i := range s.within(nil, cell) {
		if !s.gone[i] {
			sum += s.moved[i]
		}
	}
	if sum == 0 {
		return 0
	}
	return sum / s.all
}

// take makes a cell part of the answer, and its leaves explained.
func (s *search) take(cell int, gain float64) {
	s.answer = append(s.answer, Cause{Values: s.values(cell), Score: probability(gain), Share: s.share(cell), gain: gain, cell: cell})
	delete(s.rejected, cell)
	touched := make([]bool, s.n)
	var above []int
	for _, i := range s.within(nil, cell) {
		if s.gone[i] {
			continue
		}
		s.gone[i] = true
		above = s.above(above[:0], i)
		for _, c := range above {
			subtract(s.at(c), s.leaf[i*aWidth:(i+1)*aWidth])
			touched[c] = true
		}
	}
	for c, is := range touched {
		if is {
			s.gains[c] = s.score(c)
		}
	}
}

// probability turns odds in nats into a probability.
func probability(gain float64) float64 { return 1 / (1 + math.Exp(-gain)) }
