package incident

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// reader is the slow model: somebody who keeps every finding, and what the alerts said of them. What is to be said of the next
// one is worked out anew from all of that, by rules that each stand alone.
type reader struct {
	found []Finding // those that were taken, oldest first
	told  []tale
}

type tale struct {
	status       Status
	severity     Severity
	users        int
	money        float64
	merged       bool
	why          []Reason
	class, cause string
	scope        string
}

// hear says what a reader is to be told of a finding; nothing where there are no reasons.
func (m *reader) hear(f Finding) []Reason {
	if len(m.told) == 0 {
		m.found = append(m.found, f)
		m.told = append(m.told, tale{Firing, f.Severity, f.Users, math.Abs(f.Overcharge.Float64()), false, []Reason{Opened}, string(f.Cause.Class), f.Cause.Name, f.Scope.String()})
		return nil
	}
	last := m.told[len(m.told)-1]
	before := m.found[len(m.found)-1]
	merged, firing := f.MergedInto != "", last.status == Firing
	figures := f.Users != before.Users || f.Overcharge != before.Overcharge || f.StartedAt != before.StartedAt || f.LastAt != before.LastAt ||
		!slices.Equal(f.Verdict.Factors, before.Verdict.Factors)
	correction := !firing && f.Final && figures && !merged
	if last.merged || !firing && !merged && !correction && (f.Over || f.Final) {
		return nil // it is over, and nothing else is to be said of it
	}
	next := tale{Firing, last.severity, f.Users, math.Abs(f.Overcharge.Float64()), merged, nil, string(f.Cause.Class), f.Cause.Name, f.Scope.String()}
	if merged || f.Over && firing || correction {
		next.status = Resolved
	}
	for _, one := range m.found {
		next.severity = louder(next.severity, one.Severity)
	}
	next.severity = louder(next.severity, f.Severity)
	twice := next.users >= 2*last.users && next.users >= 10 || next.money >= 2*last.money && next.money >= 100
	for _, rule := range []struct {
		why   Reason
		holds bool
	}{
		{Last, correction},
		{Reopened, !firing && next.status == Firing},
		{Renamed, next.class != last.class || next.cause != last.cause},
		{Rescoped, next.scope != last.scope},
		{Escalated, next.severity != last.severity},
		{Merged, merged},
		{Ended, firing && next.status == Resolved && !merged},
		{Last, next.status == Firing && f.Final},
		{Doubled, twice && !merged && !(firing && (f.Over || f.Final))},
	} {
		if rule.holds {
			next.why = append(next.why, rule.why)
		}
	}
	m.found = append(m.found, f)
	if len(next.why) > 0 {
		m.told = append(m.told, next)
	}
	return next.why
}

func louder(a, b Severity) Severity {
	order := []Severity{Info, Ticket, Page}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// agree steps an incident and its reader with the same finding, and holds one against the other.
func agree(i Incident, m *reader, f Finding, head int64) (Incident, error) {
	after, why := Step(i, f, head)
	want := m.hear(f)
	last := m.told[len(m.told)-1]
	switch {
	case !slices.Equal(why, want):
		return after, fmt.Errorf("said because of %v, want %v", why, want)
	case after.Revision != len(m.told):
		return after, fmt.Errorf("revision %d after %d were told", after.Revision, len(m.told))
	case after.Status != last.status || after.Severity != last.severity || (after.MergedInto != "") != last.merged:
		return after, fmt.Errorf("%s %s into %q, want %+v", after.Status, after.Severity, after.MergedInto, last)
	}
	return after, nil
}

// news is everything that a finding may hold that is new, one by one.
var news = []func(*Finding){
	func(f *Finding) { f.Over = true },
	func(f *Finding) { f.Final = true },
	func(f *Finding) { f.MergedInto = "inc_older" },
	func(f *Finding) { f.Severity = Page },
	func(f *Finding) { f.Severity = Info },
	func(f *Finding) { f.Cause = verdict.CacheDiscount },
	func(f *Finding) { f.Scope = where() },
	func(f *Finding) { f.Users *= 3 },
	func(f *Finding) { f.Overcharge = sum("499") },
	func(f *Finding) { f.Verdict.Factors = []verdict.Factor{{Name: "price", Value: 12}} },
}

func mixed(bits int) Finding {
	f := priced()
	for k, change := range news {
		if bits>>k&1 != 0 {
			change(&f)
		}
	}
	return f
}

// From every state, every pair of findings, each with any of the news that there are, says what the reader is to be told.
func TestEveryTransition(t *testing.T) {
	states := map[string][]int{"firing": {0}, "a page": {0, 1 << 3}, "resolved": {0, 1}, "back": {0, 1, 0}, "merged": {0, 1 << 2}}
	for name, past := range states {
		for first := range 1 << len(news) {
			m := &reader{}
			var i Incident
			for k, bits := range append(slices.Clone(past), first) {
				f := mixed(bits)
				if k == 0 {
					i = Open(f, noon)
					m.hear(f)
					continue
				}
				var err error
				if i, err = agree(i, m, f, noon+int64(k)*1e9); err != nil {
					t.Fatalf("%s, then %010b: %v", name, first, err)
				}
			}
			for _, second := range []int{0, 1, 2, 3, 1 << 2, 1 << 3, 1 << 5, 1 << 6, 1 << 7, first} {
				once := &reader{slices.Clone(m.found), slices.Clone(m.told)}
				if _, err := agree(i, once, mixed(second), noon+9e9); err != nil {
					t.Fatalf("%s, then %010b, then %010b: %v", name, first, second, err)
				}
			}
		}
	}
}

// Over whole lives: the incident is what the reader was told; the same finding again is no news while it may still fire; and
// when it is said only moves the times.
func TestLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &reader{}
		opened := priced()
		i, later := Open(opened, noon), Open(opened, noon+1e12)
		m.hear(opened)
		for k := range rapid.IntRange(1, 25).Draw(t, "findings") {
			f := mixed(rapid.IntRange(0, 1<<len(news)-1).Draw(t, "news") & rapid.IntRange(0, 1<<len(news)-1).Draw(t, "few"))
			f.Users = rapid.IntRange(1, 1000).Draw(t, "users")
			f.Overcharge = event.Sum{}
			f.Overcharge.Add(event.Credits(rapid.Int64Range(-1e12, 1e12).Draw(t, "credits")))
			if rapid.IntRange(0, 9).Draw(t, "merges") > 0 {
				f.MergedInto = ""
			}
			var err error
			if i, err = agree(i, m, f, noon+int64(k)*1e9); err != nil {
				t.Fatal(err)
			}
			var why, again []Reason
			later, why = Step(later, f, noon+1e12+int64(k)*1e9)
			if later.Revision != i.Revision || later.Status != i.Status || later.UpdatedAt != i.UpdatedAt+1e12 {
				t.Fatalf("a moment later %v gives revision %d, %s at %d; it was %d, %s at %d", why, later.Revision, later.Status, later.UpdatedAt, i.Revision, i.Status, i.UpdatedAt)
			}
			if again = nil; !f.Final {
				_, again = Step(i, f, noon+int64(k)*1e9)
			}
			if len(again) > 0 {
				t.Fatalf("said again, the same finding is news: %v", again)
			}
		}
	})
}
