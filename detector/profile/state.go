package profile

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/state"
)

// Code writes or reads the memory of conversations.
func (t *Threads) Code(c *state.Coder) {
	hash := func(k *uint64) { state.Uints(c, k) }
	state.Ints(c, &t.since, &t.turnedAt, &t.boreAt)
	for _, m := range []*map[uint64]thread{&t.young, &t.old} {
		state.Map(c, m, hash, func(x *thread) {
			state.Ints(c, &x.at)
			state.Ints(c, &x.longest, &x.before, &x.input, &x.answer)
			c.Bools(&x.leapt)
			state.Uints(c, &x.turn, &x.last)
		})
	}
	state.Slice(c, &t.doubts, func(d *doubt) {
		state.Uints(c, &d.thread, &d.user)
		state.Ints(c, &d.at)
		state.Ints(c, &d.cached)
		state.Uints(c, &d.turn)
		if cohort.CodeLeaf(c, &d.leaf); d.leaf == nil {
			c.Fail("the leaf of a doubt is missing")
		}
	})
	state.Map(c, &t.open, hash, func(n *int) { state.Ints(c, n) })
	for _, m := range []*map[uint64]*borne{&t.bore, &t.had} {
		state.Map(c, m, hash, func(p **borne) {
			state.Opt(c, p, func(b *borne) {
				for k := range b {
					state.Ints(c, &b[k].hour, &b[k].day)
				}
			})
			if *p == nil {
				c.Fail("what a user bore is missing")
			}
		})
	}
	for user := range t.had { // who stands in both is one and the same
		if b := t.bore[user]; b != nil && c.Reading() {
			t.had[user] = b
		}
	}
	if t.young == nil || t.open == nil || t.bore == nil {
		c.Fail("the memory of conversations is missing")
	}
}

// Code writes or reads the finding.
func (f *Finding) Code(c *state.Coder) {
	state.Uints(c, &f.Kind)
	c.String(&f.User)
	cohort.CodeLeaf(c, &f.Leaf)
	state.Uints(c, &f.Flag)
	state.Ints(c, &f.At, &f.Since, &f.Rows, &f.NewFrom, &f.NewSince, &f.EvenSince)
	state.Floats(c, &f.Evidence, &f.Novel, &f.Strange, &f.Score, &f.Ratio, &f.Observed, &f.Expected, &f.DayRatio, &f.Days, &f.NovelRatio, &f.Past,
		&f.Bout, &f.Evenness, &f.PastEvenness, &f.pressure)
	state.Ints(c, &f.NovelHours, &f.NewDevices, &f.Devices, &f.NewNetworks, &f.Networks, &f.NewKeys, &f.NewCountries, &f.AwakeHours)
	c.Bools(&f.OwnKey)
	f.Now.code(c)
	f.Base.code(c)
	f.limits.code(c)
}

func (c *Counts) code(to *state.Coder) {
	to.Floats32(&c.Buckets, &c.Rows, &c.Requests, &c.Turns, &c.Background, &c.Failures, &c.Penalties, &c.Credits, &c.List,
		&c.Input, &c.Cached, &c.CacheWrite, &c.Output)
}

func (l *Limits) code(c *state.Coder) {
	for r := range l {
		state.Floats(c, &l[r])
	}
}
