package price

import (
	"math"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// where is a set of conditions; dims are name and value, in turn.
func where(pairs ...string) map[event.Dim]string {
	w := map[event.Dim]string{}
	for i := 0; i < len(pairs); i += 2 {
		d, ok := event.ParseDim(pairs[i])
		if !ok {
			panic("no dimension " + pairs[i])
		}
		w[d] = pairs[i+1]
	}
	return w
}

func input(price, model string, from time.Time, conds ...string) Entry {
	return Entry{Model: model, From: from, Where: where(conds...), Input: credits(price)}
}

// rowOf is a row of a million input tokens, so that its quote is the input price.
func rowOf(at time.Time, pairs ...string) *event.Event {
	e := &event.Event{Input: 1_000_000, HasTokens: true, Time: at.UnixNano(), User: "u"}
	for d, v := range where(pairs...) {
		e.Dims[d] = v
	}
	return e
}

func TestCardMostSpecificEntryPrices(t *testing.T) {
	june, july := day, day.AddDate(0, 1, 0)
	for _, c := range []struct {
		why  string
		card []Entry
		row  *event.Event
		want string // "" is unknown
	}{
		{"an entry of the model", []Entry{input("1", "codex", june)}, rowOf(june, "model", "codex"), "1"},
		{"no entry fits the model", []Entry{input("1", "codex", june)}, rowOf(june, "model", "mini"), ""},
		{"a row without a model fits no model's entry", []Entry{input("1", "codex", june)}, rowOf(june), ""},
		{"an entry without a model fits all", []Entry{input("1", "", june)}, rowOf(june, "model", "mini"), "1"},
		{"a zero date is always", []Entry{input("1", "codex", time.Time{})}, rowOf(time.Unix(0, 1), "model", "codex"), "1"},
		{"before its date an entry does not count", []Entry{input("1", "codex", june)}, rowOf(june.Add(-1), "model", "codex"), ""},
		{"from its very instant it does", []Entry{input("1", "codex", june)}, rowOf(june, "model", "codex"), "1"},
		{
			"the latest date wins, wherever it stands in the file",
			[]Entry{input("2", "codex", july), input("1", "codex", june)},
			rowOf(july, "model", "codex"), "2",
		},
		{
			"until then the earlier price stands",
			[]Entry{input("1", "codex", june), input("2", "codex", july)},
			rowOf(july.Add(-1), "model", "codex"), "1",
		},
		{
			"more conditions win over a later date",
			[]Entry{input("1", "codex", june, "plan", "pro"), input("2", "codex", july)},
			rowOf(july, "model", "codex", "plan", "pro"), "1",
		},
		{
			"a condition that the row does not fulfil",
			[]Entry{input("1", "codex", june, "plan", "pro"), input("2", "codex", june)},
			rowOf(june, "model", "codex", "plan", "free"), "2",
		},
		{
			"two conditions win over one",
			[]Entry{input("1", "codex", june, "plan", "pro"), input("2", "codex", june, "plan", "pro", "region", "eu")},
			rowOf(june, "model", "codex", "plan", "pro", "region", "eu"), "2",
		},
		{
			"every condition has to hold",
			[]Entry{input("1", "codex", june, "plan", "pro"), input("2", "codex", june, "plan", "pro", "region", "eu")},
			rowOf(june, "model", "codex", "plan", "pro", "region", "us"), "1",
		},
		{
			"the model is a condition like others: it wins over nothing",
			[]Entry{input("1", "", june), input("2", "codex", june)},
			rowOf(june, "model", "codex"), "2",
		},
		{
			"and with one more wins over one of any model",
			[]Entry{input("1", "", june, "plan", "pro"), input("2", "codex", june)},
			rowOf(june, "model", "codex", "plan", "pro"), "2",
		},
		{
			"but two without the model win over the model alone",
			[]Entry{input("1", "", june, "plan", "pro", "pool", "extra"), input("2", "codex", june)},
			rowOf(june, "model", "codex", "plan", "pro", "pool", "extra"), "1",
		},
		{
			"an empty value is a condition: rows that do not say",
			[]Entry{input("1", "codex", june, "plan", ""), input("2", "codex", june)},
			rowOf(june, "model", "codex"), "1",
		},
	} {
		t.Run(c.why, func(t *testing.T) {
			b := NewBook(c.card, nil)
			q := b.Quote(c.row)
			if !b.HasCard() || q.Known != (c.want != "") || q.Known && (!q.Card || q.Expected != credits(c.want)) {
				t.Errorf("quote %+v, want %q", q, c.want)
			}
		})
	}
}

func TestCardQuote(t *testing.T) {
	b := NewBook([]Entry{codexEntry("0.000001")}, nil)
	e := rowOf(day, "model", "codex")
	e.Input, e.Cached, e.CacheWrite, e.Output = 1000, 600, 300, 50
	// 100 × 1.25 + 600 × 0.125 + 300 × 1.5 + 50 × 10 = 1150 millionths; in full 600 × 1.25 instead of 600 × 0.125.
	want := Quote{Expected: credits("0.00115"), Full: credits("0.001825"), Output: credits("0.0005"), Slack: credits("0.000023"), Known: true, Card: true}
	if q := b.Quote(e); q != want {
		t.Errorf("quote %+v, want %+v", q, want)
	}

	// Together the cached and the written part exceed the input: what the cached part leaves was written.
	e.CacheWrite = 700
	want.Expected, want.Full, want.Slack = credits("0.001175"), credits("0.00185"), credits("0.0000235")
	if q := b.Quote(e); q != want {
		t.Errorf("with an overlap %+v, want %+v", q, want)
	}

	e.HasTokens = false
	if q := b.Quote(e); q != (Quote{}) {
		t.Errorf("a charge without token fields has a list value: %+v", q)
	}
	free := &event.Event{HasTokens: true, Time: day.UnixNano(), Dims: e.Dims}
	if q := b.Quote(free); !q.Known || q.Expected != 0 || q.Off(1000) || !q.Off(1001) {
		t.Errorf("no tokens cost nothing, give or take one unit: %+v", q)
	}
}

func codexEntry(round string) Entry {
	e := codex.entry(round)
	e.Model = "codex"
	return e
}

func TestEmptyCardIsNone(t *testing.T) {
	b := NewBook(nil, nil)
	if b.HasCard() || b.Quote(rowOf(day, "model", "codex")).Known {
		t.Error("a book without a card knows a price")
	}
}

func TestPlannedChangeOfPrice(t *testing.T) {
	change := Change{From: day, To: day.Add(time.Hour), Where: where("plan", "pro"), Factor: 1.1}
	b := NewBook([]Entry{input("3", "codex", time.Time{})}, []Change{change})
	for _, c := range []struct {
		why  string
		at   time.Time
		plan string
		want string
	}{
		{"before it begins", day.Add(-1), "pro", "3"},
		{"from its first instant", day, "pro", "3.3"},
		{"to its last", day.Add(time.Hour - 1), "pro", "3.3"},
		{"its end is not in it", day.Add(time.Hour), "pro", "3"},
		{"elsewhere", day, "free", "3"},
	} {
		e := rowOf(c.at, "model", "codex", "plan", c.plan)
		if q := b.Quote(e); q.Expected != credits(c.want) || q.Full != q.Expected || q.Off(q.Expected) {
			t.Errorf("%s: %+v, want %s", c.why, q, c.want)
		}
	}

	// 0.7 is a hair below seven tenths as a float: what it makes is the nearest amount, not one nano-credit less.
	b = NewBook([]Entry{input("0.00000001", "codex", time.Time{})}, []Change{{From: day, To: day.Add(1), Factor: 0.7}, {From: day, To: day.Add(1), Factor: 10}})
	if q := b.Quote(rowOf(day, "model", "codex")); q.Expected != 70 {
		t.Errorf("two changes multiply: %d nano-credits, want 70", int64(q.Expected))
	}
}

// A change of price that stands both in the rate card and in the calendar is one, not two.
func TestPlannedChangeThatTheCardHas(t *testing.T) {
	declared := Change{From: day, To: day.AddDate(0, 1, 0), Factor: 0.6}
	for _, c := range []struct {
		why  string
		from time.Time // of the card's second entry
		at   time.Time
		paid string
		off  bool
	}{
		{"the card's new price", day, day, "3", false},
		{"the old one is not charged any more", day, day, "5", true},
		{"nor the change twice, except where that is what is charged: the new entry may be of something else", day, day, "1.8", false},
		{"an entry that comes later in the change's time", day.Add(time.Hour), day.Add(time.Hour), "3", false},
		{"until then the calendar alone has it", day.Add(time.Hour), day, "3", false},
		{"an entry from before is what the change is of", day.Add(-time.Hour), day, "1.8", false},
		{"which is to be charged", day.Add(-time.Hour), day, "3", true},
	} {
		b := NewBook([]Entry{input("5", "codex", time.Time{}), input("3", "codex", c.from)}, []Change{declared})
		e := rowOf(c.at, "model", "codex")
		e.Credits = credits(c.paid)
		if q := b.Quote(e); q.Off(e.Credits) != c.off {
			t.Errorf("%s: %s against %+v", c.why, c.paid, q)
		}
	}
}

func TestPlannedChangeBeyondAllMoneySaturates(t *testing.T) {
	b := NewBook([]Entry{input("9000000000", "codex", time.Time{})}, []Change{{From: day, To: day.Add(1), Factor: 1e9}})
	e := rowOf(day, "model", "codex")
	e.Output = 1
	if q := b.Quote(e); q.Expected != math.MaxInt64 || q.Full != math.MaxInt64 || q.Output != 0 || q.Slack < 1 {
		t.Errorf("%+v", q)
	}
}

// The meter's way of rounding is found by the rows on which the ways differ.
func TestRoundingIsFoundByVote(t *testing.T) {
	for how, name := range []string{"half up", "half even", "down", "up"} {
		for _, learned := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				m := newMeter(uint64(how))
				m.how = Rounding(how)
				var card []Entry
				if !learned {
					card = []Entry{codexEntry("0.000001")}
				}
				b := NewBook(card, nil)
				m.teach(b, 400, func(i int, e *event.Event) {
					if i%10 < 3 {
						e.Credits *= 12
					}
				})
				if b.rounding != Rounding(how) {
					t.Fatalf("found mode %d, votes %v", b.rounding, b.votes)
				}
				m.exact(t, b)
			})
		}
	}
}

func TestVoteLooksAtTheEntryThatPrices(t *testing.T) {
	m := newMeter(1)
	m.how = Down
	plain, special := codexEntry("0.000001"), codexEntry("0.000001")
	plain.Input, plain.Output = credits("2.5"), credits("20")
	special.Model, special.Where = "", where("plan", "pro", "pool", "extra")
	b := NewBook([]Entry{plain, special}, nil)
	m.teach(b, 200, func(_ int, e *event.Event) { e.Dims[event.Plan], e.Dims[event.Pool] = "pro", "extra" })
	if b.voted == 0 || b.rounding != Down {
		t.Errorf("%d votes, mode %d, want that of the rows, %d", b.voted, b.rounding, Down)
	}
}

func TestVoteEnds(t *testing.T) {
	m := newMeter(1)
	b := NewBook([]Entry{codexEntry("0.000001")}, nil)
	m.teach(b, roundingSample+500, nil)
	m.how = Up
	m.teach(b, 5*roundingSample, nil)
	if b.voted != roundingSample || b.rounding != HalfUp {
		t.Errorf("after %d votes the mode is %d: a new meter has taught its own fault", b.voted, b.rounding)
	}
}
