package profile

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
)

var fateLives = flag.Int("fates", 20, "lives of each fate; make fates takes 200, for the tables in doc.go")

// fate is what became of a user: after how many stretches of ten minutes the last chapter was found, after how many days it was
// said to be accepted, and after how many the past stood at half of it or more.
type fate struct{ found, accepted, learned int64 }

const never = int64(math.MaxInt32)

// chapter is some days of a user's life: each day's volume is factor·growth^day times the usual.
type chapter struct {
	days           int64
	factor, growth float64
	always         bool  // round the clock
	longer         int64 // hours a day more than usual
	device         string
	silent         bool
}

// tell folds chapters, the last of which is what is to be found, and returns its fate.
func tell(seed uint64, hours int64, chapters []chapter) fate {
	table, h := newHeard()
	p := &person{rng: rand.New(rand.NewPCG(seed, 7))}
	for i := range int64(500) { // others, whose mean stands in where little is known
		table.charge(fmt.Sprint("other", i%100), monday+i/100*Bucket, math.Exp(p.rng.NormFloat64()))
	}
	at, f := int64(0), fate{never, never, never}
	for i, c := range chapters {
		last, began := i == len(chapters)-1, at
		p.from, p.to, p.device, p.network = 8, 8+hours+c.longer, "laptop", ""
		if c.device != "" {
			p.device, p.network = c.device, c.device
		}
		h.findings = nil
		for factor := c.factor; at < began+c.days; factor *= c.growth {
			if !c.silent {
				p.live(table, "u", at, 1, factor, c.always)
			}
			at++
			if last && f.learned == never && table.user("u").past.mean(&prior{weight: ownWeight}) >= float32(factor*math.Exp(0.5)/2) {
				f.learned = at - began
			}
		}
		began = monday + began*day
		if d := h.of(Drain); last && len(d) > 0 {
			f.found = (d[0].At - began) / Bucket
		}
		if a := h.of(Accepted); last && len(a) > 0 {
			f.accepted = (a[0].At - began) / day
		}
	}
	return f
}

