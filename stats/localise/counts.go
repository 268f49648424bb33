package localise

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// The sums of a cell of counts.
const (
	cLeaves  = iota // leaves where anything was predicted or counted
	cPredict        // what was predicted
	cReal           // what was counted
	cWidth
)

// countRule has the constants of countCauses.
type countRule struct {
	prior  float64 // counts that a cell's change has to outweigh
	layer  float64 // share of the evidence that naming one more dimension has to add
	narrow float64 // share of a cell's change from which on a part of it speaks for all
}

var fittedRule = countRule{prior: 2, layer: 0.1, narrow: 0.96}

const (
	countElements = 4   // most elements of one cause
	countNext     = 0.5 // evidence of a further cause, as a share of the first one's
	countLeast    = 5.0 // nats, least evidence of a cause
)

// areCounts tells counts of rare events, whose noise grows with the root of their size, from amounts, whose noise is relative:
// they are whole, and where few are predicted they differ from that as Poisson variables do. Where too few are small to tell,
// short tables are taken for counts.
func areCounts(predict, real []float64) bool {
	var chi []float64
	informative := 0
	for i, v := range real {
		if v != math.Trunc(v) {
			return false
		}
		f := predict[i]
		if f >= 1 && f <= 6 {
			chi = append(chi, (v-f)*(v-f)/f)
		}
		if f > 0 || v > 0 {
			informative++
		}
	}
	if len(chi) < 20 {
		return informative < 1000
	}
	slices.Sort(chi)
	return chi[len(chi)/2] > 0.15 // 0.45 for Poisson variables; with a relative error of .25 it is below .1
}

// deviance returns half the Poisson deviance of a cell from what was predicted, with the sign of the change.
func (r countRule) deviance(s []float64) float64 {
	p, v, sign := s[cPredict], s[cReal], 1.0
	if v < p {
		sign = -1
	}
	p += sign * r.prior
	if p <= 0 || (v-p)*sign <= 0 {
		return 0
	}
	d := p - v
	if v > 0 {
		d += v * math.Log(v/p)
	}
	return sign * d
}

// countCauses takes, time and again, the set of cells of one cuboid that has most of the evidence that any such set has, less
// what its description costs, and removes its leaves.
func countCauses(c *cells, predict, real []float64, rule countRule) (answer, rejected []Cause) {
	leaf := make([]float64, len(real)*cWidth)
	moved := make([]float64, len(real))
	all, first := 0.0, 0.0
	for i := range real {
		if predict[i] > 0 || real[i] > 0 {
			copy(leaf[i*cWidth:], []float64{1, predict[i], real[i]})
		}
		moved[i] = math.Abs(real[i] - predict[i])
		all += moved[i]
	}
	for len(answer) < maxCauses {
		t := c.total(leaf, cWidth)
		set, evidence, most, ranked := c.bestSet(&t, rule)
		if len(set) == 0 || evidence < math.Max(countLeast, countNext*first) {
			break
		}
		var chosen []Cause
		for _, cell := range set {
			cell = c.narrow(&t, cell, rule)
			if slices.ContainsFunc(chosen, func(o Cause) bool { return o.cell == cell }) {
				continue
			}
			cause := Cause{Values: c.values(cell), Score: math.Min(math.Abs(rule.deviance(t.at(cell)))/most, 1), cell: cell}
			for _, i := range c.within(nil, cell) {
				cause.Share += moved[i] / all
				moved[i] = 0
				clear(leaf[i*cWidth : (i+1)*cWidth])
			}
			chosen = append(chosen, cause)
		}
		answer = append(answer, chosen...)
		if first == 0 {
			first = evidence
			for _, cell := range ranked {
				if cause := (Cause{Values: c.values(cell), Score: math.Min(math.Abs(rule.deviance(t.at(cell)))/most, 1), cell: cell}); !slices.ContainsFunc(chosen, func(o Cause) bool { return o.cell == cell }) {
					for _, i := range c.within(nil, cell) {
						cause.Share += math.Abs(real[i]-predict[i]) / all
					}
					rejected = append(rejected, cause)
				}
			}
		}
	}
	return answer, rejected[:min(len(rejected), maxRejected)]
}

// bestSet returns the best set of cells of one cuboid that went the same way, its evidence, the most that any such set has,
// and the cells by their own evidence.
func (c *cells) bestSet(t *table, rule countRule) (set []int, evidence, most float64, ranked []int) {
	own := make([]float64, c.n)
	sides := [2][][]int{make([][]int, 1<<len(c.cards)), make([][]int, 1<<len(c.cards))}
	for cell := 1; cell < c.n; cell++ {
		d := rule.deviance(t.at(cell))
		side := 0
		if d < 0 {
			side = 1
		}
		if own[cell] = math.Abs(d); d != 0 {
			m := c.mask(cell)
			sides[side][m] = append(sides[side][m], cell)
		}
	}
	better := func(a, b int) int {
		if o := cmp.Compare(own[b], own[a]); o != 0 {
			return o
		}
		return c.simpler(a, b)
	}
	up := sides[0]
	for _, side := range sides {
		for _, in := range side {
			slices.SortFunc(in, better)
			sum := 0.0
			for _, cell := range in[:min(len(in), countElements)] {
				sum += own[cell]
			}
			if sum > most {
				most, up = sum, side
			}
		}
	}
	top := 0.0
	for _, m := range c.masks {
		sum := 0.0
		for e, cell := range up[m][:min(len(up[m]), countElements)] {
			sum += own[cell]
			ranked = append(ranked, cell)
			if score := sum/most - rule.layer*float64(bits.OnesCount(uint(m))*(e+1)); score > top {
				top, set, evidence = score, up[m][:e+1], sum
			}
		}
	}
	slices.SortFunc(ranked, better)
	return set, evidence, most, ranked[:min(len(ranked), 2*maxRejected)]
}

// narrow names further dimensions of a cell while one value of them has next to all of its change, and its siblings, which
// had something to change, none.
func (c *cells) narrow(t *table, cell int, rule countRule) int {
	for {
		s := t.at(cell)
		best, top := -1, 0.0
		for d := range c.cards {
			if c.mask(cell)>>d&1 == 1 {
				continue
			}
			for _, child := range c.children(nil, cell, d) {
				x := t.at(child)
				share := (x[cReal] - x[cPredict]) / (s[cReal] - s[cPredict])
				if x[cLeaves] > s[cLeaves]-0.5 || share < rule.narrow {
					continue
				}
				if best < 0 || share > top || share == top && x[cLeaves] < t.at(best)[cLeaves] {
					best, top = child, share
				}
			}
		}
		if best < 0 {
			return cell
		}
		cell = best
	}
}
