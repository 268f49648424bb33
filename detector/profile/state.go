package profile

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/state"
)

// Code writes or reads the memory of conversations.
func (t *Threads) Code(c *state.Coder) {
	t.codeRest(c)
	t.young.Code(c, (*thread).code)
	t.old.Code(c, (*thread).code)
	t.bore.Code(c, (*borne).code)
	t.had.Code(c, (*borne).code)
}

// CodeHead writes or reads what stands before the pieces.
func (t *Threads) CodeHead(c *state.Coder) {
	t.codeRest(c)
	t.young.CodeHead(c)
	t.old.CodeHead(c)
	t.bore.CodeHead(c)
	t.had.CodeHead(c)
}

// Pieces returns what is kept besides the head, by name: of conversations of late and of before, and of users alike.
func (t *Threads) Pieces(add func(name string, p state.Pieces)) {
	add("talks", t.young.Pieces((*thread).code))
	add("talked", t.old.Pieces((*thread).code))
	add("bore", t.bore.Pieces((*borne).code))
	add("had", t.had.Pieces((*borne).code))
}

func (t *Threads) codeRest(c *state.Coder) {
	state.Ints(c, &t.since, &t.turnedAt, &t.boreAt)
	state.Slice(c, &t.doubts, func(d *doubt) {
		state.Uints(c, &d.thread, &d.user)
		state.Ints(c, &d.at)
		state.Ints(c, &d.cached)
		state.Uints(c, &d.turn)
		c.Bools(&d.far)
		if cohort.CodeLeaf(c, &d.leaf); d.leaf == nil {
			c.Fail("the leaf of a doubt is missing")
		}
	})
	state.Map(c, &t.open, func(k *uint64) { state.Uints(c, k) }, func(n *int) { state.Ints(c, n) })
	if t.open == nil {
		c.Fail("the memory of conversations is missing")
	}
}

func (x *thread) code(c *state.Coder) {
	state.Ints(c, &x.at)
	state.Ints(c, &x.longest, &x.said, &x.before, &x.input, &x.answer)
	c.Bools(&x.leapt)
	state.Uints(c, &x.turn, &x.last)
}

func (b *borne) code(c *state.Coder) {
	for k := range b {
		state.Ints(c, &b[k].hour, &b[k].day)
	}
}

// Code writes or reads the finding.
func (f *Finding) Code(c *state.Coder) {
	state.Uints(c, &f.Kind)
	c.String(&f.User)
	cohort.CodeLeaf(c, &f.Leaf)
	state.Uints(c, &f.Flag)
	state.Ints(c, &f.At, &f.Since, &f.Last, &f.Rows, &f.NewFrom, &f.NewSince, &f.CrowdFrom, &f.EvenSince)
	state.Floats(c, &f.Evidence, &f.Novel, &f.Strange, &f.Score, &f.Ratio, &f.Observed, &f.Expected, &f.DayRatio, &f.Days, &f.Duty, &f.NovelRatio, &f.Past,
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
