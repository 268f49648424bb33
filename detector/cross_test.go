package detector_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/price"
)

const crossInput, crossCached, crossOutput = 1_250_000_000, 125_000_000, 10_000_000_000 // nano-credits a million tokens

// crossing returns some hours of rows of plans and regions that cross. After two hours charge says what a row costs that should cost
// list, and whether it is charged twice. owed is what was charged too much.
func crossing(charge func(e *event.Event, list int64) (charged int64, twice bool)) (rows []detector.Record, owed event.Sum) {
	start := time.Date(2026, 6, 24, 6, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 5000 {
		at := start.Add(time.Duration(i) * 3 * time.Second)
		u := rng.IntN(60)
		e := &event.Event{ID: fmt.Sprint("r", i), RequestID: fmt.Sprint("q", i), User: fmt.Sprint("u", u), Time: at.UnixNano(), HasTokens: true}
		e.Dims[event.Model], e.Dims[event.Plan], e.Dims[event.Region] = "m", []string{"pro", "team"}[u%2], []string{"eu", "us", "ap"}[u%3]
		e.Input, e.Output = 2000+rng.Int64N(9000), 50+rng.Int64N(900)
		if rng.IntN(5) > 0 {
			e.Cached = e.Input * (4 + rng.Int64N(5)) / 10
		}
		list := (e.Input-e.Cached)*crossInput + e.Cached*crossCached + e.Output*crossOutput
		charged, twice := list, false
		if at.Sub(start) > 2*time.Hour {
			charged, twice = charge(e, list)
		}
		e.Credits = event.Credits(charged / 1e6)
		owed.Add(e.Credits - event.Credits(list/1e6))
		rows = append(rows, detector.Record{Offset: int64(len(rows)), Value: string(e.AppendJSON(nil))})
		if twice {
			e.ID += "-again"
			owed.Add(e.Credits)
			rows = append(rows, detector.Record{Offset: int64(len(rows)), Value: string(e.AppendJSON(nil))})
		}
	}
	return rows, owed
}

func crossOptions() detector.Options {
	return detector.Options{RateCard: []price.Entry{{Model: "m", Input: crossInput, Cached: crossCached, CacheWrite: crossInput, Output: crossOutput}}}
}

// Two faults begin together in cohorts that cross: a price for one plan, a lost discount in one region. Each is told as itself, and a
// row that bears both is owed once.
func TestFaultsThatCrossAreTold(t *testing.T) {
	rows, owed := crossing(func(e *event.Event, charge int64) (int64, bool) {
		if e.Dims[event.Region] == "eu" {
			charge += e.Cached * (crossInput - crossCached)
		}
		if e.Dims[event.Plan] == "pro" {
			charge *= 3
		}
		return charge, false
	})
	out := replay(t, crossOptions(), split(t, rows, 2))
	var got []string
	var told event.Sum
	for _, r := range out.final() {
		got = append(got, kindText(r))
		told.AddSum(r.Overcharge)
	}
	slices.Sort(got)
	want := []string{"metering_bug/cache_discount_lost cohort map[region:eu]", "metering_bug/price cohort map[plan:pro]"}
	if !slices.Equal(got, want) {
		t.Errorf("told are %q, want %q", got, want)
	}
	if off := told.Float64() - owed.Float64(); off > 1e-5 || off < -1e-5 { // a unit a row is how a half is rounded
		t.Errorf("owed are %v, told %v", owed, told)
	}
}

// Where causes cross, each is told which of its factors the other moved, and names its own as the one that moved.
func TestFaultsThatCrossKnowEachOther(t *testing.T) {
	rows, _ := crossing(func(e *event.Event, charge int64) (int64, bool) {
		if e.Dims[event.Plan] == "pro" {
			charge *= 3
		}
		return charge, e.Dims[event.Region] == "eu"
	})
	ids, explained, moved := map[string]string{}, map[string]map[string]string{}, map[string]string{}
	for _, r := range replay(t, crossOptions(), split(t, rows, 2)).final() {
		ids[r.Cause], explained[r.Cause], moved[r.Cause] = r.Incident, r.Explained, r.Moved()
	}
	want := map[string]map[string]string{"price": {"rows": ids["duplicate_charge"]}, "duplicate_charge": {"price": ids["price"]}}
	if len(ids) != 2 || !reflect.DeepEqual(explained, want) || moved["price"] != "price" || moved["duplicate_charge"] != "rows" {
		t.Errorf("%v moved by %v, explained is %v, want %v", ids, moved, explained, want)
	}
}

// A fault within a wider one of its kind is told as itself where it was seen alone, before or after; while both stand a price list of two
// prices would do the same, and one incident tells of it. What is owed is told in full, once.
func TestAFaultWithinAnotherOfItsKind(t *testing.T) {
	const wide, inner = "metering_bug/price cohort map[plan:pro]", "metering_bug/price cohort map[plan:pro region:eu]"
	for _, c := range []struct {
		why          string
		from, to     int // hundredths of an hour after six, of the wide one
		inFrom, inTo int // and of the one within
		want         []string
	}{
		{"it outlasts the wider one", 200, 300, 250, 420, []string{inner, wide}},
		{"it came before the wider one", 300, 420, 200, 420, []string{inner, wide}},
		{"it came and went while the wider one stood", 200, 420, 280, 360, []string{wide}},
		{"both came together", 200, 420, 200, 420, []string{wide}},
	} {
		six := time.Date(2026, 6, 24, 6, 0, 0, 0, time.UTC).UnixNano()
		rows, owed := crossing(func(e *event.Event, charge int64) (int64, bool) {
			at := int((e.Time - six) / int64(36*time.Second))
			if e.Dims[event.Plan] == "pro" && at >= c.from && at < c.to {
				charge *= 3
			}
			if e.Dims[event.Plan] == "pro" && e.Dims[event.Region] == "eu" && at >= c.inFrom && at < c.inTo {
				charge *= 2
			}
			return charge, false
		})
		var got []string
		var told event.Sum
		for _, r := range replay(t, crossOptions(), split(t, rows, 2)).final() {
			got = append(got, kindText(r))
			told.AddSum(r.Overcharge)
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s: told are %q, want %q", c.why, got, c.want)
		}
		if off := told.Float64() - owed.Float64(); off > 1e-5 || off < -1e-5 {
			t.Errorf("%s: owed are %v, told %v", c.why, owed, told)
		}
	}
}

// A price that is too high everywhere comes to one that is too low in one region, where rows of both look right: it is one incident of
// everybody's all the same.
func TestAFaultThatAnotherHides(t *testing.T) {
	nine := time.Date(2026, 6, 24, 9, 0, 0, 0, time.UTC).UnixNano()
	rows, _ := crossing(func(e *event.Event, charge int64) (int64, bool) {
		if e.Dims[event.Region] == "eu" {
			charge = charge * 6 / 10
		}
		if e.Dims[event.Plan] == "pro" && e.Time >= nine {
			charge = charge * 5 / 3
		}
		return charge, false
	})
	var got []string
	for _, r := range replay(t, crossOptions(), split(t, rows, 2)).final() {
		got = append(got, kindText(r))
	}
	slices.Sort(got)
	want := []string{"metering_bug/price cohort map[plan:pro]", "under_metering/price cohort map[region:eu]"}
	if !slices.Equal(got, want) {
		t.Errorf("told are %q, want %q", got, want)
	}
}

// Faults that look alike and begin together in cohorts of which none holds another are told as themselves, and not as one of everybody:
// most are not hit. One that hits a part of everybody is one.
func TestFaultsThatLookAlikeAreTold(t *testing.T) {
	is := func(e *event.Event, plan, region string) bool {
		return e.Dims[event.Plan] == plan && e.Dims[event.Region] == region
	}
	for _, c := range []struct {
		why    string
		charge func(e *event.Event, list int64) (int64, bool)
		want   []string
	}{
		{
			"rows come twice here and there",
			func(e *event.Event, list int64) (int64, bool) { return list, is(e, "pro", "eu") || is(e, "team", "us") },
			[]string{"metering_bug/duplicate_charge cohort map[plan:pro region:eu]", "metering_bug/duplicate_charge cohort map[plan:team region:us]"},
		},
		{
			"every second does here, and every third there",
			func(e *event.Event, list int64) (int64, bool) {
				return list, is(e, "pro", "eu") && e.Output%2 == 0 || is(e, "team", "us") && e.Output%3 == 0
			},
			[]string{"metering_bug/duplicate_charge cohort map[plan:pro region:eu]", "metering_bug/duplicate_charge cohort map[plan:team region:us]"},
		},
		{
			"the same price is wrong here and there",
			func(e *event.Event, list int64) (int64, bool) {
				if is(e, "pro", "eu") || is(e, "team", "us") {
					list *= 3
				}
				return list, false
			},
			[]string{"metering_bug/price cohort map[plan:pro region:eu]", "metering_bug/price cohort map[plan:team region:us]"},
		},
		{
			"the cohorts cross",
			func(e *event.Event, list int64) (int64, bool) {
				return list, e.Dims[event.Plan] == "pro" || e.Dims[event.Region] == "eu"
			},
			[]string{"metering_bug/duplicate_charge cohort map[plan:pro]", "metering_bug/duplicate_charge cohort map[region:eu]"},
		},
		{
			"every fifth row of everybody",
			func(e *event.Event, list int64) (int64, bool) { return list, e.Output%5 == 0 },
			[]string{"metering_bug/duplicate_charge cohort map[]"},
		},
		{
			"every third user, whoever that is",
			func(e *event.Event, list int64) (int64, bool) {
				return list, len(e.User) > 1 && e.User[len(e.User)-1]%3 == 0
			},
			[]string{"metering_bug/duplicate_charge cohort map[]"},
		},
	} {
		rows, _ := crossing(c.charge)
		var got []string
		for _, r := range replay(t, crossOptions(), split(t, rows, 2)).final() {
			got = append(got, kindText(r))
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s: told are %q, want %q", c.why, got, c.want)
		}
	}
}

// Two prices go wrong together in cohorts that cross, and few rows make one incident of them at first. Once they are told apart each says
// what came of the other, in its evidence and in its timeline; the one that is narrowed has fewer users and credits, and nothing is owed
// twice. A program that stops before, between and after says the same.
func TestOneIncidentTurnsOutToBeTwo(t *testing.T) {
	rows, owed := crossing(func(e *event.Event, charge int64) (int64, bool) {
		if e.Dims[event.Plan] == "pro" {
			charge *= 3
		}
		if e.Dims[event.Region] == "eu" {
			charge *= 10
		}
		return charge, false
	})
	in := split(t, rows, 2)
	out, _ := interrupted(t, crossOptions(), in, nil, false)
	var stops []map[int32]int64
	for _, n := range []int{2430, 2465, 2490, 2600} { // while it is one, while it is narrowed, and when it is two
		stop := map[int32]int64{}
		for p, some := range split(t, rows[:n], 2) {
			stop[p] = int64(len(some))
		}
		stops = append(stops, stop)
	}
	if again, _ := interrupted(t, crossOptions(), in, stops, false); again.said(t) != out.said(t) {
		t.Errorf("after restarts at %v it says otherwise:\n%s\nnot\n%s", stops, again.said(t), out.said(t))
	}

	final := out.final()
	slices.SortFunc(final, func(a, b incident.Record) int { return a.DetectedAt.Compare(b.DetectedAt) })
	if len(final) != 2 || kindText(final[0]) != "metering_bug/price cohort map[plan:pro]" || kindText(final[1]) != "metering_bug/price cohort map[region:eu]" {
		t.Fatalf("told are %v", final)
	}
	told := map[string][]incident.Record{}
	var sum event.Sum
	for _, r := range out.alerts {
		told[r.Incident] = append(told[r.Incident], r)
	}
	for _, r := range final {
		sum.AddSum(r.Overcharge)
	}
	if off := sum.Float64() - owed.Float64(); off > 1e-5 || off < -1e-5 {
		t.Errorf("owed are %v, told %v", owed, sum)
	}
	old, young := told[final[0].Incident], told[final[1].Incident]
	link := func(r *incident.Record, code string) (text string) {
		for _, e := range r.Evidence {
			if e.Code == code {
				text += e.Text
			}
		}
		return text
	}
	var wide, narrow *incident.Record // the last revision before the other was there, and the first that names it
	for i := range old {
		if r := &old[i]; link(r, "split_off") != "" {
			narrow = r
			break
		} else if len(r.Scope.Where) == 0 {
			wide = r
		}
	}
	if wide == nil || narrow == nil {
		t.Fatalf("it was not told as one first, or not split: %v", old)
	}
	if narrow.UsersAffected >= wide.UsersAffected || narrow.Overcharge.Cmp(wide.Overcharge) >= 0 {
		t.Errorf("of %d users and %v credits %d and %v are left", wide.UsersAffected, wide.Overcharge, narrow.UsersAffected, narrow.Overcharge)
	}
	if text := link(&young[0], "split_from"); !strings.Contains(text, old[0].Incident) || !strings.Contains(link(narrow, "split_off"), young[0].Incident) {
		t.Errorf("the links are %q and %q", text, link(narrow, "split_off"))
	}
	for _, records := range [][]incident.Record{old, young} {
		timeline, n := incident.Explain(records).Timeline, 0
		for _, c := range timeline {
			n += strings.Count(strings.Join(c.What, "; "), "split ")
		}
		if n != 1 {
			t.Errorf("the timeline tells of %d splits: %v", n, timeline)
		}
	}
}
