package detector

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

// bench is a shard and what it said.
type bench struct {
	*shard
	closings []closing
	dead     []error
	rows     int64
}

func newBench(tb interface{ Fatal(...any) }) *bench {
	o := Options{RateCard: []price.Entry{{Input: 50_000 * event.Credit, Cached: event.Credit, CacheWrite: event.Credit, Output: 50_000 * event.Credit}}}
	o.withDefaults()
	b := &bench{}
	s, err := newShard(0, &o, 1, func(_ Record, err error) { b.dead = append(b.dead, err) }, func(c closing) { b.closings = append(b.closings, c) })
	if err != nil {
		tb.Fatal(err)
	}
	b.shard = s
	return b
}

// row is a charge of one credit in a region.
func (b *bench) row(t int64, user, region string) {
	e := &event.Event{ID: fmt.Sprint("r", b.rows), Time: t, User: user, Credits: event.Credit, Input: 10, Output: 10, HasTokens: true}
	e.RequestID = e.ID
	e.Dims[event.Region] = region
	b.fold(Record{Offset: b.rows, Value: string(e.AppendJSON(nil))}, e, nil)
	b.rows++
}

// tickKey names what one leaf did in one tick.
type tickKey struct {
	region string
	at     int64
}

// said adds up rows and credits by leaf and tick over all closings.
func (b *bench) said() map[tickKey]cohort.Cell {
	out := map[tickKey]cohort.Cell{}
	for _, c := range b.closings {
		for _, x := range c.cells {
			k := tickKey{x.leaf.Values[event.Region], x.at}
			sum := out[k]
			sum.Rows += x.cell.Rows
			sum.Credits.AddSum(x.cell.Credits)
			out[k] = sum
		}
	}
	return out
}

// A tick is said about ten seconds behind the head, once the head has passed it by as much; the rest when the input ends.
func TestTicksCloseTenSecondsBehind(t *testing.T) {
	b := newBench(t)
	for i := range int64(300) {
		b.row(noon+i*second, "u", "eu")
		if n := len(b.closings); n > 0 {
			if c := b.closings[n-1]; c.upTo > c.head-10*second || c.upTo%cohort.Tick != 0 || c.head-c.upTo >= 20*second {
				t.Fatalf("at %d s: closed up to %d s, head %d s", i, (c.upTo-noon)/second, (c.head-noon)/second)
			}
		}
	}
	b.finish()
	for i, c := range b.closings[1:] {
		if c.upTo < b.closings[i].upTo || c.offset < b.closings[i].offset {
			t.Errorf("closing %d goes back", i+1)
		}
	}
	if last := b.closings[len(b.closings)-1]; !last.idle || last.upTo <= noon+299*second || last.offset != 300 {
		t.Errorf("the last closing: up to %d s, idle %v", (last.upTo-noon)/second, last.idle)
	}
	for i := range int64(30) {
		if got := b.said()[tickKey{"eu", noon + i*cohort.Tick}].Rows; got != 10 {
			t.Errorf("tick %d: %d rows, want 10", i, got)
		}
	}
}

// A row that comes after its tick was said corrects it with the next closing; one beyond the lateness only counts as late.
func TestLateRowsCorrectTheirTick(t *testing.T) {
	b := newBench(t)
	for i := range int64(300) {
		b.row(noon+i*second, "u", "eu")
	}
	before := len(b.closings)
	b.row(noon+200*second, "v", "us") // 99 s behind
	b.row(noon+200*second+second, "v", "us")
	b.row(noon+170*second, "v", "us") // 129 s behind, 120 s allowed
	b.row(noon+310*second, "w", "eu")
	if len(b.closings) != before+1 {
		t.Fatalf("%d closings, want one more than %d", len(b.closings), before)
	}
	var corrected []cellAt
	for _, c := range b.closings[before].cells {
		if c.leaf.Values[event.Region] == "us" {
			corrected = append(corrected, c)
		}
	}
	if len(corrected) != 1 || corrected[0].at != noon+200*second || corrected[0].cell.Rows != 2 {
		t.Errorf("corrections %+v, want two rows of the tick at 200 s", corrected)
	}
	if b.counts.Late != 1 || b.counts.Counted != 303 || b.counts.Rows != 304 {
		t.Errorf("counts %+v", b.counts)
	}
}

