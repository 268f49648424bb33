package verdict

import (
	"cmp"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// Sort is what tells tokens apart that have one price list: who may use which model.
type Sort struct{ Plan, Model string }

// Portion is what was drawn of one sort.
type Portion struct {
	Input, Cached, Output, List, Full float64

	// Sums of Full = input·x + output·y over its cells, each of weight 1/Full², which tell the two prices.
	ii, io, oo, in, on float64
}

// Blend is what a scope drew over a stretch of time, sort by sort.
type Blend map[Sort]*Portion

// Add adds w times the sums of c, a cell of one sort.
func (b Blend) Add(s Sort, c *cohort.Cell, w float64) {
	p := b[s]
	if p == nil {
		p = &Portion{}
		b[s] = p
	}
	in, out, full := float64(c.Input), float64(c.Output), c.Full.Float64()
	p.Input += w * in
	p.Cached += w * float64(c.Cached)
	p.Output += w * out
	p.List += w * c.List.Float64()
	p.Full += w * full
	if full > 0 {
		in, out = in/full, out/full
		p.ii += in * in
		p.io += in * out
		p.oo += out * out
		p.in += in
		p.on += out
	}
}

// prices returns what an uncached token of input and one of output cost, by least squares over the cells; false where they do not tell the
// two apart.
func (p *Portion) prices() (in, out float64, ok bool) {
	det := float64(p.ii*p.oo) - float64(p.io*p.io)
	if !(det > apart*p.ii*p.oo) {
		return 0, 0, false
	}
	in, out = (float64(p.in*p.oo)-float64(p.on*p.io))/det, (float64(p.on*p.ii)-float64(p.in*p.io))/det
	return in, out, in >= 0 && out >= 0
}

// apart is how far the shares of input in the cells of a portion must be from equal to tell two prices, as one less their squared cosine.
const apart = 1e-4

func (p *Portion) tokens() float64 { return p.Input + p.Output }

// sums returns all of a blend, in order: sums of floats depend on it.
func (b Blend) sums() (all Portion) {
	for _, s := range b.sorts() {
		p := b[s]
		all.Input += p.Input
		all.Cached += p.Cached
		all.Output += p.Output
		all.List += p.List
		all.Full += p.Full
	}
	return all
}

func (b Blend) sorts() []Sort {
	out := make([]Sort, 0, len(b))
	for s := range b {
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y Sort) int { return cmp.Or(strings.Compare(x.Plan, y.Plan), strings.Compare(x.Model, y.Model)) })
	return out
}
