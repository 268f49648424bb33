package incident

import "github.com/drainwatch/drainwatch/detector/state"

// Code writes or reads the incident.
func (i *Incident) Code(c *state.Coder) {
	c.Strings(&i.ID, (*string)(&i.Status))
	state.Ints(c, &i.Revision, &i.saidUsers)
	state.Ints(c, &i.DetectedAt, &i.UpdatedAt)
	state.Floats(c, &i.saidMoney)
	i.Finding.Code(c)
}

// Code writes or reads the finding.
func (f *Finding) Code(c *state.Coder) {
	f.Cause.Code(c)
	c.Strings(&f.Scope.Kind, &f.Scope.User, &f.Scope.LinkedBy, (*string)(&f.Severity), &f.MergedInto)
	state.Map(c, &f.Scope.Where, c.String, c.String)
	state.Slice(c, &f.Scope.Users, c.String)
	f.Verdict.Code(c)
	state.Ints(c, &f.StartedAt, &f.LastAt, &f.Onset.From, &f.Onset.To)
	state.Ints(c, &f.Users)
	f.Overcharge.Code(c)
	state.Floats(c, &f.Charged)
	c.Bools(&f.Over, &f.Final)
	state.Slice(c, &f.Splits, func(s *Split) {
		c.String(&s.With)
		state.Ints(c, &s.Until)
		c.Bools(&s.Off)
	})
}
