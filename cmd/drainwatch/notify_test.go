package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// hook is a receiver of alerts on this machine.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	got    [][]byte
	ids    []string // of webhooks, beside
	status int
	reply  string
}

func startHook(t *testing.T, status int, reply string) *hook {
	t.Helper()
	h := &hook{status: status, reply: reply}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		h.mu.Lock()
		h.got, h.ids = append(h.got, body), append(h.ids, r.Header.Get("webhook-id"))
		status, reply := h.status, h.reply
		h.mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	}))
	t.Cleanup(h.Close)
	return h
}

// answer has it answer something else from here on.
func (h *hook) answer(status int, reply string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status, h.reply = status, reply
}

// webhook returns the configuration of a webhook that leads there.
func (h *hook) webhook(t *testing.T, name string) string {
	t.Helper()
	secret := secretFile(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	return fmt.Sprintf("{name: %s, kind: webhook, url: %q, secret_file: %q, allow_private: true}", name, h.URL+"/x?token=hunter2", secret)
}

// secretFile returns a file that nobody else can read.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := writeFile(t, "secret", []byte(text+"\n"))
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (h *hook) bodies() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

// records returns what webhooks have said.
func (h *hook) records(t *testing.T) (out []incident.Record) {
	t.Helper()
	for _, body := range h.bodies() {
		var m struct{ Data incident.Record }
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, m.Data)
	}
	return out
}

func TestNotifyTest(t *testing.T) {
	good, bad := startHook(t, http.StatusNoContent, ""), startHook(t, http.StatusBadRequest, "no such key: R0123456789abcdef\x1b[31m")
	key := secretFile(t, "R0123456789abcdef")
	pager := fmt.Sprintf("{name: night, kind: pagerduty, url: %q, routing_key_file: %q, allow_private: true}", bad.URL, key)
	config := writeFile(t, "c.yaml", []byte("sinks:\n  - "+good.webhook(t, "team")+"\n  - "+pager+"\n  - {name: out, kind: stdout}\n"))
	none := writeFile(t, "none.yaml", []byte("ingest: {topic: usage}"))
	for _, c := range []struct {
		args        []string
		code        int
		out, errs   string
		specimens   int // that arrived at the good one
		showsRecord bool
	}{
		{args: []string{"team"}, out: "team (webhook) firing: 204 No Content\n", specimens: 1},
		{args: []string{"team", "--resolve"}, out: "team (webhook) firing: 204 No Content\nteam (webhook) resolved: 204 No Content\n", specimens: 2},
		{args: []string{"night"}, code: exitFailed, out: "night (pagerduty) firing: FAILED\n", errs: "drainwatch: notify test: night (pagerduty): answered 400 Bad Request: no such key: (masked)\\x1b\\x5b31m; mend the receiver, or what the sink's keys and files say of it\n"},
		{args: nil, code: exitFailed, out: "team (webhook) firing: 204 No Content\nnight (pagerduty) firing: FAILED\n", errs: "drainwatch: notify test: night (pagerduty): answered 400", specimens: 1, showsRecord: true},
		{args: []string{"nihgt"}, code: exitUsage, errs: "drainwatch: read command line: no sink is named \"nihgt\"; did you mean night?\n"},
		{args: []string{"--config", none}, code: exitUsage, errs: "drainwatch: read configuration: no sinks are configured; name some under sinks: in the file of --config\n"},
	} {
		before := len(good.bodies())
		code, out, errs := run(t, "", append([]string{"notify", "test", "--config", config}, c.args...)...)
		if code != c.code || !strings.HasPrefix(errs, c.errs) || errs == "" != (c.errs == "") || strings.Count(errs, "\n") > 1 {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, code, c.code, errs)
		}
		if !strings.HasPrefix(out, c.out) || strings.Contains(out, `"title":"TEST: `) != c.showsRecord {
			t.Errorf("%v prints\n%s\nwant\n%s", c.args, out, c.out)
		}
		if strings.Contains(out+errs, "hunter2") || strings.Contains(out+errs, "R0123") {
			t.Errorf("%v shows a secret: %s%s", c.args, out, errs)
		}
		got := good.records(t)[before:]
		if len(got) != c.specimens {
			t.Errorf("%v: %d specimens arrived, want %d", c.args, len(got), c.specimens)
		}
		for i, r := range got {
			if !strings.HasPrefix(r.Title, "TEST: ") || r.Severity != incident.Ticket || (r.Status == incident.Resolved) != (i == 1) {
				t.Errorf("specimen %+v", r)
			}
		}
	}
}

// What replay --notify delivers is what it writes, in order; a sink that refuses fails the command after the outputs are there.
func TestReplayNotify(t *testing.T) {
	good, bad := startHook(t, http.StatusOK, ""), startHook(t, http.StatusBadRequest, "no")
	config := writeFile(t, "c.yaml", []byte("sinks:\n  - "+good.webhook(t, "team")+"\n  - "+
		fmt.Sprintf("{name: night, kind: pagerduty, url: %q, routing_key_file: %q, allow_private: true}", bad.URL, secretFile(t, "R0123456789abcdef"))+"\n"))
	dir := t.TempDir()
	rows, alerts := filepath.Join(dir, "rows.jsonl.gz"), filepath.Join(dir, "alerts.jsonl")
	if code, _, errs := run(t, "", "simulate", "--scenario", smallScenario, "--out", rows, "--log-level", "off"); code != exitDone {
		t.Fatal(errs)
	}
	code, _, errs := run(t, "", "replay", "--input", rows, "--alerts", alerts, "--notify", "--config", config, "--log-level", "off")
	if code != exitFailed || !strings.HasPrefix(errs, "drainwatch: deliver alerts: sink night (pagerduty): ") || !strings.Contains(errs, " undelivered: answered 400 Bad Request: no; mend the receiver") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit code %d: %s", code, errs)
	}
	text, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	said := func(r incident.Record) string {
		return fmt.Sprint(r.Incident, r.Revision, r.Status, r.UsersAffected, r.Overcharge)
	}
	var want, got []string
	for line := range bytes.Lines(text) {
		if r := parseAlert(t, string(line)); r.Severity != incident.Info {
			want = append(want, said(r))
		}
	}
	for _, r := range good.records(t) {
		got = append(got, said(r))
	}
	if len(want) < 2 || !slices.Equal(got, want) {
		t.Errorf("delivered %q, written %q", got, want)
	}
}
