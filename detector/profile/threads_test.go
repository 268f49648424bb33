package profile

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

const threadWait = 120 * int64(1e9)

// ask is a request of a session: seconds after its first, what it sent, read from the cache and was answered.
type ask struct {
	at                    int64
	input, cached, output int64
	turn, origin          string
	failed                bool
}

func (a ask) row() *event.Event {
	e := &event.Event{User: "u", Session: "s", Time: monday + a.at*1e9, Input: a.input, Cached: a.cached, Output: a.output, HasTokens: true, TurnID: a.turn}
	e.Dims[event.Origin] = a.origin
	if a.failed {
		e.Status = event.Failed
	}
	return e
}

// A session that goes on under another name has lost nothing; a turn that nobody has begun has.
func TestSessionsRenamed(t *testing.T) {
	for _, newTurn := range []bool{false, true} {
		threads, gaps := NewThreads(threadWait), 0
		later := ask{at: 3 * threadLife / 1e9, input: 9000, cached: 8192, turn: "t", origin: "tool"}
		first := ask{at: 0, input: 9000, turn: "t0", origin: "user"}
		threads.Row(2, first.row(), plain, true)
		threads.Row(1, later.row(), plain, newTurn)
		threads.Gaps(1<<62, func(g Gap) {
			if !g.Settled {
				gaps++
			}
		})
		if (gaps == 1) != newTurn {
			t.Errorf("turn is new %v: %d gaps", newTurn, gaps)
		}
	}
}

// heardOf returns the seconds of the gaps and of the inputs that are too short, and how many rows told of either.
func heardOf(asks []ask) (gaps, short []int64, follows, grows int) {
	threads := NewThreads(threadWait)
	second := func(t int64) int64 { return (t - monday) / 1e9 }
	gap := func(g Gap) {
		follows++
		if !g.Settled {
			gaps = append(gaps, second(g.At))
		}
	}
	for _, a := range asks {
		e := a.row()
		n := threads.Row(1, e, plain, true)
		if n.Follows {
			follows++
		}
		if n.Grows {
			grows++
		}
		if n.Short {
			short = append(short, a.at)
		}
		threads.Gaps(e.Time, gap)
	}
	threads.Gaps(1<<62, gap)
	return gaps, short, follows, grows
}

