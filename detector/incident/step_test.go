package incident

import (
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// noon is 2026-06-25T14:00:07Z.
const noon = int64(1782396007e9)

func where(pairs ...string) Scope {
	var conds []cohort.Cond
	for i := 0; i < len(pairs); i += 2 {
		d, ok := event.ParseDim(pairs[i])
		if !ok {
			panic("no dimension " + pairs[i])
		}
		conds = append(conds, cohort.Cond{Dim: d, Value: pairs[i+1]})
	}
	return CohortScope(cohort.NewWhere(conds...))
}

func sum(credits string) event.Sum {
	s, err := event.ParseSum(credits)
	if err != nil {
		panic(err)
	}
	return s
}

// priced is a price bug of 100 users and 500 credits.
func priced() Finding {
	return Finding{
		Cause: verdict.Price, Scope: where("plan", "pro"), Severity: Ticket, StartedAt: noon, LastAt: noon + 60e9, Users: 100, Overcharge: sum("500"),
		Charged: 550,
	}
}

// Each row's reason is what a reader of the alerts would say: nobody should hear of nothing, and nobody miss something.
func TestStep(t *testing.T) {
	over := func(f *Finding) { f.Over = true }
	final := func(f *Finding) { f.Final = true }
	resolved := []func(*Finding){over}
	merged := []func(*Finding){func(f *Finding) { f.MergedInto = "inc_older" }}
	split := func(f *Finding) { f.Splits = []Split{{"inc_other", noon, true}} }
	type finding func(*Finding)
	for _, c := range []struct {
		why    string
		before []func(*Finding) // findings that bring the incident to where it is
		then   []finding
		status Status
		want   []Reason
	}{
		// Firing.
		{"it goes on as it was: no news", nil, nil, Firing, nil},
		{"a few more users are no news", nil, []finding{func(f *Finding) { f.Users = 199 }}, Firing, nil},
		{"twice the users are", nil, []finding{func(f *Finding) { f.Users = 200 }}, Firing, []Reason{Doubled}},
		{"a little more money is no news", nil, []finding{func(f *Finding) { f.Overcharge = sum("999") }}, Firing, nil},
		{"twice the money is", nil, []finding{func(f *Finding) { f.Overcharge = sum("1000") }}, Firing, []Reason{Doubled}},
		{"twice as much undercharged is money too", nil, []finding{func(f *Finding) { f.Overcharge = sum("-1000") }}, Firing, []Reason{Doubled}},
		{"it is over", nil, []finding{over}, Resolved, []Reason{Ended}},
		{"it is over, and larger than was said: one revision says both", nil, []finding{over, func(f *Finding) { f.Users = 900 }}, Resolved, []Reason{Ended}},
		{"the input ends while it fires: the last word, still firing", nil, []finding{final}, Firing, []Reason{Last}},
		{"it is over as the input ends", nil, []finding{over, final}, Resolved, []Reason{Ended}},
		{"it turns out to be an older one", nil, []finding{func(f *Finding) { f.MergedInto = "inc_older" }}, Resolved, []Reason{Merged}},
		{"an older one, and over: the merge is the news", nil, []finding{over, func(f *Finding) { f.MergedInto = "inc_older" }}, Resolved, []Reason{Merged}},
		{"the scope is known better", nil, []finding{func(f *Finding) { f.Scope = where("plan", "pro", "region", "eu") }}, Firing, []Reason{Rescoped}},
		{"the cause is known better", nil, []finding{func(f *Finding) { f.Cause = verdict.CacheDiscount }}, Firing, []Reason{Renamed}},
		{"the same name in another class is another cause", nil, []finding{func(f *Finding) { f.Cause = verdict.UnderPrice }}, Firing, []Reason{Renamed}},
		{"words about the cause are no news", nil, []finding{func(f *Finding) { f.Cause.Next = "wait" }}, Firing, nil},
		{"it is graver than was said", nil, []finding{func(f *Finding) { f.Severity = Page }}, Firing, []Reason{Escalated}},
		{"severity does not fall while it fires", nil, []finding{func(f *Finding) { f.Severity = Info }}, Firing, nil},
		{
			"several at once are one revision with all reasons", nil,
			[]finding{func(f *Finding) { f.Cause, f.Scope, f.Severity = verdict.CacheDiscount, where(), Page }, over},
			Resolved,
			[]Reason{Renamed, Rescoped, Escalated, Ended},
		},

		{"some of its rows are another's: whoever was told of them hears of it", nil, []finding{split}, Firing, []Reason{Parted}},
		{"it is narrowed, and the rest is another's", nil, []finding{split, func(f *Finding) { f.Scope = where("plan", "pro", "region", "eu") }}, Firing, []Reason{Rescoped, Parted}},
		{"the same split again", []func(*Finding){split}, []finding{split}, Firing, nil},
		{"a second one", []func(*Finding){split}, []finding{split, func(f *Finding) { f.Splits = append(f.Splits, Split{With: "inc_third"}) }}, Firing, []Reason{Parted}},

		// Resolved.
		{"over, some of its rows turn out to be another's", resolved, []finding{over, split}, Resolved, []Reason{Parted}},
		{"that is said once", []func(*Finding){over, func(f *Finding) { f.Over = true; split(f) }}, []finding{over, split}, Resolved, nil},
		{"it comes back, and turns out to be two", resolved, []finding{split}, Firing, []Reason{Reopened, Parted}},
		{"it stays over", resolved, []finding{over}, Resolved, nil},
		{"the count changes a little after the end: the last word waits for the end of the input", resolved, []finding{over, func(f *Finding) { f.Users = 101 }}, Resolved, nil},
		{"the input ends with the count that was said", resolved, []finding{over, final}, Resolved, nil},
		{"the input ends with another count", resolved, []finding{over, final, func(f *Finding) { f.Users = 101 }}, Resolved, []Reason{Last}},
		{"or another sum", resolved, []finding{final, func(f *Finding) { f.Overcharge = sum("500.000000001") }}, Resolved, []Reason{Last}},
		{"or another first row", resolved, []finding{final, func(f *Finding) { f.StartedAt-- }}, Resolved, []Reason{Last}},
		{"or another last row", resolved, []finding{final, func(f *Finding) { f.LastAt++ }}, Resolved, []Reason{Last}},
		{"it comes back: the same incident fires again", resolved, nil, Firing, []Reason{Reopened}},
		{"it comes back, and wider", resolved, []finding{func(f *Finding) { f.Scope = where() }}, Firing, []Reason{Reopened, Rescoped}},
		{"over, it turns out to be an older one: nobody is woken for that", resolved, []finding{func(f *Finding) { f.MergedInto = "inc_older" }}, Resolved, []Reason{Merged}},
		{"the same, said of an ended one", resolved, []finding{over, func(f *Finding) { f.MergedInto = "inc_older" }}, Resolved, []Reason{Merged}},

		// Merged: what comes is said of the older one.
		{"it goes on elsewhere", merged, nil, Resolved, nil},
		{"the same merge again", merged, []finding{func(f *Finding) { f.MergedInto = "inc_older" }}, Resolved, nil},
		{"it is over elsewhere", merged, []finding{over}, Resolved, nil},
		{"the input ends", merged, []finding{final, func(f *Finding) { f.Users = 900 }}, Resolved, nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			i := Open(priced(), noon+100e9)
			for k, change := range c.before {
				f := priced()
				change(&f)
				i, _ = Step(i, f, noon+int64(k+2)*100e9)
			}
			f := priced()
			for _, change := range c.then {
				change(&f)
			}
			before, head := i, noon+900e9
			after, why := Step(i, f, head)
			if i.Revision != before.Revision || i.Status != before.Status {
				t.Error("Step changed its argument")
			}
			if after.Status != c.status || !slices.Equal(why, c.want) {
				t.Errorf("%s because %v, want %s because %v", after.Status, why, c.status, c.want)
			}
			revision, updated := before.Revision, before.UpdatedAt
			if len(c.want) > 0 {
				revision, updated = revision+1, head
			}
			if after.Revision != revision || after.UpdatedAt != updated {
				t.Errorf("revision %d at %d, want %d at %d", after.Revision, after.UpdatedAt, revision, updated)
			}
			if after.ID != before.ID || after.DetectedAt != before.DetectedAt {
				t.Error("the identity or the time of detection changed")
			}
		})
	}
}

