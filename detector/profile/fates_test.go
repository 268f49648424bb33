package profile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// fate is what became of a user: at which active stretch of the drain it was found, after how many days accepted; -1 is never.
type fate struct{ found, accepted int64 }

// chapter is some days of a user's life: each day's volume is factor·growth^day times the usual.
type chapter struct {
	days           int64
	factor, growth float64
	always         bool // round the clock
	device         string
	silent         bool
}

// tell folds chapters, the last of which is what is to be found, and returns its fate.
func tell(seed uint64, hours int64, chapters []chapter) fate {
	table, h := newHeard()
	p := &person{rng: rand.New(rand.NewPCG(seed, 7)), from: 8, to: 8 + hours, device: "laptop"}
	for i := range int64(500) { // others, whose mean stands in where little is known
		table.charge(fmt.Sprint("other", i%100), monday+i/100*Bucket, math.Exp(p.rng.NormFloat64()))
	}
	at := int64(0)
	for i, c := range chapters {
		last := i == len(chapters)-1
		if last {
			h.findings = nil
		}
		p.device, p.network = "laptop", ""
		if c.device != "" {
			p.device, p.network = c.device, c.device
		}
		for factor := c.factor; c.days > 0; c.days-- {
			if !c.silent {
				p.live(table, "u", at, 1, factor, c.always)
			}
			at++
			factor *= c.growth
		}
		if last {
			f := fate{-1, -1}
			began := monday + (at-chapters[i].days)*day
			if d := h.of(Drain); len(d) > 0 {
				f.found = (d[0].At - began) / Bucket
			}
			if a := h.of(Accepted); len(a) > 0 {
				f.accepted = (a[0].At - began) / day
			}
			return f
		}
	}
	return fate{-1, -1}
}

// Who tries the detector's patience, who comes back, who begins: found or accepted, and after how long, in most of 30 lives.
func TestFates(t *testing.T) {
	// A person's stretch is log-normal with median and sigma 1, so its mean is e^0.5: drains are told in means.
	usual := chapter{days: 14, factor: 1, growth: 1}
	drain := func(factor float64, days int64, device string) chapter {
		return chapter{days: days, factor: factor * math.Exp(0.5), growth: 1, always: true, device: device}
	}
	for _, c := range []struct {
		name     string
		hours    int64 // active a day
		chapters []chapter
		found    [2]int64 // stretches until it is found, least and most at the median; -1 is never
		accepted [2]int64 // days until it is accepted
		why      string
	}{
		{
			"a drain of a known user", 9,
			[]chapter{usual, drain(20, 2, "")},
			[2]int64{60, 130},
			[2]int64{-1, -1},
			"the measure of the others",
		},
		{
			"one percent a day for two months, then the drain", 9,
			[]chapter{usual, {days: 60, factor: 1, growth: 1.01}, drain(20*1.8, 2, "")},
			[2]int64{60, 130},
			[2]int64{-1, -1},
			"what was learned is the present level, and twenty times that is found as soon",
		},
		{
			"one percent a day, then twenty times what it was at first", 9,
			[]chapter{usual, {days: 60, factor: 1, growth: 1.01}, drain(20, 2, "")},
			[2]int64{100, 220},
			[2]int64{-1, -1},
			"patience buys the patient a factor of 1.8, no more",
		},
		{
			"five percent a day for forty days, then twenty times what it was at first", 9,
			[]chapter{usual, {days: 40, factor: 1, growth: 1.05}, drain(20, 2, "")},
			[2]int64{-1, -1},
			[2]int64{-1, -1},
			"it is three times the level of by then: slow growth is not this table's to find",
		},
		{
			"the same with a new identity", 9,
			[]chapter{usual, {days: 40, factor: 1, growth: 1.05}, drain(20, 2, "thief's")},
			[2]int64{5, 60},
			[2]int64{-1, -1},
			"a stranger is held against the same level, but by who draws",
		},
		{
			"a burst on the first days, then the drain", 9,
			[]chapter{drain(20, 2, ""), usual, drain(20, 2, "")},
			[2]int64{-1, -1},
			[2]int64{-1, -1},
			"the burst is what is known of the user for weeks: two days of 48 stretches against two weeks of 27",
		},
		{
			"the same two months on", 9,
			[]chapter{drain(20, 2, ""), {days: 60, factor: 1, growth: 1}, drain(20, 2, "")},
			[2]int64{110, 240},
			[2]int64{-1, -1},
			"and is forgotten at three percent a day",
		},
		{
			"ten times the work in the user's own hours for six weeks", 9,
			[]chapter{usual, {days: 42, factor: 10, growth: 1}},
			[2]int64{-1, -1},
			[2]int64{-1, 15},
			"a new project accuses nobody",
		},
		{
			"twenty times round the clock for three weeks", 9,
			[]chapter{usual, drain(20, 21, "")},
			[2]int64{60, 130},
			[2]int64{7, 10},
			"said, and taken for what the user does after a week",
		},
		{
			"back after six weeks, as ever", 9,
			[]chapter{usual, {days: 42, silent: true}, {days: 7, factor: 1, growth: 1}},
			[2]int64{-1, -1},
			[2]int64{-1, -1},
			"the past waits",
		},
		{
			"drained after six weeks of absence", 9,
			[]chapter{usual, {days: 42, silent: true}, drain(20, 2, "")},
			[2]int64{60, 130},
			[2]int64{-1, -1},
			"for who comes in somebody's place too",
		},
		{
			"one active hour, then the drain", 1,
			[]chapter{{days: 1, factor: 1, growth: 1}, {days: 6, silent: true}, drain(20, 2, "")},
			[2]int64{-1, -1},
			[2]int64{-1, -1},
			"an hour is no usual: volume alone accuses nobody of whom so little is known",
		},
		{
			"one active hour, then a stranger's drain", 1,
			[]chapter{{days: 1, factor: 1, growth: 1}, {days: 6, silent: true}, drain(20, 1, "thief's")},
			[2]int64{3, 60},
			[2]int64{-1, -1},
			"who draws is known even so",
		},
	} {
		var found, accepted []int64
		for seed := range uint64(30) {
			f := tell(seed, c.hours, slices.Clone(c.chapters))
			found, accepted = append(found, f.found), append(accepted, f.accepted)
		}
		median := func(x []int64) int64 { slices.Sort(x); return x[len(x)/2] }
		f, a := median(found), median(accepted)
		t.Logf("%-70s found after %3d stretches, accepted after %3d days: %s", c.name, f, a, c.why)
		if f < c.found[0] || f > c.found[1] {
			t.Errorf("%s: found after %d stretches at the median, want %v: %s", c.name, f, c.found, c.why)
		}
		if a < c.accepted[0] || a > c.accepted[1] {
			t.Errorf("%s: accepted after %d days at the median, want %v: %s", c.name, a, c.accepted, c.why)
		}
	}
}

