package verdict

import (
	"cmp"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// Sort is what tells tokens apart that have one price list: who may use which model.
type Sort struct{ Plan, Model string }

func (s Sort) compare(t Sort) int {
	return cmp.Or(strings.Compare(s.Plan, t.Plan), strings.Compare(s.Model, t.Model))
}

// Drawn is what was drawn of one sort.
type Drawn struct{ Input, Cached, Output, List, Full float64 }

// Add adds w times the sums of c.
func (d *Drawn) Add(c *cohort.Cell, w float64) {
	d.plus(&Drawn{float64(c.Input), float64(c.Cached), float64(c.Output), c.List.Float64(), c.Full.Float64()}, w)
}

func (d *Drawn) plus(x *Drawn, w float64) {
	d.Input += w * x.Input
	d.Cached += w * x.Cached
	d.Output += w * x.Output
	d.List += w * x.List
	d.Full += w * x.Full
}

func (d *Drawn) tokens() float64 { return d.Input + d.Output }

// Portion is what was drawn of one sort, and what that tells of its prices.
type Portion struct {
	Drawn
	fit
}

// fit sums the terms of Full = input·x + output·y over cells, each of weight 1/Full², which tell the two prices.
type fit struct{ ii, io, oo, in, on float64 }

// Blend is what a scope drew over a stretch of time, sort by sort.
type Blend map[Sort]*Portion

func (b Blend) of(s Sort) *Portion {
	p := b[s]
	if p == nil {
		p = &Portion{}
		b[s] = p
	}
	return p
}

// Add adds w times the sums of c, a cell of one sort, and what it tells of prices.
func (b Blend) Add(s Sort, c *cohort.Cell, w float64) {
	b.of(s).Drawn.Add(c, w)
	b.Learn(s, c)
}

// Put adds w times what was drawn of a sort.
func (b Blend) Put(s Sort, d *Drawn, w float64) { b.of(s).plus(d, w) }

// Learn takes in what a cell of one sort tells of prices, and not what was drawn.
func (b Blend) Learn(s Sort, c *cohort.Cell) {
	full := c.Full.Float64()
	if !(full > 0) {
		return
	}
	p, in, out := b.of(s), float64(c.Input)/full, float64(c.Output)/full
	p.ii += float64(in * in)
	p.io += float64(in * out)
	p.oo += float64(out * out)
	p.in += in
	p.on += out
}

// Priced returns the blend with the prices that another tells.
func (b Blend) Priced(by Blend) Blend {
	for s, p := range b {
		if x := by[s]; x != nil {
			p.fit = x.fit
		}
	}
	return b
}

// prices returns what an uncached token of input and one of output cost, by least squares over the cells; false where they do not tell the
// two apart.
func (p *fit) prices() (in, out float64, ok bool) {
	det := float64(p.ii*p.oo) - float64(p.io*p.io)
	if !(det > apart*p.ii*p.oo) {
		return 0, 0, false
	}
	in, out = (float64(p.in*p.oo)-float64(p.on*p.io))/det, (float64(p.on*p.ii)-float64(p.in*p.io))/det
	return in, out, in >= 0 && out >= 0
}

// apart is how far the shares of input in the cells of a sort must be from equal to tell two prices, as one less their squared cosine.
const apart = 1e-4

// sums returns all of a blend, in order: sums of floats depend on it.
func (b Blend) sums() (all Drawn) {
	for _, s := range b.sorts() {
		all.plus(&b[s].Drawn, 1)
	}
	return all
}

func (b Blend) sorts() []Sort {
	out := make([]Sort, 0, len(b))
	for s := range b {
		out = append(out, s)
	}
	slices.SortFunc(out, Sort.compare)
	return out
}