// A partition that is caught up closes what it has, its newest tick included, and what comes then in that tick corrects it.
func TestIdleClosesWhatThereIs(t *testing.T) {
	b := newBench(t)
	b.row(noon, "u", "eu") // fewer rows than a start waits for
	b.row(noon+second, "u", "eu")
	if len(b.closings) != 0 {
		t.Fatal("closed on two rows")
	}
	b.idle()
	last := b.closings[len(b.closings)-1]
	if !last.idle || last.upTo != noon+cohort.Tick || b.said()[tickKey{"eu", noon}].Rows != 2 {
		t.Fatalf("idle: up to %d s, %+v", (last.upTo-noon)/second, b.said())
	}
	b.idle() // nothing new: it says so again, and nothing twice
	b.row(noon+2*second, "u", "eu")
	b.row(noon+40*second, "u", "eu")
	b.finish()
	if got := b.said()[tickKey{"eu", noon}].Rows; got != 3 {
		t.Errorf("%d rows of the tick, want 3", got)
	}
	for i, c := range b.closings[1:] {
		if c.upTo < b.closings[i].upTo {
			t.Errorf("closing %d goes back", i+1)
		}
	}
}

// Whatever the order within the lateness, and wherever the partition falls idle, the closings of each tick add up to its rows.
func TestClosingsAddUpToTheRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type arrival struct {
			at, arrives  int64
			user, region string
		}
		var rows []arrival
		want := map[tickKey]int64{}
		at := noon
		for range rapid.IntRange(1, 150).Draw(t, "rows") {
			at += rapid.Int64Range(0, 20*second).Draw(t, "gap")
			r := arrival{at, at + rapid.Int64Range(0, 2*minute).Draw(t, "delay"), rapid.SampledFrom([]string{"u", "v"}).Draw(t, "user"), rapid.SampledFrom([]string{"eu", "us"}).Draw(t, "region")}
			rows = append(rows, r)
			want[tickKey{r.region, r.at - r.at%cohort.Tick}]++
		}
		slices.SortStableFunc(rows, func(a, b arrival) int { return int(a.arrives - b.arrives) })
		b := newBench(t)
		for _, r := range rows {
			b.row(r.at, r.user, r.region)
			if rapid.IntRange(0, 30).Draw(t, "idle") == 0 {
				b.idle()
			}
		}
		b.finish()
		if b.counts.Counted+b.counts.Late != int64(len(rows)) || len(b.dead) != 0 {
			t.Fatalf("counts %+v of %d rows, dead %v", b.counts, len(rows), b.dead)
		}
		if b.counts.Late > 0 {
			return // a shard that falls idle on few rows takes the newest for its head
		}
		said := b.said()
		for k, n := range want {
			if got := said[k]; got.Rows != n || got.Credits.Float64() != float64(n) {
				t.Fatalf("%v: %d rows, want %d", k, got.Rows, n)
			}
		}
		if len(said) != len(want) {
			t.Fatalf("%d ticks, want %d", len(said), len(want))
		}
	})
}

