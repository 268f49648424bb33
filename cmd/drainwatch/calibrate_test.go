package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// theft is a fortnight less a little of 60 users, one of whom a stranger drains at the end.
const theft = `story: a stranger spends beside the owner
start: 2026-06-14T00:00:00Z
until: 2026-06-24T12:00:00Z
population: {users: 60}
incidents:
  - {id: drain, kind: drain, mode: new, factor: 20, activity: 0.85, from: 2026-06-23T00:00:00Z, to: 2026-06-24T06:00:00Z}
`

// What a fraud team does: measure a history in which a theft is not known, write thresholds, and replay under them: the theft,
// taken for a false alarm, cries no more. With the theft labelled, today's thresholds stay.
func TestCalibrate(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(file("theft.yaml"), []byte(theft), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "", "simulate", "--scenario", file("theft.yaml"), "--seed", "3", "--out", file("rows.jsonl"), "--truth", file("truth.json"), "--config-out", file("conf.yaml")); code != 0 {
		t.Fatal(stderr)
	}
	rows, err := os.ReadFile(file("rows.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	code, table, stderr := run(t, string(rows), "calibrate", "--input", "-", "--config", file("conf.yaml"), "--write", file("thresholds.yaml"), "--log-level", "warn")
	if code != 0 {
		t.Fatal(stderr)
	}
	for _, want := range []string{"tickets 1,", "\nidentity", "too few: beyond the highest of", "\nDRAIN", "\n4x, five new people"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	written, err := os.ReadFile(file("thresholds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "", "config", "check", "--config", file("thresholds.yaml")); code != 0 {
		t.Errorf("what was written is refused: %s", stderr)
	}
	conf, err := os.ReadFile(file("conf.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file("both.yaml"), append(append(conf, '\n'), written...), 0o644); err != nil {
		t.Fatal(err)
	}
	for conf, want := range map[string]bool{"conf.yaml": true, "both.yaml": false} {
		code, alerts, stderr := run(t, "", "replay", "--input", file("rows.jsonl"), "--config", file(conf), "--alerts", "-", "--log-level", "warn")
		if code != 0 || strings.Contains(alerts, `"stolen_key"`) != want {
			t.Errorf("%s: theft found %v; %d %s", conf, !want, code, stderr)
		}
	}

	code, text, stderr := run(t, "", "calibrate", "--input", file("rows.jsonl"), "--config", file("conf.yaml"), "--labels", file("truth.json"), "--drains", "0", "--json", "--log-level", "warn")
	if code != 0 {
		t.Fatal(stderr)
	}
	var out calibrated
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	if out.LeftOut != 1 || out.Tickets.Count != 0 || len(out.Rules) != 10 || len(out.Drains) != 0 {
		t.Errorf("%+v", out)
	}
	for _, r := range out.Rules {
		if r.Cried.Count != 0 || r.Tuned.Then != r.Tuned.Now {
			t.Errorf("with the theft known: %+v", r.Tuned)
		}
	}
}

func TestCalibrateErrors(t *testing.T) {
	dir := t.TempDir()
	empty, labels := filepath.Join(dir, "empty.jsonl"), filepath.Join(dir, "labels.json")
	for file, text := range map[string]string{empty: "{}\nno row\n", labels: `{"scenario":"x"}`} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "no history; name a file with --input"},
		{"--input nowhere.jsonl", exitUsage, "read input nowhere.jsonl: no such file"},
		{"--input - --budget 0", exitUsage, "--budget 0: is out of range"},
		{"--input - --budget NaN", exitUsage, "--budget NaN: is out of range"},
		{"--input - --drains -1", exitUsage, "--drains -1: must not be negative"},
		{"--input - --from 2026-06-01T00:00:00Z", exitUsage, "--from is for topics"},
		{"--input - --json --write -", exitUsage, "both go to standard output"},
		{"--input - --labels nowhere.json", exitUsage, "read labels nowhere.json: no such file"},
		{"--input - --labels " + empty, exitUsage, "read labels " + empty + ": invalid character"},
		{"--input - --labels " + labels, exitUsage, "holds no truth"},
		{"--input " + empty + " --write " + empty, exitUsage, "--write and --input both name"},
		{"--input " + empty + " --write " + dir, exitUsage, "is a directory"},
		{"--input " + empty, exitFailed, "no usable row among 2"},
	} {
		code, stdout, stderr := run(t, "", append([]string{"calibrate"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 || stdout != "" {
			t.Errorf("%s: exit code %d, %q", c.args, code, stderr)
		}
	}
}

// A topic is read up to its end, twice, over all of its partitions, and nothing is written to it.
func TestCalibrateOfATopic(t *testing.T) {
	b := startBroker(t)
	b.topic(t, "usage", 3)
	b.produce(t, "usage", append(usageRows(600), "no row")...)
	conf := filepath.Join(t.TempDir(), "conf.yaml")
	if err := os.WriteFile(conf, []byte("ingest: {brokers: ['"+b.address+"']}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for from, users := range map[string]int{"earliest": 20, "2100-01-01T00:00:00Z": 0} {
		code, text, stderr := run(t, "", "calibrate", "--config", conf, "--from", from, "--json", "--log-level", "warn")
		if users == 0 {
			if code != exitFailed || !strings.Contains(stderr, "no usable row among 0") {
				t.Errorf("from %s: exit code %d, %s", from, code, stderr)
			}
			continue
		}
		var out calibrated
		if err := json.Unmarshal([]byte(text), &out); err != nil || code != 0 || out.Users != users {
			t.Errorf("from %s: exit code %d, %d users, %v, %s", from, code, out.Users, err, stderr)
		}
	}
	if got := len(b.read(t, "usage")); got != 601 {
		t.Errorf("the topic holds %d records", got)
	}
}
