package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/fixtures"
)

// smallLookalike is a class at shared machines and a declared price, in a population that is played in no time.
const smallLookalike = `story: a class, and a declared price
start: 2026-06-10T00:00:00Z
until: 2026-06-13T00:00:00Z
alike: {cause: farming, from: 2d}
population: {users: 60}
rate_card:
  - {price_id: pl-mini-2, model: gpt-5-codex-mini, from: 2d, input: 0.5, cached: 0.05, cache_write: 0.5, output: 4, round: 0.000001}
incidents:
  - {id: class, kind: arrivals, mode: lab, count: 30, factor: 12, ramp: 1h, where: {plan: free, region: eu-west-1}, from: 2d6h}
`

// The card of a look-alike says what was said of it, and what spoke for it.
func TestEvaluateLookalikes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "small.yaml"), []byte(smallLookalike), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"evaluate", "--lookalikes", "--scenarios", dir, "--seeds", "2", "--log-level", "off", "--max-pages", "0", "--max-tickets", "0"}
	code, out, errs := run(t, "", append(args, "--json")...)
	var r lookalikeReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitDone || errs != "" {
		t.Fatalf("exit code %d: %v %s\n%s", code, err, errs, out)
	}
	if r.Worlds != 2 || len(r.Lookalikes) != 1 || r.Unspared != 0 || len(r.Bars) != 2 || r.UserWeeks <= 0 {
		t.Errorf("%s", out)
	}
	c := r.Lookalikes[0]
	if c.Cause != "farming" || c.Worlds != 2 || c.Pages+c.Tickets+c.Accused.Tickets != 0 || c.Spared["few_on_device"] != 2 {
		t.Errorf("%+v", c)
	}
	if _, again, _ := run(t, "", append(args, "--json", "--parallel", "1")...); again != out {
		t.Errorf("one at a time they say\n%s\nside by side\n%s", again, out)
	}
	_, table, _ := run(t, "", args...)
	for _, want := range []string{"LOOK-ALIKE  LOOKS LIKE  WORLDS", "\nsmall       farming     2 ", "few_on_device 2", " accounts younger than a week on one device", "\nbar max-pages 0: 0, met\n", "\nfalse pages 0, false tickets 0; "} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a bar on the guilty": {[]string{"--min-recall", "1"}, "--min-recall means nothing with --lookalikes"},
		"no look-alike":       {[]string{"--scenarios", smallScenarios}, "it does not say what it looks like; add alike: {cause: …, from: …} to the file"},
	} {
		if code, _, errs := run(t, "", append([]string{"evaluate", "--lookalikes"}, tc.args...)...); code != exitUsage || !strings.Contains(errs, tc.want) {
			t.Errorf("%s: exit code %d: %s", name, code, errs)
		}
	}
}

// What saved somebody innocent shows where it is left out.
func TestLookalikesWithout(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	for without, want := range map[string]int{"gap": 0, "one_pays": 1} {
		_, out, errs := run(t, "", "evaluate", "--lookalikes", "--only", "pipeline", "--without", without, "--json", "--log-level", "off")
		var r lookalikeReport
		if err := json.Unmarshal([]byte(out), &r); err != nil || errs != "" || r.Accused.Tickets != want {
			t.Errorf("without %s: %v %s: accused are %+v, want %d by a ticket", without, err, errs, r.Accused, want)
		}
	}
}

// A false alarm on a look-alike is counted, named, and misses its bar.
func TestLookalikeReport(t *testing.T) {
	s, err := fixtures.Load("classroom")
	if err != nil {
		t.Fatal(err)
	}
	w := newWitness(&s.Alike)
	said := []incident.Record{
		{Incident: "inc_1", Class: "abuse", Cause: "farming", Severity: incident.Ticket, Title: "Abuse: \x1b[31m"},
		{Incident: "inc_2", Class: "organic", Cause: "surge", Severity: incident.Info, Evidence: []verdict.Evidence{{Code: "not_a_bug", Text: "every charge is right", Against: true}, {Code: "other"}}},
	}
	w.hear(detector.Spared{User: "early", At: 1, Near: 9, For: []verdict.Evidence{{Code: "usual_volume"}}}) // before it began
	later := s.Alike.From.Time().UnixNano()
	for _, near := range []float64{0.2, 0.9, 0.5} {
		w.hear(detector.Spared{User: "u", At: later, Near: near, For: []verdict.Evidence{{Code: "usual_volume", Text: figure(near)}}})
	}
	w.conclude(&fixtures.Truth{Incidents: []fixtures.Incident{{Scope: fixtures.Scope{Kind: "user", User: "u"}}}}, said, nil)
	if len(w.pleas) != 2 || w.pleas[0].Code != "not_a_bug" || w.pleas[1].Text != "0.9 (nearest of 1 of 1 accounts)" || w.pleas[1].Who != "u" {
		t.Errorf("%+v", w.pleas)
	}
	tr := &trial{scenario: s, seed: 1, witness: w, userWeeks: 250}
	tr.score.Extra = said
	r := newLookalikeReport(seedRange{1, 1}, []*trial{tr})
	if r.Tickets.Count != 1 || r.Pages.Count != 0 || r.Accused.Tickets != 1 || r.Lookalikes[0].Infos != 1 || r.Unspared != 0 {
		t.Errorf("%+v", r)
	}
	var b strings.Builder
	if err := r.write(&b, []*fixtures.Scenario{s}); err != nil || strings.Contains(b.String(), "\x1b") || !strings.Contains(b.String(), "classroom seed 1: ticket inc_1 abuse/farming") {
		t.Errorf("%v\n%s", err, b.String())
	}
	// Where nothing came near, the factor that moved says what happened.
	w = newWitness(&s.Alike)
	w.conclude(&fixtures.Truth{}, nil, &verdict.Verdict{HasRatio: true, Ratio: 2.2, Factors: []verdict.Factor{{Name: "mix", Value: 2}, {Name: "users", Value: 1.1}}})
	if len(w.pleas) != 1 || w.pleas[0].Text != "no rule looked twice: mix moved x2.00, everything else x1.10; rows a request, price and surcharge x1.000" {
		t.Errorf("%+v", w.pleas)
	}
}

// The rule that this program does without accuses whoever has an hour of ten times their median one.
func TestTenfold(t *testing.T) {
	x := tenfold{from: int64(20 * time.Hour), users: map[string]*hourly{}}
	for h := range int64(30) {
		for user, credits := range map[string]int64{"steady": 1, "once": 1, "early": 1, "seldom": 0} {
			if user == "once" && h == 25 || user == "early" && h == 15 || user == "seldom" && h > 27 {
				credits = 11
			}
			x.row(&event.Event{User: user, Time: h * int64(time.Hour), Credits: event.Credits(credits) * event.Credit})
		}
	}
	if n := x.accused(); n != 1 || !x.users["once"].accused {
		t.Errorf("%d accused", n)
	}
}
