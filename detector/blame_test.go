package detector

import (
	"math"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// An input that grows by less than the answer it repeats is too short, unless it is the answers that are longer than ever.
func TestLongAnswers(t *testing.T) {
	const onset = int64(20_000) * 24 * cohort.Hour
	for _, c := range []struct {
		why            string
		input, answers int64
		want           bool
	}{
		{"a tenth of the input, answers as ever", 10_000, 30_000, false},
		{"a few longer answers", 10_000, 35_000, false},
		{"answers counted three times", 100_000, 90_000, true},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		f.first = onset - 48*cohort.Hour
		for h := f.first; h < onset; h += cohort.Hour {
			f.hours[h] = &verdict.Period{Users: 10, Requests: 100, Rows: 100, Input: 100_000, Output: 30_000}
		}
		l := &live{by: byFlag, flag: cohort.Short, onset: onset, lastHit: onset + cohort.Hour - 1}
		l.inside = cohort.Cell{Users: 10, Requests: 100, Rows: 100, Input: c.input, Output: c.answers}
		if got := f.longAnswers(l); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// A scope that is wider yet than where answers are too long says nothing of them by its sums; the rows that seem too short do.
func TestLongAnswersOfAPart(t *testing.T) {
	const onset = int64(500_000) * cohort.Hour
	for _, c := range []struct {
		why     string
		answers int64 // of the rows that repeat them
		want    bool
	}{{"as ever", 3_000, false}, {"three times as long", 9_000, true}} {
		f := newFleet(newOptions(), []int32{0}, nil)
		f.first, f.now = onset-48*cohort.Hour, onset+cohort.Hour
		f.store.Head(f.now)
		leaves := cohort.NewLeaves()
		add := func(model string, at, requests, output, short int64) {
			values := [event.NumDims]string{event.Model: model}
			cell := &cohort.Cell{Users: 10, Requests: requests, Rows: requests, Input: 1000 * requests, Output: output}
			cell.OffOf(cohort.Short).Rows = short
			f.store.Add(f.store.Series(leaves.Of(&values), at), at, cell)
			if at < onset {
				if f.hours[at] == nil {
					f.hours[at] = &verdict.Period{}
				}
				f.hours[at].Add(cell, 1)
			}
		}
		for at := f.first; at < onset; at += cohort.Hour {
			add("small", at, 10, 3_000, 0)
			add("large", at, 200, 60_000, 0)
		}
		add("small", onset, 10, c.answers, 4)
		add("large", onset, 200, 60_000, 0)
		l := &live{by: byFlag, flag: cohort.Short, onset: onset, lastHit: onset + cohort.Hour - 1}
		f.resum(l)
		if got := f.longAnswers(l); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// Requests seem to be missing where the answers before them are counted otherwise: then hardly one is far from what was sent.
func TestCountedAnew(t *testing.T) {
	for _, c := range []struct {
		why       string
		flag      cohort.Flag
		rows, far int64
		want      bool
	}{
		{"none is far", cohort.Gap, 40, 0, true},
		{"a few failed requests are", cohort.Gap, 40, 5, true},
		{"a third of them", cohort.Gap, 40, 13, false},
		{"another flag", cohort.Short, 40, 0, false},
	} {
		l := &live{by: byFlag, flag: c.flag}
		l.inside.OffOf(c.flag).Rows, l.inside.Far = c.rows, c.far
		if got := fleetOf(1000).countedAnew(l); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// What follows from what is not told by rows that come in any order.
func TestOrderedRows(t *testing.T) {
	f := fleetOf(1000)
	for _, c := range []struct {
		late int64
		want bool
	}{{0, true}, {10, true}, {11, false}} {
		f.parts[0].rows, f.parts[0].late = 1000, c.late
		if got := f.ordered(); got != c.want || f.ready(cohort.GaugeOff) != c.want {
			t.Errorf("%d of 1000 rows are late: ordered %v, want %v", c.late, got, c.want)
		}
	}
}

// Who reads no more from the cache is a client that misses it, unless a meter counts what is read from it anew.
func TestCauseOfInputThatIsNotCached(t *testing.T) {
	same, longer := cohort.Moment{N: 200, Users: 40}, cohort.Moment{N: 200, Sum: 60, Users: 40}
	for _, c := range []struct {
		why   string
		where cohort.Cond
		input cohort.Moment
		want  verdict.Cause
	}{
		{"of a release", cohort.Cond{Dim: event.ClientVersion, Value: "2"}, same, verdict.CacheMiss},
		{"of a release whose prompts are longer, too", cohort.Cond{Dim: event.ClientVersion, Value: "2"}, longer, verdict.CacheMiss},
		{"of a region: its cache may be cold", cohort.Cond{Dim: event.Region, Value: "eu"}, same, verdict.CacheMiss},
		{"of a region whose prompts are longer by that", cohort.Cond{Dim: event.Region, Value: "eu"}, longer, verdict.TokenCount},
		{"of a meter", cohort.Cond{Dim: event.Meter, Value: "m-2"}, same, verdict.TokenCount},
	} {
		f := fleetOf(1000)
		l := &live{by: byMeasure, measure: cohort.Uncached, where: cohort.NewWhere(c.where), onset: f.now - 9*cohort.Hour}
		l.inside.Moments = new([cohort.NumMoments]cohort.Moment)
		l.inside.Moments[cohort.InputPerRequest] = c.input
		if got := f.causeOf(verdict.Behaviour{Measure: cohort.Uncached, Cause: verdict.CacheMiss}, l); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got.Name, c.want.Name)
		}
	}
}

// Prompts that are shorter are a meter's doing where answers are shorter, too, or it has just come; not where they were too long before.
func TestUncounted(t *testing.T) {
	region := cohort.Cond{Dim: event.Region, Value: "eu"}
	before := func(l live) *live { return &l }
	for _, c := range []struct {
		why     string
		where   cohort.Cond
		answers float64 // mean logarithm of their length over the past's
		other   *live
		want    bool
	}{
		{"answers, too", region, -0.3, nil, true},
		{"answers are as ever: people ask for less", region, 0, nil, false},
		{"a new meter leaves out input alone", cohort.Cond{Dim: event.Meter, Value: "m-2"}, 0, nil, true},
		{"a meter that has long been there does not", cohort.Cond{Dim: event.Meter, Value: "m-1"}, 0, nil, false},
		{"it was too long before, as the users' pasts have it", region, -0.3, before(live{by: byMeasure, measure: cohort.InputPerRequest, where: cohort.NewWhere(region)}), false},
		{"somewhere else it was", region, -0.3, before(live{by: byMeasure, measure: cohort.InputPerRequest, where: cohort.NewWhere(cohort.Cond{Dim: event.Region, Value: "us"})}), true},
		{"rows that follow others tell of it already", region, -0.3, before(live{by: byFlag, flag: cohort.Short, Incident: incident.Incident{Status: incident.Firing, Finding: incident.Finding{Cause: verdict.FewTokens}}}), false},
	} {
		f := fleetOf(1000)
		f.first = f.now - 72*cohort.Hour
		for value, at := range map[string]int64{"m-1": f.first, "m-2": f.now - 2*cohort.Hour} {
			leaf := &cohort.Leaf{}
			leaf.Values[event.Meter] = value
			f.add(cellAt{leaf, at, &cohort.Cell{Rows: 1}})
		}
		if c.other != nil {
			f.lives = append(f.lives, c.other)
		}
		l := &live{by: byMeasure, measure: cohort.Uncounted, where: cohort.NewWhere(c.where), onset: f.now - 2*cohort.Hour}
		l.inside.Moments = new([cohort.NumMoments]cohort.Moment)
		l.inside.Moments[cohort.OutputPerRequest] = cohort.Moment{N: 200, Sum: 200 * c.answers, Users: 100}
		if got := f.uncounted(l); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// Users count anew in every span, so a few whose turns come one after the other are a few.
func TestUsersAtOnce(t *testing.T) {
	f := fleetOf(1000)
	l := &live{measure: cohort.RequestsPerTurn, onset: f.now - 9*cohort.Hour}
	if f.atOnce(l, l.onset) != 0 {
		t.Error("nobody was counted")
	}
	l.inside.Moments = new([cohort.NumMoments]cohort.Moment)
	l.inside.Moments[cohort.RequestsPerTurn] = cohort.Moment{Days: 30, Up: 12}
	if got := f.atOnce(l, l.onset); got != 4 {
		t.Errorf("%v users at once in three spans, want 4", got)
	}
}

// Longer inputs are people's where as many more requests come with them and answers stay as they are, unless something is new.
func TestAskedForMore(t *testing.T) {
	const onset = int64(20_000) * 24 * cohort.Hour
	for _, c := range []struct {
		why                       string
		users, requests, per, out int64
		measure                   cohort.Measure
		want                      bool
	}{
		{"a launch: twice the users at three times the requests, half as long again", 20, 600, 1500, 300, cohort.InputPerRequest, true},
		{"a meter: the same requests", 10, 100, 1500, 300, cohort.InputPerRequest, false},
		{"a meter on a busy day: more users", 20, 200, 1500, 300, cohort.InputPerRequest, false},
		{"a meter on a busy day: ten times as long", 20, 300, 10_000, 300, cohort.InputPerRequest, false},
		{"a meter that counts all of it", 20, 600, 1500, 450, cohort.InputPerRequest, false},
		{"another measure", 20, 600, 1500, 300, cohort.Uncached, false},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		f.first = onset - 48*cohort.Hour
		for h := f.first; h < onset; h += cohort.Hour {
			f.hours[h] = &verdict.Period{Users: 10, Requests: 100, Rows: 100, Input: 100_000, Output: 30_000}
		}
		l := &live{by: byMeasure, measure: c.measure, onset: onset, lastHit: onset + cohort.Hour - 1, shift: math.Log(float64(c.per) / 1000)}
		l.inside = cohort.Cell{Users: c.users, Requests: c.requests, Rows: c.requests, Input: c.requests * c.per, Output: c.requests * c.out}
		if got := f.asked(l); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// Inputs that seem too short are a client's where nearly all of them are, and a part of what it sends is; or a newcomer's.
func TestShortInputsOfOneValue(t *testing.T) {
	const start = int64(500_000) * cohort.Hour
	for _, c := range []struct {
		why              string
		dim              event.Dim
		own, all, others float64
		age              int64
		want             bool
	}{
		{"a third of a client's", event.Client, 30, 100, 0, 48 * cohort.Hour, true},
		{"nearly all of a client's", event.Client, 90, 100, 0, 48 * cohort.Hour, false},
		{"some of everybody's", event.Client, 30, 100, 10, 48 * cohort.Hour, false},
		{"a third of a customer's", event.Org, 30, 100, 0, 48 * cohort.Hour, false},
		{"of one that came today", event.Org, 30, 100, 0, 20 * cohort.Hour, true},
		{"of a meter that came today", event.Meter, 30, 100, 0, 20 * cohort.Hour, false},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		f.first, f.now = start-72*cohort.Hour, start
		f.store.Head(f.now)
		table, leaves := newCoded(), cohort.NewLeaves()
		add := func(value string, age int64, hits, rows float64) {
			var values [event.NumDims]string
			values[c.dim] = value
			leaf := leaves.Of(&values)
			f.store.Add(f.store.Series(leaf, start-age), start-age, &cohort.Cell{Rows: int64(rows)})
			table.add(leaf, localise.Sums{hits, rows, hits})
		}
		add("a", c.age, c.own, c.all)
		add("b", 48*cohort.Hour, c.others, 100)
		if got := f.untold(cohort.Short, table, start-cohort.Hour); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// What seems to be missing ends with the incident of the client that turns out to do otherwise, unless others lack it as well.
func TestMissingByClient(t *testing.T) {
	const start = int64(500_000) * cohort.Hour
	for _, c := range []struct {
		why    string
		flag   cohort.Flag
		others int64
		want   bool
	}{
		{"the client's alone", cohort.Gap, 0, true},
		{"inputs of the client's alone", cohort.Short, 0, true},
		{"others' too", cohort.Gap, 20, false},
		{"rows without tokens", cohort.Blank, 0, false},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		leaves := cohort.NewLeaves()
		for client, hits := range map[string]int64{"ide": 50, "cli": c.others} {
			values := [event.NumDims]string{event.Client: client}
			cell := &cohort.Cell{Rows: 200}
			*cell.OffOf(c.flag) = cohort.Off{Rows: hits, Users: hits}
			f.store.Add(f.store.Series(leaves.Of(&values), start), start, cell)
		}
		f.now = start + cohort.Hour
		f.store.Head(f.now)
		client := &live{by: byMeasure, where: cohort.NewWhere(cohort.Cond{Dim: event.Client, Value: "ide"})}
		client.Status = incident.Firing
		f.lives = append(f.lives, client)
		if got := f.byClient(&live{by: byFlag, flag: c.flag, onset: start}); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}