func TestThreads(t *testing.T) {
	user := func(at, input, cached, output int64) ask {
		return ask{at: at, input: input, cached: cached, output: output, turn: "t1", origin: "user"}
	}
	by := func(a ask, origin string) ask { a.origin = origin; return a }
	tool := func(a ask) ask { return by(a, "tool") }
	in := func(a ask, turn string) ask { a.turn = turn; return a }
	talk := []ask{user(0, 4000, 1536, 400), tool(user(20, 4900, 4000, 300)), tool(user(40, 5700, 4900, 500)), tool(user(60, 6500, 5700, 200))}
	times := func(f int64) (out []ask) {
		for _, a := range talk {
			a.input, a.cached = a.input*f/10, a.cached*f/10
			out = append(out, a)
		}
		return out
	}
	later := func(asks []ask, by int64, turn string) (out []ask) {
		for _, a := range asks {
			a.at, a.turn = a.at+by, turn
			out = append(out, a)
		}
		return out
	}
	for _, c := range []struct {
		why         string
		asks        []ask
		gaps, short []int64
	}{
		{"each request goes on from the one before", talk, nil, nil},
		{"the third is missing: the fourth read from the cache what nobody sent", slices.Delete(slices.Clone(talk), 2, 3), []int64{60}, nil},
		{"it is only late", []ask{talk[0], talk[1], talk[3], talk[2]}, nil, nil},
		{"the first is missing: nothing is known of the session", talk[1:], nil, nil},
		{
			"the first of the second turn is missing: a tool has begun it",
			append(slices.Clone(talk), tool(in(user(90, 3000, 0, 300), "t2"))),
			[]int64{90},
			nil,
		},
		{
			"a tool's request that overtakes its turn's first",
			append(slices.Clone(talk), tool(in(user(90, 3000, 0, 300), "t2")), in(user(89, 2000, 0, 300), "t2")), nil, nil,
		},
		{
			"the review of a turn comes in the middle of the next",
			append(slices.Clone(talk), in(user(90, 3000, 0, 300), "t2"), ask{at: 91, input: 6900, cached: 6656, output: 200, turn: "t1", origin: "auto_review"}, tool(in(user(99, 3900, 3000, 300), "t2"))), nil, nil,
		},
		{"a failed request is no gap, nor what asks again", []ask{talk[0], {at: 20, input: 4900, turn: "t1", origin: "tool", failed: true}, {at: 22, input: 4900, cached: 4000, output: 300, turn: "t1", origin: "retry"}, talk[2]}, nil, nil},
		{
			"the input is counted three times from the second turn on: no row is missing", append(slices.Clone(talk), later(times(30), 90, "t2")...), nil, nil,
		},
		{
			"a tenth of the input is counted from the second turn on", append(slices.Clone(talk), later(times(1), 90, "t2")...), nil, []int64{110, 130, 150},
		},
		{
			"a script's prompts, each long or short as it comes",
			[]ask{
				in(user(0, 3000, 2560, 300), "t1"), in(user(20, 9000, 7680, 300), "t2"), in(user(40, 2000, 1536, 300), "t3"),
				in(user(60, 19000, 16128, 300), "t4"), in(user(80, 22000, 19968, 300), "t5"), tool(in(user(90, 22400, 22016, 300), "t5")),
			},
			nil, nil,
		},
		{
			"a prompt of the same turn begins anew",
			[]ask{talk[0], user(20, 4100, 0, 300), tool(user(40, 5000, 4096, 500))},
			nil, nil,
		},
		{
			"asked twice, it goes on from the shorter answer",
			[]ask{talk[0], tool(user(20, 4900, 4000, 100)), tool(user(25, 4900, 4864, 800)), tool(user(40, 5200, 4900, 500))},
			nil, nil,
		},
		{
			"a subagent's small requests beside it are not what it goes on from",
			[]ask{talk[0], tool(user(10, 900, 0, 700)), talk[1], tool(user(25, 1700, 900, 600)), talk[2]},
			nil, nil,
		},
		{
			"subagents of a turn begin alike, and none goes on from another's answer, nor does a tool",
			[]ask{talk[0], by(user(10, 4100, 0, 700), "subagent"), by(user(12, 4300, 0, 600), "subagent"), by(user(14, 4800, 0, 900), "subagent"), talk[1]},
			nil, nil,
		},
		{
			"without sessions nothing is known", nil, nil, nil,
		},
	} {
		gaps, short, follows, grows := heardOf(c.asks)
		if !slices.Equal(gaps, c.gaps) || !slices.Equal(short, c.short) {
			t.Errorf("%s: gaps at %v and short at %v, want %v and %v", c.why, gaps, short, c.gaps, c.short)
		}
		if len(c.asks) > 0 && follows+grows == 0 {
			t.Errorf("%s: %d rows tell of the one before them, %d of its answer", c.why, follows, grows)
		}
	}
	e := talk[3].row()
	e.Session = ""
	if n := NewThreads(threadWait).Row(1, e, plain, true); n != (Note{}) {
		t.Errorf("a row without a session says %+v", n)
	}
}

// How far what seems to be missing is from what was sent tells whether a count of the answer before explains it: where the input is counted
// three times, and the cache holds answers, it is two answers longer. A missing request has a length of its own, or left its turn unbegun.
func TestFarGaps(t *testing.T) {
	talk := func(cached int64, turn string) []ask {
		return []ask{
			{input: 30_000, output: 400, turn: "t1", origin: "user"},
			{at: 20, input: cached + 100, cached: cached, output: 300, turn: turn, origin: "tool"},
		}
	}
	for _, c := range []struct {
		why  string
		asks []ask
		far  bool
	}{
		{"three answers' count of the one before", talk(31_200, "t1"), false},
		{"four answers", talk(31_600, "t1"), false},
		{"a request of five answers' length", talk(32_001, "t1"), true},
		{"a tool in a turn that nobody has begun", talk(30_500, "t2"), true},
	} {
		threads, gaps := NewThreads(threadWait), []Gap(nil)
		for _, a := range c.asks {
			threads.Row(1, a.row(), plain, true)
		}
		threads.Gaps(1<<62, func(g Gap) { gaps = append(gaps, g) })
		if len(gaps) != 1 || gaps[0].Settled || gaps[0].Far != c.far {
			t.Errorf("%s: %+v, want one that is far: %v", c.why, gaps, c.far)
		}
	}
}

