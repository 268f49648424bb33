package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// alertLines are three revisions of the contract's example, with another incident's in between.
func alertLines(t *testing.T) []byte {
	t.Helper()
	r := priceAlert()
	first, second, other := r, r, r
	first.Revision, first.UsersAffected, first.Severity, first.UpdatedAt = 1, 12, incident.Ticket, r.DetectedAt
	second.Revision, second.Scope.Where, second.UpdatedAt = 2, map[string]string{"region": "eu-west-1"}, r.DetectedAt.Add(time.Minute)
	other.Incident = "inc_0011223344"
	ended := r.UpdatedAt
	r.Onset = &incident.Onset{From: r.StartedAt.Add(-4 * time.Second), To: r.StartedAt, Level: incident.OnsetLevel}
	r.Status, r.EndedAt, r.Runbook = incident.Resolved, &ended, "https://runbooks.example.org/metering_bug/price"
	var b strings.Builder
	for _, x := range []incident.Record{first, other, second, r, second} {
		line, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return []byte(b.String())
}

func TestExplainPage(t *testing.T) {
	file := writeFile(t, "alerts.jsonl", alertLines(t))
	code, out, errs := run(t, "", "explain", "inc_9f2c41d07a", "--alerts", file)
	if code != exitDone || errs != "" {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	golden(t, "explain.golden", out)
	code, out, _ = run(t, string(alertLines(t)), "explain", "inc_9f2c41d07a", "--alerts", "-", "--json")
	var x incident.Explanation
	if err := json.Unmarshal([]byte(out), &x); code != exitDone || err != nil || x.Alert.Revision != 3 || len(x.Timeline) != 3 || len(x.For) == 0 || x.Next == "" {
		t.Errorf("exit code %d, %v, %s", code, err, out)
	}
}

func TestExplainErrors(t *testing.T) {
	file := writeFile(t, "alerts.jsonl", alertLines(t))
	broken := writeFile(t, "broken.jsonl", append(alertLines(t), "{\"v\":1,\"incident\":\n"...))
	rows := writeFile(t, "rows.jsonl", []byte(rows(0, 1)))
	newer := writeFile(t, "newer.jsonl", []byte(`{"v":2,"incident":"inc_1","revision":1}`+"\n"))
	none := writeFile(t, "none.jsonl", nil)
	for _, tc := range []struct{ name, id, file, want string }{
		{"a slip", "inc_9f2c41d07b", file, "explain inc_9f2c41d07b: no such incident; the nearest are inc_9f2c41d07a, inc_0011223344"},
		{"a beginning", "inc_00", file, "explain inc_00: no such incident; the nearest are inc_0011223344, inc_9f2c41d07a"},
		{"hostile", "\x1b[2J\n", file, "explain \\x1b[2J : no such incident"},
		{"no alerts", "inc_1", none, "explain inc_1: no such incident, and no other either; is this the right file?"},
		{"half a line", "inc_9f2c41d07a", broken, broken + ":6: no alert record (unexpected end of JSON input)"},
		{"rows", "inc_1", rows, rows + ":1: no alert record: v, incident and revision are missing; name a file that replay --alerts wrote"},
		{"newer", "inc_1", newer, newer + ":1: an alert record of version 2, and this program reads version 1"},
		{"no file", "inc_1", "nowhere.jsonl", "read input nowhere.jsonl: no such file or directory; name a readable file with --alerts"},
	} {
		code, out, errs := run(t, "", "explain", tc.id, "--alerts", tc.file)
		if code != exitUsage || out != "" || !strings.Contains(errs, tc.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit code %d, %s%s", tc.name, code, out, errs)
		}
	}
	for _, args := range [][]string{{"explain"}, {"explain", "a", "b", "--alerts", file}} {
		if code, _, errs := run(t, "", args...); code != exitUsage {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}

// Names that others chose reach the terminal as text and nothing else, on the page and as JSON.
func TestExplainIsInert(t *testing.T) {
	r := priceAlert()
	const hostile = "\x1b[2J\u202efdp.exe\r\nrevision 9\u2028<b>\U000e0041"
	r.Scope.Where["client_version"] = hostile
	r.Evidence[0].Text, r.Class, r.Title, r.Links["x"], r.Runbook = hostile, hostile, hostile, hostile, hostile
	line, _ := json.Marshal(r)
	for _, args := range [][]string{nil, {"--json"}} {
		code, out, errs := run(t, string(line)+"\n", append([]string{"explain", r.Incident, "--alerts", "-"}, args...)...)
		if code != exitDone {
			t.Fatalf("exit code %d, %s", code, errs)
		}
		for _, c := range out {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%v: %q in the output", args, c)
			}
		}
		if len(args) > 0 {
			var x incident.Explanation
			if err := json.Unmarshal([]byte(out), &x); err != nil || x.Alert.Runbook != hostile {
				t.Errorf("JSON does not carry the name as it is: %v, %q", err, x.Alert.Runbook)
			}
		}
	}
}
