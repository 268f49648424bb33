package event

import "github.com/drainwatch/drainwatch/detector/state"

// Code writes or reads the sum.
func (s *Sum) Code(c *state.Coder) {
	state.Ints(c, &s.hi)
	state.Uints(c, &s.lo)
}

// Code writes or reads the row.
func (e *Event) Code(c *state.Coder) {
	c.Strings(&e.ID, &e.User, &e.RequestID, &e.TurnID, &e.Reason, &e.Enforcement, &e.Session, &e.Device, &e.IP, &e.ASN, &e.Country, &e.APIKey)
	for d := range e.Dims {
		c.String(&e.Dims[d])
	}
	state.Ints(c, &e.Time, &e.Input, &e.Cached, &e.CacheWrite, &e.Output, &e.Reasoning, &e.AccountCreated, &e.QuotaResets)
	state.Uints(c, &e.Kind)
	state.Uints(c, &e.Status)
	state.Ints(c, &e.Credits)
	state.Floats(c, &e.QuotaUsed)
	c.Bools(&e.HasTokens, &e.HasQuota)
}