// Who tries the detector's patience, who changes, who begins: found or accepted, and after how long. The tables in doc.go.
func TestFates(t *testing.T) {
	// A person's stretch is log-normal with median and sigma 1, so its mean is e^0.5: drains are told in means.
	usual := chapter{days: 14, factor: 1, growth: 1}
	drain := func(factor float64, days int64, device string) chapter {
		return chapter{days: days, factor: factor * math.Exp(0.5), growth: 1, always: true, device: device}
	}
	away := chapter{days: 42, silent: true}
	grown := chapter{days: 60, factor: 1, growth: 1.01}
	fast := chapter{days: 40, factor: 1, growth: 1.05}
	no := [2]int64{never, never}
	type row struct {
		name     string
		chapters []chapter
		hours    int64    // active a day
		found    [2]int64 // stretches until it is found, least and most at the median
		accepted [2]int64 // days until it is said to be accepted
		learned  int64    // days within which the past holds it; 0 where that is no matter
		why      string
	}
	for _, part := range []struct {
		name string
		rows []row
	}{
		{"Poisoning", []row{
			{"20x, as it is without poison", []chapter{usual, drain(20, 2, "")}, 9, [2]int64{60, 130}, no, 0, "the measure of the others"},
			{"1% a day for 60 days, then 20x of that", []chapter{usual, grown, drain(20*1.8, 2, "")}, 9, [2]int64{60, 130}, no, 0, "what was learned is the present level, and twenty times that is found as soon"},
			{"1% a day for 60 days, then 20x of the first", []chapter{usual, grown, drain(20, 2, "")}, 9, [2]int64{100, 220}, no, 0, "patience buys a factor of 1.8, no more"},
			{"5% a day for 40 days, then 20x of the first", []chapter{usual, fast, drain(20, 2, "")}, 9, no, no, 0, "it is three times the level of by then: slow growth is not this table's to find"},
			{"the same by a new identity", []chapter{usual, fast, drain(20, 2, "thief's")}, 9, [2]int64{5, 60}, no, 0, "a stranger is held against the same level, but by who draws"},
			{"a burst on days 1-2, then 20x on day 17", []chapter{drain(20, 2, ""), usual, drain(20, 2, "")}, 9, no, no, 0, "the burst is what is known of the user for weeks: two days of 48 stretches against two weeks of 27"},
			{"the same by a new identity", []chapter{drain(20, 2, ""), usual, drain(20, 2, "thief's")}, 9, [2]int64{5, 140}, no, 0, "who draws is known even so"},
			{"a burst on days 1-2, then 20x on day 63", []chapter{drain(20, 2, ""), {days: 60, factor: 1, growth: 1}, drain(20, 2, "")}, 9, [2]int64{110, 240}, no, 0, "it is forgotten at three percent a day"},
			{"the burst itself, on days 6-7", []chapter{{days: 5, factor: 1, growth: 1}, drain(20, 2, "")}, 9, [2]int64{60, 200}, no, 0, "five days are a past"},
			{"20x on day 22, a burst on days 6-7 before", []chapter{{days: 5, factor: 1, growth: 1}, drain(20, 2, ""), usual, drain(20, 2, "")}, 9, [2]int64{60, 150}, no, 0, "what was found is not learned from"},
		}},
		{"A change of life", []row{
			{"a new project: 10x in one's own hours", []chapter{usual, {days: 42, factor: 10, growth: 1}}, 9, no, no, 14, "it accuses nobody, and nobody has to be told"},
			{"a new plan: 5x, and 5 hours a day longer", []chapter{usual, {days: 42, factor: 5, growth: 1, longer: 5}}, 9, no, no, 14, "nor does that"},
			{"20x round the clock for three weeks", []chapter{usual, drain(20, 21, "")}, 9, [2]int64{60, 130}, [2]int64{7, 10}, 10, "said, and taken for what the user does after a week"},
			{"100x round the clock for three weeks", []chapter{usual, drain(100, 21, "")}, 9, [2]int64{40, 110}, [2]int64{7, 10}, 10, "so is what is larger"},
			{"back after six weeks, as ever", []chapter{usual, away, {days: 7, factor: 1, growth: 1}}, 9, no, no, 0, "the past waits"},
			{"back after six weeks with a new laptop", []chapter{usual, away, {days: 7, factor: 1, growth: 1, device: "new"}}, 9, no, no, 0, "a new device proves nothing"},
			{"back after six weeks with 5x the work", []chapter{usual, away, {days: 14, factor: 5, growth: 1}}, 9, no, no, 14, "a new project"},
			{"drained after six weeks of absence: 20x", []chapter{usual, away, drain(20, 2, "")}, 9, [2]int64{60, 130}, no, 0, "for who comes in somebody's place too"},
		}},
		{"A cold start", []row{
			{"a newcomer like all others", []chapter{usual}, 9, no, no, 0, "nobody's first days are a drain"},
			{"a newcomer to a team that does 10x as much", []chapter{{days: 14, factor: 10, growth: 1}}, 9, no, no, 3, "nor of a heavy team, though everybody's mean stands in"},
			{"an account that is drained from its first row", []chapter{drain(20, 14, "")}, 9, no, no, 0, "it has no other past: farms are told by their devices"},
			{"20x from the second day on", []chapter{{days: 1, factor: 1, growth: 1}, drain(20, 7, "")}, 9, [2]int64{400, 600}, no, 0, "volume alone accuses nobody in the first four days"},
			{"the same by a new identity", []chapter{{days: 1, factor: 1, growth: 1}, drain(20, 7, "thief's")}, 9, [2]int64{3, 140}, no, 0, "who draws is known even so"},
			{"20x from the sixth day on", []chapter{{days: 5, factor: 1, growth: 1}, drain(20, 7, "")}, 9, [2]int64{60, 200}, no, 0, "five days are a past"},
			{"one active hour ever, a week later 20x", []chapter{{days: 1, factor: 1, growth: 1}, {days: 6, silent: true}, drain(20, 2, "")}, 1, no, no, 0, "an hour is no usual"},
			{"the same by a new identity", []chapter{{days: 1, factor: 1, growth: 1}, {days: 6, silent: true}, drain(20, 1, "thief's")}, 1, [2]int64{3, 60}, no, 0, "who draws is known even so"},
		}},
	} {
		table := fmt.Sprintf("%-46s found  50%%  90%%   accepted  50%%  90%%   learned\n", part.name)
		for _, c := range part.rows {
			var found, accepted, learned []int64
			for seed := range uint64(*fateLives) {
				f := tell(seed, c.hours, c.chapters)
				found, accepted, learned = append(found, f.found), append(accepted, f.accepted), append(learned, f.learned)
			}
			f, a, l := fated(found), fated(accepted), fated(learned)
			table += fmt.Sprintf("%-47s %s   %8s   %7s\n", c.name, f, a, days(l.at(0.5)))
			if m := f.at(0.5); m < c.found[0] || m > c.found[1] {
				t.Errorf("%s: found after %d stretches at the median, want %v: %s", c.name, m, c.found, c.why)
			}
			if m := l.at(0.5); c.learned > 0 && m > c.learned {
				t.Errorf("%s: learned after %d days at the median, want %d at most: %s", c.name, m, c.learned, c.why)
			}
			if m := a.at(0.5); m < c.accepted[0] || m > c.accepted[1] {
				t.Errorf("%s: accepted after %d days at the median, want %v: %s", c.name, m, c.accepted, c.why)
			}
		}
		t.Logf("%d lives each\n%s", *fateLives, table)
	}
}

// lives are how long something took in each, in order.
type lives []int64

func fated(x []int64) lives { slices.Sort(x); return x }

// at returns the time within which a share of them had it.
func (l lives) at(share float64) int64 { return l[int(math.Ceil(share*float64(len(l))))-1] }

func days(n int64) string {
	if n == never {
		return "-"
	}
	return fmt.Sprint(n)
}

// share returns the share that had it.
func (l lives) share() float64 {
	return float64(sort.Search(len(l), func(i int) bool { return l[i] == never })) / float64(len(l))
}

// String returns the share that had it, and the time within which half and nine tenths of all had.
func (l lives) String() string {
	return fmt.Sprintf("%4.2f %4s %4s", l.share(), days(l.at(0.5)), days(l.at(0.9)))
}

// A user who works ten times as much in their own hours is held against that in the end, without anybody having been accused.
func TestARegimeIsLearned(t *testing.T) {
	for seed := range uint64(10) {
		table, h := newHeard()
		p := &person{rng: rand.New(rand.NewPCG(seed, 8)), from: 8, to: 17, device: "laptop"}
		p.live(table, "u", 0, 14, 1, false)
		before := table.user("u").past.mean(&prior{weight: ownWeight})
		p.live(table, "u", 14, 42, 10, false)
		if now := table.user("u").past.mean(&prior{weight: ownWeight}); now < 5*before {
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
