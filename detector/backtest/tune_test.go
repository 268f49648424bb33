package backtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

var monday = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// fortnight is a tally of users whose identity scores are exponential with a mean of 2 nats, the script's Pareto of index 2, for
// two weeks; the first of which is not counted.
func fortnight(users int, known ...Known) (*Tally, Span) {
	t := &Tally{Start: monday.UnixNano(), Known: known}
	rng := rand.New(rand.NewPCG(101, 1))
	for w := range int64(2) {
		for u := range users {
			at := monday.UnixNano() + w*week + int64(u%100)*hour
			name := fmt.Sprint("u", u)
			t.Observe(detector.Score{Rule: detector.RuleIdentity, User: name, At: at, Value: 2 * rng.ExpFloat64()})
			t.Observe(detector.Score{Rule: detector.RuleIdentity, User: name, At: at, Value: 1e-3}) // the highest counts
			t.Observe(detector.Score{Rule: detector.RuleScript, User: name, At: at, Value: 1 / math.Sqrt(1-rng.Float64())})
		}
	}
	return t, t.Span(users, monday.Add(14*24*time.Hour))
}

func tuned(t *Tally, budget float64, s Span) map[string]Tuned {
	out := map[string]Tuned{}
	for _, x := range t.Tune(detector.DefaultThresholds(), budget, s, nil, 1) {
		out[x.Name] = x
	}
	return out
}

// Oracle: distributions whose quantiles are known. What the budget allows in this history can be counted at a budget of 40,000,
// and has to be extrapolated 500 times beyond it at 10.
func TestTuneFindsKnownQuantiles(t *testing.T) {
	const users = 20_000
	tally, span := fortnight(users)
	if span.UserWeeks != users || span.Learning != 1 {
		t.Fatalf("%+v", span)
	}
	at := func(p float64) map[string]float64 { // survival p
		return map[string]float64{"identity": -2 * math.Log(p), "script": 1 / math.Sqrt(p)}
	}
	for _, c := range []struct {
		budget, within float64
		basis          string
	}{{40_000, 0.12, Counted}, {10, 0.3, Tail}} {
		got := tuned(tally, c.budget, span)
		for _, r := range []detector.Rule{detector.RuleIdentity, detector.RuleScript} {
			x := got[r.String()]
			want := max(at(r.Allowance(c.budget) / 1e6)[x.Name], x.Now/2)
			off := math.Log(x.Then / want)
			if x.Basis != c.basis && want > x.Now/2 || math.Abs(off) > c.within*math.Log(want) {
				t.Errorf("budget %v: %s at %v by %s, truly %v", c.budget, x.Name, x.Then, x.Basis, want)
			}
			truth := map[string]float64{"identity": math.Exp(-x.Then / 2), "script": math.Pow(x.Then, -2)}[x.Name] * 1e6
			if x.Will.Low > truth || x.Will.High < truth {
				t.Errorf("budget %v: %s will cry %+v, truly %v", c.budget, x.Name, x.Will, truth)
			}
		}
	}
	// Today's: e^-9 of 20,000 is 2.5 and a hundredth 200.
	got := tuned(tally, 10, span)
	if n := got["script"].Cried.Count; n < 160 || n > 240 {
		t.Errorf("script cried %d times", n)
	}
	if n := got["identity"].Cried.Count; n > 10 {
		t.Errorf("identity cried %d times", n)
	}
	for _, name := range []string{"flags", "crowd"} {
		if x := got[name]; x.Then != x.Now || x.Basis != Kept || x.Will.High == 0 {
			t.Errorf("%s: %+v without a score", name, x)
		}
	}
}

// A threshold that is lowered keeps its share at the upper end of the interval; those over cohorts are not lowered.
func TestTuneLowersWithCare(t *testing.T) {
	tally := &Tally{Start: monday.UnixNano()}
	rng := rand.New(rand.NewPCG(101, 2))
	for h := range 14 * 24 {
		tally.Observe(detector.Score{Rule: detector.RuleFlags, At: monday.UnixNano() + int64(h)*hour, Value: 0.3 * rng.ExpFloat64()})
	}
	for u := range 20_000 {
		for w := range int64(2) {
			tally.Observe(detector.Score{Rule: detector.RuleIdentity, User: fmt.Sprint(u), At: monday.UnixNano() + w*week, Value: 0.6 * rng.ExpFloat64()})
		}
	}
	got := tuned(tally, 10, tally.Span(20_000, monday.Add(14*24*time.Hour)))
	if x := got["flags"]; x.Then < x.Now {
		t.Errorf("flags lowered to %v", x.Then)
	}
	if x := got["identity"]; !(x.Then < x.Now) || x.Then < x.Now/2 || x.Will.High > x.Share {
		t.Errorf("identity: %+v", x)
	}
}

