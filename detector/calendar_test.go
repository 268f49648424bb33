package detector

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// The calendar explains what an account draws, as far as its entry goes; never that somebody new draws on it.
func TestCalendarExplainsAccounts(t *testing.T) {
	at := int64(20_000) * 24 * cohort.Hour
	entry := func(expect map[string]float64) Planned {
		return Planned{
			From: time.Unix(0, at-cohort.Hour), To: time.Unix(0, at+cohort.Hour), What: "batch", Where: map[event.Dim]string{event.Plan: "business"}, Expect: expect,
		}
	}
	for _, c := range []struct {
		why    string
		expect map[string]float64
		plan   string
		at     int64
		cause  verdict.Cause
		want   bool
	}{
		{"its plan, however much", nil, "business", at, verdict.SharedAccount, true},
		{"as much as is expected", map[string]float64{"turns": 10, "requests": 3}, "business", at, verdict.ScriptedDrain, true},
		{"more than is expected", map[string]float64{"requests": 3}, "business", at, verdict.ScriptedDrain, false},
		{"a price explains no volume", map[string]float64{"price": 50}, "business", at, verdict.ScriptedDrain, false},
		{"another plan", nil, "pro", at, verdict.ScriptedDrain, false},
		{"before it begins", nil, "business", at - 2*cohort.Hour, verdict.ScriptedDrain, false},
		{"a thief", nil, "business", at, verdict.StolenKey, false},
	} {
		f := fleetOf(1000)
		f.o.Calendar = []Planned{entry(c.expect)}
		leaf := &cohort.Leaf{}
		leaf.Values[event.Plan] = c.plan
		u := &profile.Finding{User: "u", At: c.at, Since: c.at - cohort.Hour, DayRatio: 25, Leaf: leaf}
		if got := f.awaited(u, c.cause) != nil; got != c.want {
			t.Errorf("%s: explained %v, want %v", c.why, got, c.want)
		}
	}
}

// The calendar explains as much of a change of behaviour as its entry says, in whom it names; what comes on top is told of whom it hits.
func TestCalendarExplainsAsMuch(t *testing.T) {
	const m = cohort.RequestsPerTurn
	only := func(client string) map[event.Dim]string { return map[event.Dim]string{event.Client: client} }
	twice := map[string]float64{"requests": 2}
	for _, c := range []struct {
		why         string
		where       map[event.Dim]string
		expect      map[string]float64
		others, cli float64 // times as much as each user's past
		want        string  // the scope that is told; "" if none is
	}{
		{"nothing is expected", only("none"), twice, 2, 2, "everybody"},
		{"as much as is expected", nil, twice, 2, 2, ""},
		{"a little more", nil, twice, 2.3, 2.3, ""},
		{"ten times as much", nil, twice, 10, 10, "everybody"},
		{"ten times as much of some", nil, twice, 2, 10, "client=cli"},
		{"ten times as much of whom it names", only("cli"), twice, 1, 10, "client=cli"},
		{"however much, where no factor is named", only("cli"), nil, 1, 10, ""},
		{"ten times as much of others", only("ide"), twice, 1, 10, "client=cli"},
		{"something else is expected", nil, map[string]float64{"tokens": 20}, 1, 10, "client=cli"},
	} {
		f := fleetOf(1000)
		f.first = f.now - 40*cohort.Hour
		at := f.now - cohort.Hour
		f.o.Calendar = []Planned{{From: time.Unix(0, at), To: time.Unix(0, f.now+24*cohort.Hour), What: "reset week", Where: c.where, Expect: c.expect}}
		for _, client := range []string{"cli", "ide", "web"} {
			x := math.Log(c.others)
			if client == "cli" {
				x = math.Log(c.cli)
			}
			up := 2.0
			if x > 0 {
				up = 45
			}
			leaf := &cohort.Leaf{Values: [event.NumDims]string{event.Client: client}}
			cell := &cohort.Cell{Rows: 400, Requests: 400, Turns: 100, Users: 50, Moments: new([cohort.NumMoments]cohort.Moment)}
			cell.Moments[m] = cohort.Moment{N: 200, Sum: 200 * x, Squares: 200 * (x*x + 0.2), Users: 50, Days: 50, Up: up, Brief: 50, BriefUp: up}
			f.add(cellAt{leaf, at, cell})
		}
		f.localiseMeasure(verdict.Behaviour{Measure: m, Cause: verdict.RequestLoop}, at)
		told, silent := "", 0
		for _, l := range f.lives {
			if l.silentTo != 0 {
				silent++
				continue
			}
			told += l.where.String()
		}
		if told != c.want || silent > 0 != (c.want == "") {
			t.Errorf("%s: told of %q, want %q; %d explained", c.why, told, c.want, silent)
		}
	}
}

// Rows that an incident explains are taken out once, whether the calendar explains them as well before it, after it, or until it ends.
func TestPlannedHidesNothingTwice(t *testing.T) {
	const m = cohort.RequestsPerTurn
	for _, c := range []struct {
		why   string
		steps string // bug and plan: b and p explain, P explains no more
		want  float64
	}{
		{"a bug", "b", 100},
		{"a plan beside a bug", "bp", 0},
		{"a bug within a plan", "pb", 0},
		{"the plan is looked at anew", "bpP", 100},
		{"and had been there first", "pbP", 100},
		{"again and again", "bpPpP", 100},
	} {
		f := fleetOf(1000)
		at := f.now - cohort.Hour
		for _, client := range []string{"cli", "ide"} {
			cell := &cohort.Cell{Rows: 400, Moments: new([cohort.NumMoments]cohort.Moment)}
			cell.Moments[m] = cohort.Moment{N: 100, Users: 50}
			f.add(cellAt{&cohort.Leaf{Values: [event.NumDims]string{event.Client: client}}, at, cell})
		}
		bug := &live{by: byMeasure, measure: m, where: cohort.NewWhere(cohort.Cond{Dim: event.Client, Value: "cli"}), onset: at}
		bug.Status = incident.Firing
		plan := &live{by: byMeasure, measure: m, onset: at, silentTo: f.now + plannedRelook}
		for _, step := range c.steps {
			switch step {
			case 'b':
				f.explain(bug, 1)
				f.lives = append(f.lives, bug)
			case 'p':
				f.explain(plan, 1)
				f.lives = append(f.lives, plan)
			case 'P':
				f.explain(plan, -1)
				f.lives = slices.DeleteFunc(f.lives, func(l *live) bool { return l == plan })
			}
		}
		if got := f.store.All.MomentSince(m, at).N; got != c.want {
			t.Errorf("%s: %v observations are unexplained, want %v", c.why, got, c.want)
		}
	}
}
