package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// quietLine is a world's line of results.
func quietLine(t *testing.T, w quietWorld) string {
	t.Helper()
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// A run goes on where it was: what is kept is not played again, what a crash has torn or another build has made does not count,
// and lines are added whole after it.
func TestQuietGoesOn(t *testing.T) {
	build, err := buildOfProgram()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "out", "quiet.jsonl")
	world := func(seed uint64, weeks float64, false ...falseAlarm) quietWorld {
		return quietWorld{World: "innocent-x", Seed: seed, Fleet: "busy", Build: build, Rows: 10, UserWeeks: weeks, False: false}
	}
	page := falseAlarm{Severity: incident.Page, Class: "metering_bug", Cause: "price", Evidence: "price_off_rate_card", Incident: "inc_1", Title: "a \x1b[31mtitle"}
	ticket := falseAlarm{Severity: incident.Ticket, Class: "abuse", Cause: "stolen_key", Incident: "inc_2", Scope: incident.Scope{Kind: "user", User: "u_1"}}
	other := world(103, 1e6)
	other.Build = "another"
	torn := quietLine(t, world(104, 1e6))
	text := quietLine(t, world(102, 400_000, page)) + quietLine(t, other) + quietLine(t, world(101, 200_000, ticket, ticket)) + "{}\n" + torn[:len(torn)/2]
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// 600,000 user-weeks are there, so that nothing is left to play.
	args := []string{"evaluate", "--quiet-weeks", "600000", "--results", file}
	code, out, errs := run(t, "", append(args, "--max-pages", "0", "--max-tickets", "2")...)
	if code != exitMissed || !strings.Contains(errs, "max-pages (1, bar 0)") || strings.Contains(errs, "max-tickets (") || !strings.Contains(errs, `"of_other_builds":1,"unreadable":2`) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{
		"2 worlds of innocents, test seeds 101-102, 20 rows, 600,000 user-weeks",
		"ticket inc_2 abuse/stolen_key on u_1", "page inc_1 metering_bug/price on everybody", "simulate --scenario innocent-x --seed 101",
		"false pages    1: 1.67 per million users a week [0.0422, 9.29]", "false tickets  2: 3.33 per million users a week [0.404, 12]",
		"bar max-pages 0: 1, MISSED",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("the report passes on what a terminal obeys")
	}
	// What fills the weeks earlier decides, not what else is there.
	if _, out, _ = run(t, "", "evaluate", "--quiet-weeks", "100000", "--results", file, "--json"); !strings.Contains(out, `"worlds": 1,`) || !strings.Contains(out, `"count": 2`) {
		t.Errorf("%s", out)
	}
	if _, _, errs = run(t, "", "evaluate", "--quiet-weeks", "700000", "--seeds", "101-102", "--results", file); !strings.Contains(errs, `"user_weeks":600000,"of":700000,"seeds":"test seeds 101-102"`) {
		t.Errorf("seeds that do not fill the weeks: %s", errs)
	}
	kept, err := openQuietResults(file, build, seedRange{101, 110}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	w := world(103, 5)
	if err := kept.add(&w); err != nil {
		t.Fatal(err)
	}
	kept.Close()
	again, err := openQuietResults(file, build, seedRange{101, 110}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !again.has(103) || again.weeks() != 600_005 || again.has(104) {
		t.Errorf("after another start 103 is kept: %v, %v user-weeks", again.has(103), again.weeks())
	}
}

// Worlds that end out of order change no figure: those after a gap count once it is filled.
func TestQuietCountsWithoutGaps(t *testing.T) {
	q := &quietResults{by: map[uint64]*quietWorld{}, next: 1}
	for i, want := range []struct {
		seed uint64
		full float64
	}{{3, 0}, {1, 10}, {2, 30}} {
		if err := q.add(&quietWorld{Seed: want.seed, UserWeeks: 10}); err != nil || q.weeks() != want.full {
			t.Errorf("step %d: %v user-weeks, want %v (%v)", i, q.weeks(), want.full, err)
		}
	}
	var seeds []uint64
	for _, w := range q.prefix(seedRange{1, 9}, 15) {
		seeds = append(seeds, w.Seed)
	}
	if !slices.Equal(seeds, []uint64{1, 2}) {
		t.Errorf("15 user-weeks are worlds %v", seeds)
	}
}

func TestQuietRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"--quiet-weeks 0":                      "above 0",
		"--quiet-weeks NaN":                    "above 0",
		"--quiet-weeks 5 --only june":          "--only means nothing with --quiet-weeks",
		"--quiet-weeks 5 --min-recall 1":       "--min-recall means nothing",
		"--results x.jsonl":                    "give one of them too",
		"--quiet-weeks 5 --seeds 90-110":       "mixes tuning seeds",
		"--quiet-weeks 5 --results /dev/null/": "can be written",
	} {
		if code, _, errs := run(t, "", append([]string{"evaluate"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d: %s", args, code, errs)
		}
	}
}

// A false alarm is one that no injection explains, pages and tickets apart from what is only recorded.
func TestQuietFleets(t *testing.T) {
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	r := newQuietReport([]*quietWorld{
		{Seed: 1, Fleet: "busy", UserWeeks: 1e6, False: []falseAlarm{{Severity: incident.Ticket, Class: "unknown", DetectedAt: at}}},
		{Seed: 2, Fleet: "sparse", UserWeeks: 3e6},
	})
	if len(r.Fleets) != 2 || r.Fleets[0].Fleet != "sparse" || r.Fleets[0].Tickets.Count != 0 || r.Fleets[1].Tickets.PerMillion != 1 || r.Tickets.PerMillion != 0.25 || r.Pages.High <= 0 {
		t.Errorf("%+v", r)
	}
}