// What is known counts for nothing, while it stands and a little after; few scores are passed over, and said to be few.
func TestTuneKnownAndFew(t *testing.T) {
	thief := func(t *Tally, user string) {
		t.Observe(detector.Score{Rule: detector.RuleIdentity, User: user, At: monday.UnixNano() + 8*24*hour, Value: 40})
		t.Observe(detector.Score{Rule: detector.RuleFlags, At: monday.UnixNano() + 8*24*hour, Value: 40})
		t.Observe(detector.Score{Rule: detector.RuleFlags, At: monday.UnixNano() + 8*24*hour, Incident: "inc_1"})
	}
	last := monday.Add(14 * 24 * time.Hour)
	extra := []incident.Record{{Incident: "inc_1", Severity: incident.Page, DetectedAt: monday.Add(8 * 24 * time.Hour)}}
	var tally Tally
	tally.Start = monday.UnixNano()
	thief(&tally, "u")
	span := tally.Span(100, last)
	for _, x := range tally.Tune(detector.DefaultThresholds(), 10, span, extra, 1) {
		if (x.Rule == detector.RuleIdentity || x.Rule == detector.RuleFlags) && (x.Cried.Count != 1 || x.Then != 42 || x.Basis != TooFew) {
			t.Errorf("%+v", x)
		}
	}
	if n := tally.False(extra, incident.Page, span).Count; n != 1 {
		t.Errorf("%d pages", n)
	}
	known := Tally{Start: monday.UnixNano(), Known: []Known{{From: monday.Add(7 * 24 * time.Hour), To: monday.Add(8 * 24 * time.Hour), Users: map[string]bool{"u": true}, Cohort: true}}}
	thief(&known, "u")
	span = known.Span(100, last)
	if span.Hours != 7*24-25 {
		t.Errorf("%v hours without anything known", span.Hours)
	}
	for _, x := range known.Tune(detector.DefaultThresholds(), 10, span, nil, 1) {
		if x.Cried.Count != 0 || x.Then != x.Now {
			t.Errorf("known: %+v", x)
		}
	}
}

// A history of 400 users who work a few stretches a day: drains come in the last day and a half, in order, priced as the user's
// rows, to a fifth of the users at most, and are the same every time.
func TestDrains(t *testing.T) {
	const price = 3
	play := func(each func(e *event.Event, injected bool)) *Drains {
		last := monday.Add(10 * 24 * time.Hour)
		d := NewDrains(7, 10, 400, last)
		rng := rand.New(rand.NewPCG(101, 3))
		for at := monday; at.Before(last); at = at.Add(time.Minute) {
			u := rng.IntN(400)
			e := event.Event{ID: fmt.Sprint(at), User: fmt.Sprint("u", u), Time: at.UnixNano(), Input: int64(1 + rng.IntN(1000)), HasTokens: true, Device: "own", TurnID: "t"}
			e.Credits = event.Credits(e.Input * price)
			d.Row(&e, func(x *event.Event) { each(x, true) })
			each(&e, false)
		}
		return d
	}
	var text, again strings.Builder
	head, injected := int64(0), map[string]int{}
	d := play(func(e *event.Event, in bool) {
		if e.Time < head {
			t.Fatalf("row of %v after %v", e.Time, head)
		}
		head = e.Time
		if e.Credits != event.Credits(e.Input*price) {
			t.Fatalf("%+v is not priced right", e)
		}
		if in {
			injected[e.User]++
			text.WriteString(e.ID + e.Device + e.Country + e.APIKey + "\n")
		}
	})
	kinds := map[int]int{}
	for user, b := range d.Begun {
		kinds[b.Kind]++
		if injected[user] == 0 || b.At < d.From() {
			t.Errorf("%s: %d rows, begun %v", user, injected[user], b.At-d.From())
		}
	}
	if len(d.Begun) < 20 || len(d.Begun) > 50 || len(injected) != len(d.Begun) || len(kinds) != len(Kinds) {
		t.Errorf("%d drained, %d with rows, of kinds %v", len(d.Begun), len(injected), kinds)
	}
	play(func(e *event.Event, in bool) {
		if in {
			again.WriteString(e.ID + e.Device + e.Country + e.APIKey + "\n")
		}
	})
	if again.String() != text.String() {
		t.Error("another run drains otherwise")
	}
}

func TestPassesCost(t *testing.T) {
	p := &Passes{Now: detector.DefaultThresholds(), Then: detector.DefaultThresholds()}
	p.Now[detector.RuleIdentity], p.Then[detector.RuleIdentity] = 18, 30
	begun := map[string]Begun{"a": {0, 100 * hour}, "b": {0, 100 * hour}, "c": {0, 100 * hour}, "other": {1, 100 * hour}}
	for _, s := range []detector.Score{
		{User: "a", At: 99 * hour, Value: 50}, // before it began
		{User: "a", At: 103 * hour, Value: 18},
		{User: "a", At: 110 * hour, Value: 30},
		{User: "b", At: 101 * hour, Value: 18},
		{User: "c", At: 125 * hour, Value: 50}, // after a day
		{User: "c", At: 103 * hour, Value: 17.9},
	} {
		s.Rule = detector.RuleIdentity
		p.Observe(s)
	}
	now, then := p.Cost(begun, 0, 0, detector.RuleIdentity, detector.RuleCrowd), p.Cost(begun, 0, 1, detector.RuleIdentity)
	if now.Recall.Hits != 2 || now.Recall.Of != 3 || *now.MedianHours != 3 {
		t.Errorf("now %+v, median %v", now, *now.MedianHours)
	}
	if then.Recall.Hits != 1 || then.MedianHours != nil {
		t.Errorf("then %+v", then)
	}
	if none := p.Cost(begun, 3, 0, detector.RuleIdentity); none.Recall.Of != 0 || none.MedianHours != nil {
		t.Errorf("none tried: %+v", none)
	}
}