// A user who works ten times as much in their own hours is held against that in the end, without anybody having been accused.
func TestARegimeIsLearned(t *testing.T) {
	for seed := range uint64(10) {
		table, h := newHeard()
		p := &person{rng: rand.New(rand.NewPCG(seed, 8)), from: 8, to: 17, device: "laptop"}
		p.live(table, "u", 0, 14, 1, false)
		before := table.user("u").past.mean(0)
		p.live(table, "u", 14, 42, 10, false)
		if now := table.user("u").past.mean(0); now < 5*before {
			t.Errorf("user %d: after six weeks of ten times the work the past has %.3g a stretch, %.3g before", seed, now, before)
		}
		if d := h.of(Drain); len(d) > 0 {
			t.Errorf("user %d was accused: %+v", seed, d[0])
		}
	}
}

// What is accepted is said once, with what was and what is, and is not accused again while it goes on.
func TestAcceptedIsSaidOnce(t *testing.T) {
	table, h := newHeard()
	p := &person{rng: rand.New(rand.NewPCG(5, 9)), from: 8, to: 17, device: "laptop"}
	p.live(table, "u", 0, 14, 1, false)
	p.live(table, "u", 14, 30, 40, true)
	accepted := h.of(Accepted)
	if len(accepted) != 1 || accepted[0].Ratio < 10 || accepted[0].Observed < 10*accepted[0].Expected {
		t.Fatalf("accepted: %+v", accepted)
	}
	for _, f := range h.of(Drain) {
		if f.At > accepted[0].At {
			t.Errorf("accused again: %+v", f)
		}
	}
	if d := h.of(Drain); len(d) == 0 || d[0].At > monday+16*day {
		t.Errorf("not said within two days that it was a drain before it was accepted")
	}
}
