package main

import (
	"encoding/json"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

const smallScenarios = "testdata/scenarios"

// A scenario whose incident is plain is found with everything right, and the card says so the same way each time.
func TestEvaluate(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	args := []string{"evaluate", "--scenarios", smallScenarios, "--seeds", "2", "--parallel", "2", "--log-level", "off"}
	bars := []string{"--min-recall", "1", "--min-cause", "1", "--min-scope", "1", "--max-pages", "0", "--max-tickets", "0", "--max-delay", "1h", "--max-ledger-error", "0", "--min-onset", "1", "--min-factor", "1"}
	code, out, errs := run(t, "", append(append(args, "--json"), bars...)...)
	if code != exitDone || errs != "" {
		t.Fatalf("exit code %d: %s\n%s", code, errs, out)
	}
	var card cardJSON
	if err := json.Unmarshal([]byte(out), &card); err != nil {
		t.Fatal(err)
	}
	if len(card.Scenarios) != 2 || card.Total.Labels != 2 || card.Total.Found != 2 || card.Recall != 1 || len(card.Bars) != len(bars)/2 {
		t.Errorf("%s", out)
	}
	for _, s := range card.Scenarios {
		if s.Rows == 0 || len(s.Matches) != 1 || s.UsersOff != 0 || *s.Matches[0].LedgerError != 0 || s.Matches[0].DelaySec <= 0 {
			t.Errorf("seed %d: %+v", s.Seed, s)
		}
		if m := s.Matches[0]; m.EvidentSec == nil || *m.EvidentSec >= m.DelaySec || m.Rows != 0 {
			t.Errorf("seed %d: %+v", s.Seed, m)
		}
	}
	if r := card.Total.Recall; r.Hits != 2 || r.Of != 2 || r.Low <= 0.3 || r.Low >= 0.4 || r.High != 1 || card.ByCause["metering_bug/price"].Labels != 2 || card.ByScenario["small"].Delay.N != 2 {
		t.Errorf("recall %+v, by cause %+v, by scenario %+v", r, card.ByCause, card.ByScenario)
	}
	// 800 users for 34 hours, twice; with no false page in so few user-weeks, thousands a million could still be.
	if f := card.FalsePages; card.UserWeeks < 280 || card.UserWeeks > 2*800*34.0/168 || f.Count != 0 || f.PerMillion != 0 || f.High < 1e4 {
		t.Errorf("%+v in %v user-weeks", f, card.UserWeeks)
	}
	if o := card.Total.Onset; o.Holds.Hits != 2 || o.Hit.Hits != 2 || o.Width.Max <= 0 || o.Width.Max > 120 || card.ByCourse["step"].Labels != 2 || len(card.ByCourse) != 1 {
		t.Errorf("onset %+v, by course %+v", o, card.ByCourse)
	}
	if f := card.Total.Factors; f.Named.Hits != 2 || f.Product.Hits != 2 || f.OffMax > 1e-6 {
		t.Errorf("factors %+v", f)
	}
	if k := card.Calibration; k.Records != 2 || len(k.Bins) != 1 || k.Bins[0].Right.Hits != 2 || k.Error <= 0 || k.Error > 0.2 {
		t.Errorf("calibration %+v", k)
	}
	if card.Seeds != (seedsJSON{"tuning", 1, 2}) {
		t.Errorf("seeds %+v", card.Seeds)
	}
	if _, again, _ := run(t, "", append(append(args, "--json", "--parallel", "1"), bars...)...); again != out {
		t.Errorf("one world after the other says\n%s\nand side by side\n%s", again, out)
	}
	dir := filepath.Join(t.TempDir(), "pictures")
	readme := filepath.Join(t.TempDir(), "README.md")
	const mark = "<!-- evaluate:begin  by make card -->\n"
	write := func(text string) {
		if err := os.WriteFile(readme, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("# x\n" + mark + "old\n<!-- evaluate:end -->\nrest\n")
	code, table, _ := run(t, "", append(args, "--plots", dir, "--card", readme)...)
	text, _ := os.ReadFile(readme)
	if got := string(text); !strings.HasPrefix(got, "# x\n"+mark+"\n```text\n1 scenario, 2 worlds") || !strings.HasSuffix(got, "0            0\n```\n\n</details>\n\n<!-- evaluate:end -->\nrest\n") || strings.Contains(got, "old") {
		t.Errorf("the document now reads\n%s", got)
	}
	checkPlots(t, dir)
	if code != exitDone || !strings.HasPrefix(table, "SCENARIO") {
		t.Errorf("exit code %d\n%s", code, table)
	}
	for _, line := range []string{
		"\nsmall     2          1.000   1.000  1.000  -1m6s ", "\n1 scenario, 2 worlds, tuning seeds 1-2, ", "\nmetering_bug  2          1.000   [0.342, 1.000] ",
		"\n  price       2          1.000   [0.342, 1.000] ", "\nFOUND AFTER   FOUND  ONSET P50  P90", "\nexpected calibration error 0.0",
		"\nfalse pages    0: 0 per million users a week [0, ", "\nfalse tickets  0: 0 per million users a week [0, ",
	} {
		if !strings.Contains(table, line) {
			t.Errorf("no line %q in\n%s", line, table)
		}
	}
	if strings.Contains(table, "ONE ACCOUNT") {
		t.Errorf("no incident is one account's, yet\n%s", table)
	}
}

// checkPlots looks for pictures that show something: each has the colours of what it is about.
func checkPlots(t *testing.T, dir string) {
	t.Helper()
	for name, colors := range map[string]int{"delays.png": 1, "reliability.png": 1, "incident.png": 5} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		picture, err := png.Decode(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		seen := map[color.Color]int{}
		for y := range picture.Bounds().Dy() {
			for x := range picture.Bounds().Dx() {
				seen[color.RGBAModel.Convert(picture.At(x, y))]++
			}
		}
		for i, c := range plotColors[:colors] {
			if seen[c] < 20 {
				t.Errorf("%s: %d pixels of colour %d", name, seen[c], i)
			}
		}
		if white := seen[color.RGBA{255, 255, 255, 255}]; white < picture.Bounds().Dx()*picture.Bounds().Dy()/2 {
			t.Errorf("%s: %d white pixels: cluttered", name, white)
		}
	}
}

// The example's expected line is the same world without the fault: equal before the onset, a twelfth while it lasts.
func TestSeries(t *testing.T) {
	s, err := fixtures.Load(filepath.Join(smallScenarios, "small.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	onset := time.Date(2026, 6, 25, 13, 0, 0, 0, time.UTC)
	scope := incident.Scope{Kind: "cohort", Where: map[string]string{"plan": "pro", "region": "eu-west-1"}}
	charged, expected, err := (&trial{scenario: s, seed: 1}).series(scope, onset.Add(-2*time.Hour), onset.Add(2*time.Hour), time.Hour)
	if err != nil || len(charged) != 5 {
		t.Fatalf("%v, %v", charged, err)
	}
	for i := range charged {
		want := expected[i]
		if i == 2 || i == 3 {
			want *= 12
		}
		if expected[i] <= 0 || math.Abs(charged[i]-want) > 1e-4*want { // charges are rounded to a millionth of a credit, row by row
			t.Errorf("hour %d: charged %v, want %v", i-2, charged[i], want)
		}
	}
	user := incident.Scope{Kind: "user", User: "nobody"}
	if charged, _, _ := (&trial{scenario: s, seed: 1}).series(user, onset, onset.Add(time.Hour), time.Hour); charged[0] != 0 {
		t.Errorf("nobody was charged %v", charged)
	}
}

// A bar that is missed has an exit code of its own, and one line that names it.
func TestEvaluateMissedBar(t *testing.T) {
	code, out, errs := run(t, "", "evaluate", "--scenarios", smallScenarios, "--max-delay", "1s", "--min-recall", "1", "--log-level", "off")
	if code != exitMissed || !strings.HasPrefix(errs, "drainwatch: evaluate scenarios: missed max-delay (") || !strings.HasSuffix(errs, ", bar 1); the score card above says where\n") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if !strings.Contains(out, "\nbar max-delay 1: ") || !strings.Contains(out, "MISSED\n") || !strings.Contains(out, "\nbar min-recall 1: 1, met\n") {
		t.Errorf("the card does not say so:\n%s", out)
	}
}

// What is known to be open counts on the card, and for the bars unless they are to hold what is reached.
func TestEvaluateOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(smallScenarios, "small.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// A fiftieth of the input is not counted for two hours: nobody can tell.
	open := strings.NewReplacer("kind: price", "kind: token_count, mode: counted", "factor: 12", "factor: 0.98", "\nstart:", "\nopen: nobody would see it\nstart:").Replace(string(text))
	if err := os.WriteFile(filepath.Join(dir, "unseen.yaml"), []byte(open), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"evaluate", "--scenarios", dir, "--log-level", "off", "--min-recall", "1"}
	code, out, _ := run(t, "", args...)
	if code != exitMissed || !strings.Contains(out, "\nunseen is open: nobody would see it\n") || !strings.Contains(out, "\nbar min-recall 1: 0, MISSED\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if code, out, _ = run(t, "", append(args, "--held")...); code != exitDone || !strings.Contains(out, "\nall             1          0.000 ") {
		t.Errorf("held to what is not open: exit code %d\n%s", code, out)
	}
	if code, _, errs := run(t, "", append(args, "--held", "--min-open-recall", "0.1")...); code != exitMissed || !strings.Contains(errs, "min-open-recall") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestEvaluateErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("story: x\nstart: noon\nusres: 5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no scenario":      {[]string{"--scenarios", empty}, "drainwatch: read scenarios in " + empty + ": no *.yaml file there; name a directory with --scenarios\n"},
		"unknown name":     {[]string{"--only", "demo,jnue"}, "drainwatch: read command line: --only jnue: no such scenario; use names of simulate --list\n"},
		"no seed":          {[]string{"--seeds", "0"}, "drainwatch: read command line: --seeds 0: must be at least 1\n"},
		"mixed seeds":      {[]string{"--seeds", "99-102"}, "drainwatch: read command line: --seeds 99-102: mixes tuning seeds (1 to 100) with test seeds (from 101 on); run 99-100 and 101-102 apart\n"},
		"nothing at once":  {[]string{"--parallel", "0"}, "drainwatch: read command line: --parallel 0: must be at least 1\n"},
		"no such document": {[]string{"--card", filepath.Join(empty, "x.md")}, "drainwatch: read --card: open " + filepath.Join(empty, "x.md")},
		"no place for it":  {[]string{"--card", filepath.Join(dir, "bad.yaml")}, "drainwatch: read --card " + filepath.Join(dir, "bad.yaml") + ": want a line <!-- evaluate:begin --> and below it <!-- evaluate:end -->"},
		"mistakes in file": {[]string{"--scenarios", dir}, filepath.Join(dir, "bad.yaml") + ":2: start"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := run(t, "", append([]string{"evaluate"}, tc.args...)...)
			if code != exitUsage || out != "" || !strings.Contains(errs, tc.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}
