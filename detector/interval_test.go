package detector

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
)

// The promise of what is new: it came after the earliest moment that is stated, in at least 95% of worlds, whether users come to it at
// one rate or at a rate that grows.
func TestWaitedCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	const runs = 4000
	for _, c := range []struct {
		name  string
		power float64 // users who came by t are as t^power
		most  float64 // of the runs may be covered: all would be by any old bound
	}{{"constant", 1, 1}, {"growing", 2, 0.965}} {
		for _, n := range []int{2, 4, comers} {
			covered := 0
			for range runs {
				first, last, sum := 0.0, 0.0, 0.0
				for i := range n {
					sum += rng.ExpFloat64()
					last = 1e12 * math.Pow(sum, 1/c.power)
					if i == 0 {
						first = last
					}
				}
				if waited(int64(n), int64(last-first)) >= int64(first) {
					covered++
				}
			}
			if share := float64(covered) / runs; share < 0.94 || share > c.most {
				t.Errorf("%s rate, %d users: covered in %v of the runs", c.name, n, share)
			}
		}
	}
}

// A fault that comes slowly teaches its own rate before it is found: its first rows are its own, unless there were such rows all along.
func TestSlowFaultsBeginWithTheirFirstRow(t *testing.T) {
	const now = int64(500_000) * cohort.Hour
	for _, c := range []struct {
		why    string
		always bool
		every  int64 // hours from one affected row to the next
		rest   bool  // there are no rows between
		base   float64
		want   int64 // hours before now
	}{
		{"none before", false, 3, false, 0.004, 30},
		{"none before, and nothing was learned yet", false, 3, false, cohort.PriorRate, 30},
		{"some on every day", true, 3, false, 0.004, 1},
		{"so many right rows between that it may have been over", false, 10, false, cohort.PriorRate, 1},
		{"nobody was there between", false, 10, true, cohort.PriorRate, 30},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		f.first, f.now = now-6*24*cohort.Hour, now
		f.store.Head(now)
		values := [event.NumDims]string{event.Org: "a"}
		leaf := cohort.NewLeaves().Of(&values)
		for h := int64(144); h > 0; h-- {
			at := now - h*cohort.Hour
			cell, hit := &cohort.Cell{Rows: 50}, h <= 30 && h%c.every == 0 || h == 1 || c.always && h%5 == 0
			if c.rest && h <= 30 && !hit {
				continue
			}
			if hit {
				*cell.OffOf(cohort.Duplicate) = cohort.Off{Rows: 3, Users: 1, First: at, Last: at}
			}
			f.store.Add(f.store.Series(leaf, at), at, cell)
		}
		l := &live{by: byFlag, flag: cohort.Duplicate, where: cohort.NewWhere(cohort.Cond{Dim: event.Org, Value: "a"}), base: c.base, rate: 0.06}
		f.begin(l, now-cohort.Hour)
		f.lookBack(l, l.onset)
		if got := (now - l.onset) / cohort.Hour; got != c.want {
			t.Errorf("%s: it began %d h ago, want %d", c.why, got, c.want)
		}
	}
}

