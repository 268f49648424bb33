package detector

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// coded is a localise.Table with what its codes mean.
type coded struct {
	localise.Table
	names [event.NumDims][]string
	index [event.NumDims]map[string]uint32
}

func newCoded() *coded {
	c := &coded{}
	c.Codes = make([][]uint32, event.NumDims)
	c.Cards = make([]int, event.NumDims)
	for d := range c.index {
		c.index[d] = map[string]uint32{}
	}
	return c
}

func (c *coded) add(leaf *cohort.Leaf, s localise.Sums) {
	c.Rows = append(c.Rows, s)
	for d, name := range leaf.Values {
		code := uint32(0)
		if name != "" && name != cohort.Other {
			code = c.code(d, name)
		}
		c.Codes[d] = append(c.Codes[d], code)
	}
}

func (c *coded) code(d int, name string) uint32 {
	code, ok := c.index[d][name]
	if !ok {
		c.names[d] = append(c.names[d], name)
		code = uint32(len(c.names[d]))
		c.index[d][name] = code
	}
	return code
}

// done blanks the dimensions that no scope may name and counts the values of the others.
func (c *coded) done(use []event.Dim, never ...event.Dim) *coded {
	allowed := map[event.Dim]bool{}
	for _, d := range use {
		allowed[d] = true
	}
	for _, d := range never {
		allowed[d] = false
	}
	for d := range c.Codes {
		c.Cards[d] = len(c.names[d])
		if !allowed[event.Dim(d)] {
			clear(c.Codes[d])
		}
	}
	return c
}

// holding calls fn with each value that bears nearly all affected rows and is not all there is, and its sums, until fn
// returns true: a scope that so far cannot be told from everybody.
func (c *coded) holding(fn func(d event.Dim, value string, s localise.Sums) bool) bool {
	var all localise.Sums
	for _, s := range c.Rows {
		all[0], all[1] = all[0]+s[0], all[1]+s[1]
	}
	for d, names := range c.names {
		of := make([]localise.Sums, len(names)+1)
		for i, s := range c.Rows {
			x := &of[c.Codes[d][i]]
			x[0], x[1] = x[0]+s[0], x[1]+s[1]
		}
		for k, x := range of[1:] {
			if x[0] >= 0.95*all[0] && x[1] < all[1] && fn(event.Dim(d), names[k], x) {
				return true
			}
		}
	}
	return false
}