// A user counts once an hour and once a day, and a gap once it can no longer be late.
func TestGapsCountUsers(t *testing.T) {
	threads := NewThreads(threadWait)
	var said []Gap
	for s := range 30 {
		for i, a := range []ask{{input: 4000, output: 400}, {at: 10, input: 6000, cached: 5120, output: 300}} {
			a.at += int64(s) * 1800
			e := a.row()
			e.Session = fmt.Sprint("s", s)
			threads.Row(1, e, plain, true)
			threads.Gaps(e.Time, func(g Gap) { said = append(said, g) })
			if i == 1 && len(said) > s {
				t.Fatalf("session %d: said while a row may still come", s)
			}
		}
		threads.Advance(monday + int64(s)*1800e9)
	}
	threads.Gaps(1<<62, func(g Gap) { said = append(said, g) })
	hours, days := 0, 0
	for _, g := range said {
		if g.Fresh.Hour {
			hours++
		}
		if g.Fresh.Day {
			days++
		}
	}
	if len(said) != 30 || hours != 15 || days != 1 {
		t.Errorf("%d gaps, anew in %d hours and %d days; want 30, 15 and 1", len(said), hours, days)
	}
}

// Rows that arrive in another order, by less than they may be late, are no gaps; one that never comes is, in every order.
func TestGapsUnderDisorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(3, 20).Draw(t, "rows")
		var asks []ask
		at, context := int64(0), int64(3000)
		for i := range n {
			a := ask{at: at, input: context, output: rapid.Int64Range(1, 900).Draw(t, "answer"), turn: "t", origin: "tool"}
			if i == 0 {
				a.origin = "user"
			} else {
				a.cached = asks[i-1].input
			}
			asks = append(asks, a)
			context += a.output + rapid.Int64Range(1, 400).Draw(t, "tool")
			at += rapid.Int64Range(1, 40).Draw(t, "gap")
		}
		arrive := slices.Clone(asks)
		slices.SortStableFunc(arrive, func(a, b ask) int { return int(a.at + a.output%100 - b.at - b.output%100) })
		if gaps, _, _, _ := heardOf(arrive); len(gaps) > 0 {
			t.Fatalf("gaps at %v of %+v", gaps, arrive)
		}
		lost := rapid.IntRange(1, n-2).Draw(t, "lost")
		gone := slices.Delete(slices.Clone(asks), lost, lost+1)
		want := asks[lost].input > asks[lost-1].input+asks[lost-1].output && 4*asks[lost].input < 5*(asks[lost-1].input+asks[lost-1].output)
		gaps, _, _, _ := heardOf(gone)
		if want && !slices.Equal(gaps, []int64{asks[lost+1].at}) {
			t.Fatalf("gaps at %v, want %d", gaps, asks[lost+1].at)
		}
	})
}

func BenchmarkThreads(b *testing.B) {
	threads := NewThreads(threadWait)
	e := talkative.row()
	leaf := &cohort.Leaf{}
	b.ReportAllocs()
	for i := range b.N {
		e.Time += 1e9
		e.Input = 4000 + int64(i%100)*900
		threads.Row(uint64(i%5000), e, leaf, true)
	}
}

// Whoever sends a session a row makes nobody remember more than the bound.
func TestThreadsAreBounded(t *testing.T) {
	threads := NewThreads(threadWait)
	e := talkative.row()
	for i := range uint64(2*threadsMost + 10) {
		threads.Row(i, e, plain, true)
	}
	if n := threads.young.Len() + threads.old.Len(); n > 2*threadsMost || n < threadsMost {
		t.Errorf("%d conversations are remembered, at most %d may be", n, 2*threadsMost)
	}
	threads.Advance(e.Time + 2*threadLife)
	threads.Advance(e.Time + 4*threadLife)
	if n := threads.young.Len() + threads.old.Len(); n != 0 {
		t.Errorf("%d are remembered after hours of silence", n)
	}
}

var talkative = ask{input: 4000, cached: 3000, output: 400, turn: "t", origin: "tool"}

// What a client asks again, or for itself, need not repeat what was said before.
func TestRetriesAreNotTooShort(t *testing.T) {
	for origin, want := range map[string]int{"tool": 1, "retry": 0, "background": 0, "compaction": 0} {
		_, short, _, _ := heardOf([]ask{{input: 4000, output: 400, turn: "t1", origin: "user"}, {at: 20, input: 4100, output: 300, turn: "t1", origin: origin}})
		if len(short) != want {
			t.Errorf("%s: %d are too short, want %d", origin, len(short), want)
		}
	}
}
