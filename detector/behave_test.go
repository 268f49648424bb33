package detector

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Where nothing is new, a fortnight of looks at fifty values of fifteen users, one in fourteen of whom stands above the past, has
// some that look broad, and none that is told; six of six is.
func TestBroadByChance(t *testing.T) {
	const m, values = cohort.RequestsPerTurn, 400
	f := fleetOf(1000)
	at := f.now - 2*cohort.Hour
	var everybody *cohort.Series
	for i := range values {
		everybody = f.store.Series(&cohort.Leaf{Values: [event.NumDims]string{event.Org: fmt.Sprint("o", i)}}, at)
	}
	c := &cohort.Cell{Moments: new([cohort.NumMoments]cohort.Moment)}
	c.Moments[m] = cohort.Moment{N: 14_000, Users: 14_000, Days: 14_000, Up: 1_000}
	f.store.Add(everybody, at, c)
	f.store.All.Learn(f.now, func(cohort.Flag) bool { return false }, func(cohort.Measure) bool { return false })
	rng := rand.New(rand.NewPCG(1, 1))
	const fortnights, looks, users = 50, 14 * 8 * 50, 15
	broad, told := 0, 0
	for range fortnights * looks {
		up := 0.0
		for range users {
			if rng.IntN(14) == 0 {
				up++
			}
		}
		if f.broad(m, up, users, false) {
			broad++
			if !f.byChance(m, up, users, f.now-cohort.Hour) {
				told++
			}
		}
	}
	if broad == 0 || told > 0 {
		t.Errorf("in %d fortnights %d values look broad and %d are told", fortnights, broad, told)
	}
	if f.byChance(m, 6, 6, f.now-cohort.Hour) || f.byChance(m, 12, 12, f.now-6*cohort.Hour) {
		t.Error("six of six are chance")
	}
	if !f.byChance(m, 10, 20, f.now-6*cohort.Hour) {
		t.Error("five of ten, twice, are ten of twenty")
	}
}

// Users who never had a request that nobody asked for are no evidence of more of them.
func TestReferenceOfBackground(t *testing.T) {
	if x := reference(cohort.Background, -0.25); x != 0 {
		t.Errorf("%v", x)
	}
	if x := reference(cohort.Background, 0.1); x != 0.1 {
		t.Errorf("%v", x)
	}
	if x := reference(cohort.Uncached, -0.25); x != -0.25 {
		t.Errorf("%v", x)
	}
}

// What only a meter can do is not widened to what is none, though more users seem to be hit.
func TestRefiningKeepsToMeters(t *testing.T) {
	for m, want := range map[cohort.Measure]string{cohort.Uncounted: "meter=m-2", cohort.InputPerRequest: "everybody"} {
		f := fleetOf(1000)
		l := &live{by: byMeasure, measure: m, where: cohort.NewWhere(cohort.Cond{Dim: event.Meter, Value: "m-2"}), onset: f.now - 2*cohort.Hour, cluster: 1, shift: 0.5}
		for _, value := range []string{"m-1", "m-2"} {
			leaf := &cohort.Leaf{}
			leaf.Values[event.Meter] = value
			c := &cohort.Cell{Rows: 1000, Moments: new([cohort.NumMoments]cohort.Moment)}
			c.Moments[m] = cohort.Moment{N: 1000, Sum: 500, Squares: 300, Users: 200, Days: 200, Up: 150, Brief: 200, BriefUp: 150}
			f.add(cellAt{leaf, f.now - cohort.Hour, c})
		}
		f.lives = append(f.lives, l)
		f.refineMeasure(l)
		if got := l.where.String(); got != want {
			t.Errorf("%s: %q, want %q", m, got, want)
		}
	}
}

// One account that does much of something else brings a scope's sums back to where they stood; not the mean of its users.
func TestOneAccountEndsNoFault(t *testing.T) {
	const m = cohort.RequestsPerTurn
	for _, c := range []struct {
		why  string
		mean float64 // of users against their past, of late
		want bool
	}{
		{"they stand where they stood in the fault", 0.5, false},
		{"they are back", 0, true},
	} {
		f := fleetOf(100)
		leaf := &cohort.Leaf{Values: [event.NumDims]string{event.Client: "cli"}}
		onset := f.now - f.now%cohort.Hour - 8*cohort.Hour
		f.first = onset - 40*cohort.Hour
		for at := f.first; at < f.now; at += cohort.Hour {
			cell := &cohort.Cell{Rows: 400, Requests: 400, Turns: 200, Users: 20, Moments: new([cohort.NumMoments]cohort.Moment)}
			x, hurt := 0.0, at >= onset
			if hurt {
				x = 0.5
			}
			if late := at >= f.now-4*cohort.Hour; late {
				x = c.mean
			} else if hurt {
				cell.Requests, cell.Rows = 1000, 1000
			}
			cell.Moments[m] = cohort.Moment{N: 30, Users: 20, Sum: 30 * x, Squares: 30 * (x*x + 0.2)}
			f.store.Add(f.store.Series(leaf, at), at, cell)
			f.store.Head(at + cohort.Hour)
		}
		l := &live{by: byMeasure, measure: m, where: cohort.Where{{Dim: event.Client, Value: "cli"}}, onset: onset, openedAt: onset, lastHit: f.now - 4*cohort.Hour, shift: 0.5, cluster: 1.8}
		l.hit = period(&cohort.Cell{Rows: 4000, Requests: 4000, Turns: 800, Users: 80})
		if got := f.settled(l); got != c.want {
			t.Errorf("%s: over %v", c.why, got)
		}
	}
}

// Twenty-eight users whose meter counts half as much again outweigh a thousand requests of one whose task has grown: of those, the last
// nine hundred are no news.
func TestBusyUserMovesNoScope(t *testing.T) {
	const m = cohort.InputPerRequest
	f := fleetOf(100)
	f.first = f.now - 40*cohort.Hour
	at := f.now - cohort.Hour
	add := func(meter, region string, users, requests, x, up float64) {
		leaf := &cohort.Leaf{Values: [event.NumDims]string{event.Meter: meter, event.Region: region}}
		cell := &cohort.Cell{Rows: int64(requests), Requests: int64(requests), Users: int64(users), Moments: new([cohort.NumMoments]cohort.Moment)}
		cell.Moments[m] = cohort.Moment{
			N: requests, Sum: requests * x, Squares: requests * (x*x + 0.2), Users: users, Days: users, Up: up, Brief: users, BriefUp: up,
		}
		f.store.Add(f.store.Series(leaf, at), at, cell)
	}
	for i := range 7 {
		region := fmt.Sprint("r", i)
		add("old", region, 20, 600, 0, 2)
		add("new", region, 4, 115, 0.45, 3)
	}
	add("old", "r0", 1, 1000, 1.1, 1)
	f.store.Head(f.now)
	l := &live{by: byMeasure, measure: m, where: cohort.Where{{Dim: event.Meter, Value: "new"}}, onset: at, openedAt: f.now, shift: 0.45, cluster: clusterOf(m, 29)}
	if f.refineMeasure(l); l.where.String() != "meter=new" {
		t.Errorf("the incident moved to %s", l.where)
	}
}
