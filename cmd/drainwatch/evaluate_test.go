package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const smallScenarios = "testdata/scenarios"

// A scenario whose incident is plain is found with everything right, and the card says so the same way each time.
func TestEvaluate(t *testing.T) {
	args := []string{"evaluate", "--scenarios", smallScenarios, "--seeds", "2", "--log-level", "off"}
	bars := []string{"--min-recall", "1", "--min-cause", "1", "--min-scope", "1", "--max-pages", "0", "--max-tickets", "0", "--max-delay", "1h", "--max-ledger-error", "0"}
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
	if k := card.Calibration; k.Records != 2 || len(k.Bins) != 1 || k.Bins[0].Right.Hits != 2 || k.Error <= 0 || k.Error > 0.2 {
		t.Errorf("calibration %+v", k)
	}
	if card.Seeds != (seedsJSON{"tuning", 1, 2}) {
		t.Errorf("seeds %+v", card.Seeds)
	}
	for _, parallel := range []string{"1", "8"} {
		if _, again, _ := run(t, "", append(append(args, "--json", "--parallel", parallel), bars...)...); again != out {
			t.Errorf("a run of %s side by side says\n%s\nthe first\n%s", parallel, again, out)
		}
	}
	code, table, _ := run(t, "", args...)
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
