package ledger

import (
	"math"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// adoption is a release that came at the onset, held against the versions before it.
func adoption(hours int64) Claim {
	return Claim{
		Incident: "inc_1", Where: where("plan", "pro", "client_version", "2"), Before: where("plan", "pro"), From: onset, To: onset + hours*cohort.Hour,
		Flag: cohort.Over, Compare: true,
	}
}

// steady feeds one row an hour from hour from to hour to, counted from the onset.
func steady(b *Booker, user, version, charge string, from, to int64) {
	hourly(b, user, version, charge, false, from, to)
}

func hourly(b *Booker, user, version, charge string, unprompted bool, from, to int64) {
	for h := from; h < to; h++ {
		e := &event.Event{User: user, Time: onset + h*cohort.Hour, Credits: credits(charge), Input: 1000, Output: 10, HasTokens: true}
		e.Dims[event.Plan], e.Dims[event.ClientVersion] = "pro", version
		b.Add(cohort.Row{Event: e, Unprompted: unprompted})
	}
}

func periods(b *Booker) (now, before verdict.Period) {
	r := b.Results()["inc_1"]
	return r.Now, r.Before
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

// The same users, over the same time: a release that doubles the charge is a ratio of two, whenever it came to each.
func TestCompareHoldsUsersAgainstThemselves(t *testing.T) {
	for _, c := range []struct {
		why        string
		hours      int64
		feed       func(*Booker)
		now, ratio float64
	}{
		{
			"everybody adopts at the onset", 24, func(b *Booker) {
				steady(b, "u", "1", "1", -48, 0)
				steady(b, "u", "2", "2", 0, 24)
			}, 48, 2,
		},
		{
			"it comes a day late: until then the user's rows are past, and so is that day", 48, func(b *Booker) {
				steady(b, "u", "1", "1", -24, 24)
				steady(b, "u", "2", "2", 24, 48)
			}, 48, 2,
		},
		{
			"the old version goes on beside the new one: it is past no more", 24, func(b *Booker) {
				steady(b, "u", "1", "1", -48, 0)
				for h := range int64(24) {
					steady(b, "u", "2", "2", h, h+1)
					steady(b, "u", "1", "1", h, h+1)
				}
			}, 48, 2,
		},
		{
			"a user without a past is not compared", 24, func(b *Booker) {
				steady(b, "u", "1", "1", -48, 0)
				steady(b, "u", "2", "2", 0, 24)
				steady(b, "new", "2", "9", 0, 24)
			}, 48, 2,
		},
		{
			"nor one whose past is shorter than half a day", 24, func(b *Booker) {
				steady(b, "u", "1", "1", -48, 0)
				steady(b, "u", "2", "2", 0, 24)
				steady(b, "young", "1", "9", -12, 0)
				steady(b, "young", "2", "9", 0, 24)
			}, 48, 2,
		},
		{
			"nor one who has not adopted", 24, func(b *Booker) {
				steady(b, "u", "1", "1", -48, 0)
				steady(b, "u", "2", "2", 0, 24)
				steady(b, "late", "1", "9", -48, 24)
			}, 48, 2,
		},
		{
			"rows of other cohorts count on neither side", 24, func(b *Booker) {
				steady(b, "u", "1", "1", -48, 0)
				steady(b, "u", "2", "2", 0, 24)
				e := &event.Event{User: "u", Time: onset - cohort.Hour, Credits: credits("500")}
				e.Dims[event.Plan] = "free"
				b.Add(cohort.Row{Event: e})
			}, 48, 2,
		},
		{
			"what comes after the end", 24, func(b *Booker) {
				steady(b, "u", "1", "1", -48, 0)
				steady(b, "u", "2", "2", 0, 24)
				steady(b, "u", "2", "500", 25, 30)
			}, 48, 2,
		},
	} {
		b := NewBooker([]Claim{adoption(c.hours)})
		c.feed(b)
		now, before := periods(b)
		if !near(now.Credits, c.now) || !near(now.Credits/before.Credits, c.ratio) || !near(now.Rows/before.Rows, c.ratio/2) {
			t.Errorf("%s: %v credits in %v rows after %v in %v, want %v and x%v", c.why, now.Credits, now.Rows, before.Credits, before.Rows, c.now, c.ratio)
		}
	}
}

// Those whom an incident of an hour hits are those who are at work in it. They were at work then, whatever they do at other times.
func TestCompareHoldsWorkAgainstWork(t *testing.T) {
	for _, c := range []struct {
		why          string
		asked        bool  // the past has hours in which somebody asked
		unprompted   int64 // rows that nobody asked for, in each hour of the incident
		ratio, users float64
	}{
		{"people who work one hour in ten", true, 0, 2, 1},
		{"a client that works beside them", true, 3, 8, 1},
		{"robots, which nobody asks: held against their time", false, 0, 20, 10},
	} {
		b := NewBooker([]Claim{adoption(1)})
		for h := int64(-100); h < 0; h += 10 {
			hourly(b, "u", "1", "1", !c.asked, h, h+1)
		}
		hourly(b, "u", "2", "2", !c.asked, 0, 1)
		for range c.unprompted {
			hourly(b, "u", "2", "2", true, 0, 1)
		}
		now, before := periods(b)
		if !near(now.Credits/before.Credits, c.ratio) || !near(now.Users/before.Users, c.users) {
			t.Errorf("%s: x%v, users x%v; want x%v, x%v", c.why, now.Credits/before.Credits, now.Users/before.Users, c.ratio, c.users)
		}
	}
}

// An incident of the busy hours is held against the past's busy hours, of those who ask for nothing, too.
func TestCompareWeighsTheHoursOfTheDay(t *testing.T) {
	b := NewBooker([]Claim{adoption(8)}) // 14:00 to 22:00
	at := func(h int64) bool { return ((h%24)+24)%24 < 8 }
	for h := int64(-96); h < 0; h++ {
		if at(h) {
			hourly(b, "u", "1", "1", true, h, h+1)
		}
	}
	hourly(b, "u", "2", "3", true, 0, 8)
	now, before := periods(b)
	if now.Credits != 24 || !near(before.Credits, 8) {
		t.Errorf("%v after %v, want 24 after the 8 of as many busy hours", now.Credits, before.Credits)
	}
}

// What nobody asked for is told apart where the claim is about that: in the incident, of those who have a past.
func TestCompareTellsWhatNobodyAskedFor(t *testing.T) {
	for _, c := range []struct {
		measure cohort.Measure
		rows    float64
	}{{cohort.Background, 48}, {cohort.RequestsPerTurn, 0}} {
		claim := adoption(24)
		claim.ByMeasure, claim.Measure = true, c.measure
		b := NewBooker([]Claim{claim})
		for h := range int64(72) {
			steady(b, "u", "1", "1", h-72, h-71)
			hourly(b, "u", "1", "1", true, h-72, h-71)
		}
		for h := range int64(24) {
			steady(b, "u", "2", "1", h, h+1)
			hourly(b, "u", "2", "1", true, h, h+1)
			hourly(b, "u", "2", "1", true, h, h+1)
			hourly(b, "new", "2", "1", true, h, h+1)
		}
		if r := b.Results()["inc_1"]; r.Unasked.Rows != c.rows || r.Unasked.Requests != c.rows || r.Now.Rows != 72 {
			t.Errorf("%v of %v rows were not asked for, want %v of 72", r.Unasked.Rows, r.Now.Rows, c.rows)
		}
	}
}

func TestCompareWithoutRows(t *testing.T) {
	if now, before := periods(NewBooker([]Claim{adoption(24)})); now != (verdict.Period{}) || before != (verdict.Period{}) {
		t.Errorf("%+v after %+v", now, before)
	}
	b := NewBooker([]Claim{adoption(24)})
	steady(b, "u", "1", "1", -48, 0)
	if now, before := periods(b); now != (verdict.Period{}) || before != (verdict.Period{}) {
		t.Errorf("nobody adopted: %+v after %+v", now, before)
	}
}

func TestCellOf(t *testing.T) {
	it := row(func(it *cohort.Row) { it.Event.Cached, it.NewTurn, it.Unprompted = 300, true, true })
	c := cellOf(&it, true)
	if c.Rows != 1 || c.Requests != 1 || c.Background != 1 || c.Turns != 1 || c.Users != 1 || c.Input != 1000 || c.Cached != 300 || c.Output != 10 ||
		c.Credits != sum("12") || c.Usage != sum("12") || c.Priced != sum("12") || c.List != sum("1") || c.Full != sum("2") {
		t.Errorf("a usage row adds %+v", c)
	}
	again := row(flagged(cohort.Duplicate))
	if c := cellOf(&again, false); c.Rows != 1 || c.Requests != 0 || c.Users != 0 {
		t.Errorf("a repeated charge adds %+v: a row, and no request", c)
	}
	penalty := row(func(it *cohort.Row) { it.Event.Kind = event.Penalty })
	if c := cellOf(&penalty, false); c.Rows != 0 || c.Requests != 0 || !c.Usage.IsZero() || c.Credits != sum("12") {
		t.Errorf("a penalty adds %+v: credits alone", c)
	}
	unknown := row(func(it *cohort.Row) { it.Quote.Known = false })
	if c := cellOf(&unknown, false); !c.Priced.IsZero() || !c.List.IsZero() || c.Usage != sum("12") {
		t.Errorf("a row without a price adds %+v", c)
	}
}
