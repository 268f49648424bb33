package verdict

import "github.com/drainwatch/drainwatch/detector/state"

// Code writes or reads the period.
func (p *Period) Code(c *state.Coder) {
	state.Floats(c, &p.Users, &p.Turns, &p.Requests, &p.Background, &p.Rows, &p.Input, &p.Cached, &p.Output,
		&p.Credits, &p.Usage, &p.Priced, &p.List, &p.Full, &p.Budgeted, &p.Dry)
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
	})
	state.Slice(c, &v.Evidence, func(e *Evidence) {
		c.Strings(&e.Code, &e.Text)
		state.Opt(c, &e.Observed, func(x *float64) { state.Floats(c, x) })
		state.Opt(c, &e.Expected, func(x *float64) { state.Floats(c, x) })
		c.Bools(&e.Against)
	})
}
