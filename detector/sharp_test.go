package detector

import (
	"math"
	"strconv"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

func newOptions() *Options {
	o := &Options{}
	o.withDefaults()
	return o
}

// A sibling without an affected row denies the wider scope the better the more evenly the fault hits: where it hits some hours and
// spares others, an hour that is spared says little of the sibling.
func TestScopeOfARareFault(t *testing.T) {
	const start = int64(500_000) * cohort.Hour
	for _, c := range []struct {
		why  string
		hits func(hour int) int64 // of 30 rows
		each int64                // of them of one user
		want string
	}{
		{"two rows of thirty in every hour", func(int) int64 { return 2 }, 2, "plan=pro client=web"},
		{"a third of the rows in every fifth hour", func(hour int) int64 { return int64(hour%5/4) * 10 }, 10, "plan=pro"},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		leaves := cohort.NewLeaves()
		add := func(plan, client string, hour int, rows, hits int64) {
			values := [event.NumDims]string{event.Plan: plan, event.Client: client}
			at := start + int64(hour)*cohort.Hour
			cell := &cohort.Cell{Rows: rows}
			*cell.OffOf(cohort.Copy) = cohort.Off{Rows: hits, Users: hits / c.each}
			f.store.Add(f.store.Series(leaves.Of(&values), at), at, cell)
		}
		for hour := range 20 {
			add("pro", "web", hour, 30, c.hits(hour))
			add("pro", "cli", hour, 4, 0)
			add("free", "web", hour, 300, 0)
			add("free", "cli", hour, 300, 0)
		}
		f.now = start + 20*cohort.Hour
		f.store.Head(f.now)
		table := f.table(cohort.Copy, start, f.now, nil, nil)
		weight, _ := f.clusters(table, cohort.Copy, 1e-3, float64(c.each), start, f.now)
		cuts := localise.Search(table.Table, localise.Binomial(1e-3, 1/weight), maxScope)
		if got := f.where(cuts[0], table).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}

// A prompt that is lost shows at what a tool asks afterwards, one that is not lost shows nothing: who asked is no scope of lost rows.
func TestScopeOfLostRowsNamesNoOrigin(t *testing.T) {
	const start = int64(500_000) * cohort.Hour
	f := newFleet(newOptions(), []int32{0}, nil)
	leaves := cohort.NewLeaves()
	for _, c := range []struct {
		plan, origin string
		rows, hits   int64
	}{{"pro", "tool", 200, 190}, {"pro", "user", 100, 0}, {"free", "tool", 200, 0}, {"free", "user", 100, 0}} {
		values := [event.NumDims]string{event.Plan: c.plan, event.Origin: c.origin}
		cell := &cohort.Cell{Rows: c.rows, Follows: c.rows}
		*cell.OffOf(cohort.Gap) = cohort.Off{Rows: c.hits, Users: c.hits}
		f.store.Add(f.store.Series(leaves.Of(&values), start), start, cell)
	}
	f.now = start + cohort.Hour
	f.store.Head(f.now)
	table := f.table(cohort.Gap, start, f.now, nil, nil)
	cuts := localise.Search(table.Table, localise.Binomial(1e-3, 1), maxScope)
	if got := f.where(cuts[0], table).String(); got != "plan=pro" {
		t.Error(got)
	}
}

// Where rows tell nothing apart but what a few users bear, in more ways than candidates are kept, no scope is named yet.
func TestScopeOfABusyFew(t *testing.T) {
	const start = int64(500_000) * cohort.Hour
	f := newFleet(newOptions(), []int32{0}, nil)
	leaves := cohort.NewLeaves()
	for i, c := range []struct{ hits, users int64 }{{300, 3}, {15, 3}, {15, 3}} {
		var values [event.NumDims]string
		for d := range values {
			values[d] = strconv.Itoa(i)
		}
		cell := &cohort.Cell{Rows: 300}
		*cell.OffOf(cohort.Copy) = cohort.Off{Rows: c.hits, Users: c.users, DayUsers: c.users, First: start + cohort.Tick, Last: start + cohort.Tick}
		f.store.Add(f.store.Series(leaves.Of(&values), start), start, cell)
	}
	f.now = start + cohort.Hour/2
	f.store.Head(f.now)
	if f.localise(verdict.Family{Flag: cohort.Copy, Cause: verdict.DuplicateCharge}, start) || len(f.lives) > 0 {
		t.Errorf("%+v", f.lives)
	}
}

// Counts that vary as independent rows do have a dispersion of one, those of a coin an hour one of as many rows as an hour has.
func TestDispersion(t *testing.T) {
	const start = int64(500_000) * cohort.Hour
	for _, c := range []struct {
		why  string
		hits func(hour int) int64 // of 10 rows
		want float64
	}{
		{"every row", func(int) int64 { return 10 }, 1},
		{"every second hour", func(hour int) int64 { return int64(hour%2) * 10 }, 10 * 20.0 / 19},
		{"evenly", func(int) int64 { return 5 }, 0},
		{"never", func(int) int64 { return 0 }, math.Inf(1)},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		leaves := cohort.NewLeaves()
		for hour := range 20 {
			at := start + int64(hour)*cohort.Hour
			cell := &cohort.Cell{Rows: 10}
			cell.OffOf(cohort.Copy).Rows = c.hits(hour)
			f.store.Add(f.store.Series(leaves.Of(&[event.NumDims]string{}), at), at, cell)
		}
		f.now = start + 20*cohort.Hour
		if got := f.dispersion(cohort.Copy, []cohort.Where{nil}, start, f.now+cohort.Tick); math.Abs(got-c.want) > 1e-9 && got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// Of an hour in whose midst an incident began, what is right and may have come before denies no scope.
func TestTableOfAnHourThatBeganBefore(t *testing.T) {
	const start = int64(500_000) * cohort.Hour
	f := newFleet(newOptions(), []int32{0}, nil)
	leaves := cohort.NewLeaves()
	for hour := range 8 {
		for plan, hits := range map[string]int64{"pro": 7, "free": 0} {
			cell := &cohort.Cell{Rows: 10}
			*cell.OffOf(cohort.Copy) = cohort.Off{Rows: hits, Users: hits}
			at := start + int64(hour)*cohort.Hour
			f.store.Add(f.store.Series(leaves.Of(&[event.NumDims]string{event.Plan: plan}), at), at, cell)
		}
	}
	f.now = start + 8*cohort.Hour
	f.store.Head(f.now)
	table := f.table(cohort.Copy, start+cohort.Hour/2, f.now, nil, nil)
	for plan, want := range map[string]localise.Sums{"pro": {56, 77, 56}, "free": {0, 70, 0}} {
		var got localise.Sums
		for _, i := range table.RowsOf(localise.Cut{Dims: []int{int(event.Plan)}, Values: []uint32{table.index[event.Plan][plan]}}) {
			got = table.Rows[i]
		}
		if got != want {
			t.Errorf("%s: %v, want %v", plan, got, want)
		}
	}
}

// What an incident is about by now is no other's: a scope that would take it in is told only if all of it is about even.
func TestAScopeThatTakesInAnother(t *testing.T) {
	for _, c := range []struct {
		why   string
		right float64 // rows in the rest that are right
		want  string
	}{
		{"the rest is hit as that is", 0, "everybody"},
		{"most of the rest is right", 2000, "plan=team region=us"},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		l := &live{by: byFlag, flag: cohort.Copy}
		m := &live{by: byFlag, flag: cohort.Copy, where: cohort.NewWhere(cohort.Cond{Dim: event.Plan, Value: "pro"}, cohort.Cond{Dim: event.Region, Value: "eu"})}
		m.Status, m.inside.Rows, m.inside.OffOf(cohort.Copy).Rows = incident.Firing, 100, 100
		f.lives = []*live{m}
		table, leaves := newCoded(), cohort.NewLeaves()
		for _, plan := range []string{"pro", "team", "free"} {
			for _, region := range []string{"eu", "us", "ap"} {
				s := localise.Sums{100, 100, 10}
				if plan+region == "proeu" {
					continue
				}
				if c.right > 0 && plan+region != "teamus" && plan+region != "freeap" {
					s = localise.Sums{0, c.right / 6, 0}
				}
				table.add(leaves.Of(&[event.NumDims]string{event.Plan: plan, event.Region: region}), s)
			}
		}
		table.done([]event.Dim{event.Plan, event.Region})
		gain := localise.Binomial(1e-3, 1)
		if got := f.where(f.aside(localise.Search(table.Table, gain, maxScope), table, gain, l)[0], table).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}

// A scope that becomes narrower after a night keeps the onset that it had, where its own rows bear it out.
func TestNarrowerScopeKeepsItsOnset(t *testing.T) {
	const start = int64(20_000) * 24 * cohort.Hour
	f := newFleet(newOptions(), []int32{0}, nil)
	leaves := cohort.NewLeaves()
	web, cli := [event.NumDims]string{event.Plan: "pro", event.Client: "web"}, [event.NumDims]string{event.Plan: "pro", event.Client: "cli"}
	work := func(from, to int64) {
		for at := from; at < to; at += cohort.Five {
			for _, values := range [][event.NumDims]string{web, cli} {
				cell := &cohort.Cell{Rows: 10}
				if values == web {
					*cell.OffOf(cohort.Copy) = cohort.Off{Rows: 1, Users: 1, First: at + 1, Last: at + 1}
				}
				f.store.Add(f.store.Series(leaves.Of(&values), at), at, cell)
			}
			f.now = at + cohort.Five
			f.store.Head(f.now)
		}
	}
	work(start+9*cohort.Hour, start+18*cohort.Hour)
	l := &live{by: byFlag, flag: cohort.Copy, where: cohort.Where{{Dim: event.Plan, Value: "pro"}}, base: 1e-6, cluster: 1}
	f.date(l)
	began := l.finding.StartedAt
	work(start+33*cohort.Hour, start+40*cohort.Hour)
	l.where = append(l.where, cohort.Cond{Dim: event.Client, Value: "web"})
	if f.date(l); l.finding.StartedAt != began || l.inside.Flagged(cohort.Copy).Rows != 16*12 {
		t.Errorf("began at %d, then at %d, with %d rows", began-start, l.finding.StartedAt-start, l.inside.Flagged(cohort.Copy).Rows)
	}
}

// Gauges that are read an hour after a fault of them was over tell of that fault, wherever the few who come back then happen to work.
// What is off at a later time is news.
func TestRowsOfWhatIsOverAreItsOwn(t *testing.T) {
	const start, end = int64(500_000) * cohort.Hour, int64(500_000)*cohort.Hour + 2*cohort.Hour
	for _, c := range []struct {
		why  string
		was  int64 // when the gauges were off
		want string
	}{
		{"they were off before", end - cohort.Five, ""},
		{"they went off again", end + cohort.Hour, "model=a"},
	} {
		f := newFleet(newOptions(), []int32{0}, func(*live, []incident.Reason) {})
		leaves := cohort.NewLeaves()
		add := func(at int64, plan, model string, rows, hits, was int64) {
			cell := &cohort.Cell{Rows: rows, Gauged: rows}
			if hits > 0 {
				*cell.OffOf(cohort.GaugeOff) = cohort.Off{Rows: hits, Users: hits, DayUsers: hits, First: was, Last: was}
			}
			f.store.Add(f.store.Series(leaves.Of(&[event.NumDims]string{event.Plan: plan, event.Model: model}), at), at, cell)
			f.now = at + cohort.Five
			f.store.Head(f.now)
		}
		for at := start; at < end; at += cohort.Five {
			add(at, "pro", "a", 10, 9, at)
			add(at, "pro", "b", 10, 9, at)
			add(at, "free", "a", 10, 0, at)
			add(at, "free", "b", 10, 0, at)
		}
		over := &live{by: byFlag, flag: cohort.GaugeOff, where: cohort.Where{{Dim: event.Plan, Value: "pro"}}, onset: start, lastHit: end, endedAt: end}
		over.Status = incident.Resolved
		f.lives = []*live{over}
		add(end+cohort.Hour, "pro", "a", 8, 8, c.was)
		add(end+cohort.Hour, "pro", "b", 12, 0, 0)
		add(end+cohort.Hour, "free", "b", 12, 0, 0)
		f.localise(verdict.Family{Flag: cohort.GaugeOff, Cause: verdict.Window}, end)
		got := ""
		for _, l := range f.lives[1:] {
			got += l.where.String()
			if l.onset < end {
				t.Errorf("%s: dated %d s before the other ended", c.why, (end-l.onset)/1e9)
			}
		}
		if got != c.want {
			t.Errorf("%s: told of %q, want %q", c.why, got, c.want)
		}
	}
}

// What is right after a fault is over denies no scope, however few of those rows are of a release that goes.
func TestScopeIsOfTheTimeOfTheFault(t *testing.T) {
	const start, end = int64(500_000) * cohort.Hour, int64(500_000)*cohort.Hour + 3*cohort.Hour/2
	for _, c := range []struct {
		why    string
		later  int64 // when its scope is searched again
		looked int64 // when it was before
	}{
		{"half an hour later", end + cohort.Hour/2, end - cohort.Hour},
		{"ten hours later, when only hours are kept", end + 10*cohort.Hour, end + cohort.Hour},
	} {
		f := newFleet(newOptions(), []int32{0}, func(*live, []incident.Reason) {})
		leaves := cohort.NewLeaves()
		add := func(at int64, plan, version string, rows, hits int64) {
			cell := &cohort.Cell{Rows: rows, Failures: rows}
			if hits > 0 {
				*cell.OffOf(cohort.FailureCharged) = cohort.Off{Rows: hits, Users: hits, DayUsers: hits, First: at, Last: at + cohort.Tick - 1}
			}
			f.store.Add(f.store.Series(leaves.Of(&[event.NumDims]string{event.Plan: plan, event.ClientVersion: version}), at), at, cell)
		}
		last := end - cohort.Five // of the affected rows
		for at := start; at <= c.later; at += cohort.Five {
			hit := int64(0)
			if at <= last {
				hit = 1
			}
			f.now = at + cohort.Five
			f.store.Head(f.now)
			add(at, "pro", "old", 4, 4*hit)
			add(at, "pro", "new", 200-198*hit, 2*hit)
			add(at, "free", "old", 4, 0)
			add(at, "free", "new", 200, 0)
		}
		pro := cohort.Where{{Dim: event.Plan, Value: "pro"}}
		l := &live{by: byFlag, flag: cohort.FailureCharged, where: pro, onset: start, lastHit: last, cleanHit: last, base: 1e-3, cluster: 1}
		l.Status = incident.Firing
		f.lives = []*live{l}
		if f.refine(l, c.looked); !l.where.Equal(pro) {
			t.Errorf("%s: %s", c.why, l.where)
		}
	}
}

// Of two descriptions of the very same rows the dimension that comes first is named, however many values it has.
func TestEqualDescriptionsGoByTheOrderOfDimensions(t *testing.T) {
	f := newFleet(newOptions(), []int32{0}, nil)
	table, leaves := newCoded(), cohort.NewLeaves()
	for client, version := range map[string]string{"a": "1", "b": "2", "c": "2", "d": "2"} {
		values := [event.NumDims]string{event.Client: client, event.ClientVersion: version}
		hits := 0.0
		if client == "a" {
			hits = 50
		}
		table.add(leaves.Of(&values), localise.Sums{hits, 50, hits})
	}
	coded := table.done(f.o.Dimensions)
	best, loser := f.choose(localise.Search(coded.Table, localise.Binomial(1e-3, 1), maxScope), coded, 0)
	if got := f.where(best, coded).String(); got != "client=a" || loser == nil || f.where(*loser, coded).String() != "client_version=1" {
		t.Errorf("%s is named, and lost has %v", got, loser)
	}
}