// What rows say of an onset: between the last that was right and the first that was not, as far as the share of those hit lets it be
// told.
func TestBracketRows(t *testing.T) {
	row := func(at int64, hit bool) ledger.Chance { return ledger.Chance{At: (1000 + at) * 1e9, Hit: hit} }
	rows := func(hits string) (out []ledger.Chance) {
		for i, c := range hits {
			out = append(out, row(int64(i), c == 'x'))
		}
		return out
	}
	for _, c := range []struct {
		name        string
		about       ledger.About
		rate, base  float64
		from, to    int64 // seconds
		presentKept bool
	}{
		{name: "all from one row on", about: ledger.About{Rows: rows("..........xxxxxxxxxx"), Hits: 80, Trials: 80}, rate: 1, from: 9, to: 10},
		{name: "half of the rows: a few that were right may have been spared", about: ledger.About{Rows: rows("..........x.xx..x.x."), Hits: 40, Trials: 80}, rate: 0.5, from: 5, to: 10},
		{name: "it is over again: what comes after it says nothing of whom it spared", about: ledger.About{Rows: rows("..........xxxxxxxxxx.........................."), Trials: 80}, rate: 0.1, from: 9, to: 10},
		{name: "a chance hit long before is none of it", about: ledger.About{Rows: rows("x.......................................xxxxxxxxxx"), Hits: 80, Trials: 80}, rate: 1, from: 0, to: 40},
		{name: "nothing was right before: what was said of that stands", about: ledger.About{Rows: rows("xxxxxxxxxx"), Hits: 80, Trials: 80}, rate: 1, from: -50, to: 0},
		{name: "a price list that took another's place", about: ledger.About{Rows: rows("..........xxxxxxxxxx"), Hits: 80, Trials: 80, Wider: true}, rate: 1, from: 9, to: 10},
		{name: "a release that spreads", about: ledger.About{Rows: rows("..........x........x"), Hits: 40, Trials: 80, Wider: true}, rate: 1, presentKept: true},
		{name: "no row was hit", about: ledger.About{Rows: rows("..........")}, rate: 1, presentKept: true},
		{name: "the rows that tell are not there", about: ledger.About{Rows: rows("....x....."), Hits: 500, Trials: 500}, rate: 1, base: 0.2, presentKept: true},
	} {
		f := &fleet{first: 900e9, store: cohort.NewStore()}
		l := &live{by: byFlag, flag: cohort.Over, rate: c.rate, base: max(c.base, cohort.PriorRate)}
		present := incident.Interval{From: 950e9, To: 1100e9}
		l.finding.Onset = present
		l.finding.StartedAt = 1010e9
		for _, r := range c.about.Rows {
			if r.Hit {
				l.finding.StartedAt = r.At
				break
			}
		}
		if from, to := tellOnset(&c.about, ledger.Odds{Quiet: l.chance(), Alike: 1, Level: l.level(), Clean: l.base <= cleanBase}); to != 0 {
			f.bracketRows(l, from, to)
		}
		want := incident.Interval{From: (1000 + c.from) * 1e9, To: (1000 + c.to) * 1e9}
		if c.presentKept {
			want = present
		}
		if l.finding.Onset != want || l.bracketed == c.presentKept {
			t.Errorf("%s: between %d and %d s, want %d and %d", c.name, l.finding.Onset.From/1e9, l.finding.Onset.To/1e9, want.From/1e9, want.To/1e9)
		}
	}
}

// What rows tell of those before them: one that shows a fault stands for it where quiet ones seldom do, else it takes several.
func TestOnsetInHindsight(t *testing.T) {
	rows := func(hits string) (out []ledger.Chance) {
		for i, c := range hits {
			out = append(out, ledger.Chance{At: int64(1000+i) * 1e9, Hit: c == 'x'})
		}
		return out
	}
	for _, c := range []struct {
		name     string
		hits     string
		past     [2]int64
		from, to int64
	}{
		{"no quiet row shows it", "..........xxx.xxxxxx", [2]int64{0, 5000}, 8, 10},
		{"one in five hundred does, and not where it began", "x.........xxx.xxxxxx", [2]int64{10, 5000}, 8, 10},
		{"one in five does: it takes several", "x....x....x.xxxxxxxx", [2]int64{1000, 5000}, 8, 14},
		{"of the past little is known", "..........xxx.xxxxxx", [2]int64{0, 2}, 7, 14},
	} {
		from, to := tellOnset(&ledger.About{Rows: rows(c.hits)}, hindsight(c.past))
		if from != (1000+c.from)*1e9 || to != (1000+c.to)*1e9 {
			t.Errorf("%s: between %d and %d s, want %d and %d", c.name, from/1e9-1000, to/1e9-1000, c.from, c.to)
		}
	}
}