// A file in the order of time is counted to its last row, whatever gaps a night or a weekend leaves in it.
func TestRowsInOrderAreAllCounted(t *testing.T) {
	for name, gaps := range map[string][]int64{
		"few rows":                     {minute, minute},
		"few rows over two days":       {minute, 20 * hour, minute},
		"a row an hour and a half":     slices.Repeat([]int64{90 * minute}, 100),
		"the last row after a night":   append(slices.Repeat([]int64{minute}, 100), 9*hour),
		"two rows after a night":       append(slices.Repeat([]int64{minute}, 100), 9*hour, minute),
		"a weekend, and then a minute": append(slices.Repeat([]int64{minute}, 100), append([]int64{63 * hour}, slices.Repeat([]int64{second}, 60)...)...),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			at := noon
			b.row(at, "u", "eu")
			for _, gap := range gaps {
				at += gap
				b.row(at, "u", "eu")
			}
			b.finish()
			if b.counts.Counted != b.rows || len(b.dead) != 0 {
				t.Errorf("%d of %d rows counted, %d late, dead letters %v", b.counts.Counted, b.rows, b.counts.Late, b.dead)
			}
		})
	}
}

// A burst from one broken clock does not blind the partition to everybody else.
func TestABurstFromOneBrokenClock(t *testing.T) {
	b := newBench(t)
	for i := range int64(1000) {
		b.row(noon+i*second, "u", "eu")
		if i == 500 {
			for k := range int64(5) {
				b.row(in2106+k, "broken", "eu")
			}
		}
	}
	b.finish()
	if b.counts.Counted != 1000 || b.counts.TimeAhead != 5 {
		t.Errorf("%d of 1000 good rows counted, %d late; %d of 5 bad ones dead", b.counts.Counted, b.counts.Late, b.counts.TimeAhead)
	}
}

// Folding a row of a known user and leaf costs next to no allocation: what is left is the growth of sets and closings.
func TestFoldAllocatesLittle(t *testing.T) {
	b := newBench(t)
	const warm, measured = 60_000, 20_000
	events := make([]event.Event, warm+2*measured)
	for i := range events {
		e := &events[i]
		*e = event.Event{ID: fmt.Sprint("r", i), RequestID: fmt.Sprint("q", i), Time: noon + int64(i)*second/200, User: fmt.Sprint("u", i%100), Credits: event.Credit, Input: 10, Output: 10, HasTokens: true}
		e.Dims[event.Region] = []string{"eu", "us"}[i%2]
	}
	next := 0
	fold := func(rows int, text bool) {
		for ; rows > 0; rows-- {
			r := Record{Offset: int64(next)}
			if text { // a start decodes anew what it held
				r.Value = string(events[next].AppendJSON(nil))
			}
			b.fold(r, &events[next], nil)
			next++
		}
	}
	fold(startRows, true)
	fold(warm-startRows, false)
	if n := testing.AllocsPerRun(1, func() { fold(measured, false) }); n > measured/20 {
		t.Errorf("%v allocations in %d rows", n, measured)
	}
	if b.counts.Counted != int64(len(events)) {
		t.Errorf("%d of %d rows were counted", b.counts.Counted, len(events))
	}
}

// The fleet decides a tick once every partition has closed it or is idle, and not before.
func TestFleetWaitsForEveryPartition(t *testing.T) {
	var o Options
	o.withDefaults()
	f := newFleet(&o, []int32{0, 1}, nil)
	at := func(tick int64) int64 { return noon + tick*cohort.Tick }
	for _, step := range []struct {
		name string
		c    closing
		want int64
	}{
		{"the other has said nothing", closing{partition: 0, upTo: at(3)}, 0},
		{"the other is behind", closing{partition: 1, upTo: at(2)}, at(2)},
		{"the other catches up", closing{partition: 1, upTo: at(4)}, at(3)},
		{"idle: nobody waits for it", closing{partition: 1, upTo: at(4), idle: true}, at(3)},
		{"so the other goes on alone", closing{partition: 0, upTo: at(9)}, at(9)},
		{"until it is back", closing{partition: 1, upTo: at(10)}, at(9)},
		{"and on", closing{partition: 0, upTo: at(11)}, at(10)},
	} {
		f.take(step.c)
		if f.now != step.want {
			t.Errorf("%s: decided up to %v, want %v", step.name, time.Duration(f.now-noon), time.Duration(step.want-noon))
		}
	}
}
