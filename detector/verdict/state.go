package verdict

import "github.com/drainwatch/drainwatch/detector/state"

// Code writes or reads the period.
func (p *Period) Code(c *state.Coder) {
	state.Floats(c, &p.Users, &p.Turns, &p.Requests, &p.Background, &p.Rows, &p.Input, &p.Cached, &p.Output,
		&p.Credits, &p.Usage, &p.Priced, &p.List, &p.Full, &p.Budgeted, &p.Dry)
}

// Code writes or reads what is left.
func (l *Left) Code(c *state.Coder) { state.Floats(c, &l.Requests, &l.Turns, &l.Users) }

// Code writes or reads the blend.
func (b *Blend) Code(c *state.Coder) {
	type entry struct {
		Sort
		p *Portion
	}
	var list []entry
	for _, s := range b.sorts() {
		list = append(list, entry{s, (*b)[s]})
	}
	state.Slice(c, &list, func(x *entry) {
		c.Strings(&x.Plan, &x.Model)
		if state.Opt(c, &x.p, func(p *Portion) { p.code(c) }); x.p == nil {
			c.Fail("a portion is missing")
		}
	})
	if !c.Reading() {
		return
	}
	*b = nil
	for i := range list {
		if *b == nil {
			*b = Blend{}
		} else if list[i-1].Sort.compare(list[i].Sort) >= 0 {
			c.Fail("the sorts of a blend are not in order")
		}
		(*b)[list[i].Sort] = list[i].p
	}
}

func (p *Portion) code(c *state.Coder) {
	state.Floats(c, &p.Input, &p.Cached, &p.Output, &p.List, &p.Full, &p.ii, &p.io, &p.oo, &p.in, &p.on)
}

// Code writes or reads the cause, in full: an incident goes on under the words that it was said with.
func (x *Cause) Code(c *state.Coder) {
	c.String((*string)(&x.Class))
	c.Strings(&x.Name, &x.Factor, &x.What, &x.Next)
}

// Code writes or reads the verdict.
func (v *Verdict) Code(c *state.Coder) {
	state.Floats(c, &v.Ratio, &v.Confidence)
	c.Bools(&v.HasRatio)
	state.Slice(c, &v.Factors, func(f *Factor) {
		c.Strings(&f.Name, &f.Of)
		state.Floats(c, &f.Value, &f.Credits, &f.Spread)
		c.Bools(&f.Told)
	})
	state.Slice(c, &v.Evidence, func(e *Evidence) {
		c.Strings(&e.Code, &e.Text)
		state.Opt(c, &e.Observed, func(x *float64) { state.Floats(c, x) })
		state.Opt(c, &e.Expected, func(x *float64) { state.Floats(c, x) })
		c.Bools(&e.Against)
	})
}