// The promise for rows as they come: the stated interval holds the moment at which the fault was switched on in at least 95% of worlds,
// whether it hits all rows, a share of them, all those of some users, or a share of those; and it is not much wider than it needs be.
func TestSwitchedOnCovers(t *testing.T) {
	const users, runs = 40, 300
	for _, c := range []struct {
		name        string
		users, rows float64 // shares that it hits
		spell       float64 // so many rows of a user in a row, in the mean, are hit together or not
		rowsWide    float64 // the mean width may be at most so many mean gaps
	}{
		{"all", 1, 1, 1, 2.1},
		{"half of the rows", 1, 0.5, 1, 7},
		{"half of the users", 0.5, 1, 1, 4.5},
		{"half of both", 0.5, 0.5, 1, 14},
		{"half of the rows, in spells", 1, 0.5, 5, 12},
		{"one row in twenty", 1, 0.05, 1, 90},
	} {
		rng := rand.New(rand.NewPCG(6, 6))
		covered, width := 0, 0.0
		for range runs {
			on := 200 + 50*rng.Float64()
			var rows []ledger.Chance
			lucky := map[uint64]bool{}
			first := -1
			for at := 0.0; at < on+300; at += rng.ExpFloat64() {
				u := uint64(float64(users) * rng.Float64() * rng.Float64()) // some do more than others
				if _, known := lucky[u]; !known || rng.Float64() < 1/c.spell {
					lucky[u] = rng.Float64() >= c.rows
				}
				hit := at >= on && float64(u*7%users) < c.users*users && !lucky[u]
				if hit && first < 0 {
					first = len(rows)
				}
				rows = append(rows, ledger.Chance{At: int64(at * 1e9), Hit: hit, User: u})
			}
			from, to := float64(switchedOn(rows, first))/1e9, float64(rows[first].At)/1e9
			if from <= on && on <= to {
				covered++
			}
			width += (to - from) / runs
		}
		t.Logf("%s: covered %.3f, %.1f gaps wide", c.name, float64(covered)/runs, width)
		if share := float64(covered) / runs; share < 0.94 || width > c.rowsWide {
			t.Errorf("%s: covered in %v of the runs, %v gaps wide, want 0.95 and at most %v", c.name, share, width, c.rowsWide)
		}
	}
}

// What came with a release may have been switched on hours after it: the interval reaches from when the release may have come to when its
// users' pasts deny that it is not there yet, though what they did first is kept by the hour only.
func TestBracketOfAReleaseHolds(t *testing.T) {
	const (
		worlds = 200
		m      = cohort.RequestsPerTurn
		sigma  = 0.2236 // a fleet that knows nothing expects a variance of .05
	)
	where := cohort.Where{{Dim: event.ClientVersion, Value: "2.0"}}
	leaf := &cohort.Leaf{Values: [event.NumDims]string{event.ClientVersion: "2.0"}}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		after int64 // switched on so long after the release
		width int64 // at most, in the mean
	}{{0, 4 * cohort.Hour}, {5 * cohort.Hour, 12 * cohort.Hour}, {9 * cohort.Hour, 14 * cohort.Hour}} {
		held, width := 0, int64(0)
		for range worlds {
			f := fleetOf(1000)
			release := f.now - f.now%cohort.Hour - 11*cohort.Hour
			f.first = release - 40*cohort.Hour
			on := release + c.after + rng.Int64N(cohort.Hour)
			for at := release; at < f.now; at += cohort.Five {
				cell := &cohort.Cell{Moments: new([cohort.NumMoments]cohort.Moment)}
				for range 1 + rng.IntN(3) {
					x := sigma * rng.NormFloat64()
					if at >= on {
						x += 0.3
					}
					cell.Moments[m].Observe(x, true, true)
					cell.Users++
				}
				f.store.Add(f.store.Series(leaf, at), at, cell)
				f.store.Head(at + cohort.Five)
				f.store.Advance()
			}
			l := &live{by: byMeasure, measure: m, where: where, onset: release}
			l.finding.StartedAt = release
			f.bracketMeasure(l, true)
			if o := l.finding.Onset; o.From <= on && on <= o.To {
				held++
			}
			width += (l.finding.Onset.To - l.finding.Onset.From) / worlds
		}
		if share := float64(held) / worlds; share < incident.OnsetLevel-0.03 || width > c.width {
			t.Errorf("switched on %v h after the release: held in %.3f of worlds, %.1f h wide in the mean", c.after/cohort.Hour, share, float64(width)/float64(cohort.Hour))
		}
	}
}
