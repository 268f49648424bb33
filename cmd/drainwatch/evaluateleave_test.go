package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Without the evidence that a fault is seen by it is missed, and the table says so; what was played once is not played again, and a
// torn line is.
func TestLeaveOneOut(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	results := filepath.Join(t.TempDir(), "out", "leave.jsonl")
	args := []string{"evaluate", "--scenarios", smallScenarios, "--leave-one-out", "--results", results, "--log-level", "info"}
	code, table, errs := run(t, "", args...)
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{`(?m)^1 world, tuning seed 1: of 1 causes 1 with the right class`, `(?m)^over +1 +1 +-1 +-1 +-1 +- +\+0`, `(?m)^doer_crowd +0 +0 +-`} {
		if !regexp.MustCompile(want).MatchString(table) {
			t.Errorf("no line %s in\n%s", want, table)
		}
	}
	kept, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(kept), "\n"), "\n")
	last := lines[len(lines)-1]
	if err := os.WriteFile(results, []byte(strings.Join(lines[:len(lines)-1], "")+last[:len(last)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	code, again, errs := run(t, "", args...)
	if code != exitDone || again != table || strings.Count(errs, "ran a world") != 1 {
		t.Errorf("exit code %d, again after a torn line: %s\n%s", code, errs, again)
	}
}

func TestWithoutEvidence(t *testing.T) {
	if code, _, errs := run(t, "", "evaluate", "--without", "hearsay"); code != exitUsage || !strings.Contains(errs, "--without hearsay: no such evidence") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	code, out, errs := run(t, "", "evaluate", "--scenarios", smallScenarios, "--without", "over", "--log-level", "off", "--min-recall", "1")
	if code != exitMissed || !strings.Contains(out, "is missed") {
		t.Errorf("exit code %d: %s\n%s", code, errs, out)
	}
}