// A farm of thousands grows account by account: it is said in dozens of revisions, and nobody who joined is left unsaid for long.
func TestListsAreSaidInGoodTime(t *testing.T) {
	f := priced()
	list := func(n int) {
		f.Users, f.Scope = n, UsersScope(make([]string, n), "device")
	}
	list(8)
	i := Open(f, noon)
	head := noon
	for n := 9; n <= 5000; n++ {
		list(n)
		head += 10e9
		i, _ = Step(i, f, head)
	}
	if i.Revision > 40 || i.saidUsers < 4000 {
		t.Errorf("5000 accounts in %d revisions, the last with %d", i.Revision, i.saidUsers)
	}
	before := i.Revision
	if i, _ = Step(i, f, head+1); i.Revision != before {
		t.Error("said again without need")
	}
	i, why := Step(i, f, head+listAfter)
	if !slices.Equal(why, []Reason{Rescoped}) || i.saidUsers != 5000 {
		t.Errorf("hours later %v, with %d accounts", why, i.saidUsers)
	}
	if _, why = Step(i, f, head+9*listAfter); len(why) > 0 {
		t.Errorf("nobody joined, and yet %v", why)
	}
}

func TestSmallImpactNeverDoubles(t *testing.T) {
	f := priced()
	f.Users, f.Overcharge = 1, sum("1")
	i := Open(f, noon)
	f.Users, f.Overcharge = 9, sum("99")
	i, why := Step(i, f, noon)
	if len(why) != 0 {
		t.Errorf("nine users and 99 credits are said: %v", why)
	}
	// It is measured against what was last said, so that a slow growth is said in the end.
	f.Users = 10
	i, why = Step(i, f, noon)
	if !slices.Equal(why, []Reason{Doubled}) {
		t.Errorf("ten users after one: %v", why)
	}
	f.Users = 19
	if _, why = Step(i, f, noon); len(why) != 0 {
		t.Errorf("19 users after ten: %v", why)
	}
}

// Whatever is found, in whatever order: revisions count the news, times do not run back, and severity does not fall.
func TestStepInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := Open(priced(), noon)
		said := map[int]bool{1: true}
		for range rapid.IntRange(1, 30).Draw(t, "findings") {
			f := priced()
			f.Severity = rapid.SampledFrom([]Severity{Info, Ticket, Page}).Draw(t, "severity")
			f.Users = rapid.IntRange(1, 1000).Draw(t, "users")
			f.Over, f.Final = rapid.Bool().Draw(t, "over"), rapid.IntRange(0, 9).Draw(t, "final") == 0
			f.Splits = slices.Clip(i.Splits)
			if rapid.IntRange(0, 9).Draw(t, "split") == 0 {
				f.Splits = append(f.Splits, Split{With: "inc_other"})
			}
			if rapid.IntRange(0, 19).Draw(t, "merge") == 0 {
				f.MergedInto = "inc_older"
			}
			head := noon + rapid.Int64Range(-1e9, 1e12).Draw(t, "head")
			after, why := Step(i, f, head)
			if (len(why) > 0) != (after.Revision == i.Revision+1) || len(why) == 0 && after.Revision != i.Revision {
				t.Fatalf("%v from revision %d to %d", why, i.Revision, after.Revision)
			}
			if len(why) > 0 && said[after.Revision] {
				t.Fatalf("revision %d was said twice", after.Revision)
			}
			said[after.Revision] = true
			if after.Status != i.Status && len(why) == 0 {
				t.Fatalf("%s became %s, and nobody hears of it", i.Status, after.Status)
			}
			if after.UpdatedAt < i.UpdatedAt || rank(after.Severity) < rank(i.Severity) || after.ID != i.ID {
				t.Fatalf("%+v after %+v", after, i)
			}
			if after.MergedInto != "" && after.Status != Resolved {
				t.Fatal("merged and firing")
			}
			i = after
		}
	})
}

func TestIdentify(t *testing.T) {
	f := priced()
	id := Identify(f)
	if !regexp.MustCompile(`^inc_[0-9a-f]{10}$`).MatchString(id) {
		t.Errorf("identity %q", id)
	}
	same := f
	same.Users, same.Overcharge, same.Severity, same.LastAt, same.Verdict.Ratio = 7, sum("1"), Page, noon+9e9, 12
	same.StartedAt = noon - noon%cohort.Tick
	if Identify(same) != id {
		t.Error("what is refined later, or the instant within a tick, changes the identity")
	}
	seen := map[string]string{id: "the finding"}
	for why, change := range map[string]func(*Finding){
		"name":  func(f *Finding) { f.Cause = verdict.CacheDiscount },
		"class": func(f *Finding) { f.Cause = verdict.UnderPrice },
		"scope": func(f *Finding) { f.Scope = where("plan", "free") },
		"user":  func(f *Finding) { f.Scope = UserScope("pro") },
		"tick":  func(f *Finding) { f.StartedAt += cohort.Tick },
	} {
		g := f
		change(&g)
		if other, ok := seen[Identify(g)]; ok {
			t.Errorf("another %s has the identity of %s", why, other)
		}
		seen[Identify(g)] = why
	}
	if i := Open(f, noon+5); i.ID != id || i.Revision != 1 || i.Status != Firing || i.DetectedAt != noon+5 || i.UpdatedAt != noon+5 {
		t.Errorf("opened as %+v", i)
	}
}

func TestScopeString(t *testing.T) {
	for want, s := range map[string]Scope{
		"everybody":              where(),
		"plan=pro region=eu":     where("region", "eu", "plan", "pro"),
		"user a b":               UserScope("a b"),
		"2 users linked by ip u": UsersScope([]string{"u", "v"}, "ip"),
		"0 users linked by ip ":  UsersScope(nil, "ip"),
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
