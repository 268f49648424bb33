package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// kill ends the process as a lack of memory or power would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.code <- <-p.code // it is gone
}

// kept counts the checkpoints that the process has kept.
func (p *process) kept() int { return strings.Count(p.errs.String(), `"owner":"shard-0"`) }

// A service that is killed again and again, in the middle of what it does, goes on from its checkpoints, and in the end has said what
// one says that was never stopped: the same incidents, and no revision twice or out of order. Once its newest checkpoint is torn. Rows 1, 3
// and 31 of the table of faults.
func TestKilled(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	j := embark(t, "testdata/travel/life.yaml")
	state := t.TempDir()
	config := writeFile(t, "kept.yaml", fmt.Appendf(nil, "%s\nstate: {path: %q, every: 1s}\n", text(t, j.config), state))
	start := func() *process {
		probes := freeAddress(t)
		return startProcess(t, probes, "run", "--brokers", b.address, "--api", "127.0.0.1:0", "--probes", probes, "--config", config, "--log-format", "json", "--log-level", "debug")
	}
	b.topic(t, "usage", 3)
	const parts = 3
	at := func(i int) int { return len(j.rows) * i / parts }
	b.send(t, "usage", j.rows[:at(1)])
	for i := range parts - 1 {
		p := start()
		await(t, "a checkpoint", func() bool { return p.kept() > 0 })
		if on := strings.Contains(p.errs.String(), "run: goes on from a checkpoint"); on != (i > 0) {
			t.Errorf("start %d goes on from a checkpoint: %v", i, on)
		}
		b.send(t, "usage", j.rows[at(i+1):at(i+2)])
		if i == 1 {
			await(t, "another checkpoint", func() bool { return p.kept() > 1 })
		}
		p.kill(t)
	}
	tear(t, filepath.Join(state, "checkpoints", "drainwatch.@drainwatch@usage"))
	p := start()
	await(t, "readiness", func() bool { // not before the session of the one that was killed has ended
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	})
	if !strings.Contains(p.errs.String(), "a checkpoint cannot be used") || !strings.Contains(p.errs.String(), "run: goes on from a checkpoint") {
		t.Error("it does not say that it goes on from a checkpoint before the torn one")
	}
	metrics := p.await(t, "/metrics")
	for _, name := range []string{"drainwatch_checkpoint_age_seconds", "drainwatch_checkpoint_bytes", "drainwatch_checkpoint_duration_seconds", "drainwatch_checkpoint_failures_total 0"} {
		if !strings.Contains(metrics, "\n"+name) {
			t.Errorf("there is no metric %s", name)
		}
	}
	want := slices.DeleteFunc(slices.Clone(j.want), func(l string) bool { return strings.HasPrefix(l, "  ") })
	for _, l := range want {
		b.awaitAlert(t, p, "drainwatch.alerts", l, func(r incident.Record) bool { return r.Status == incident.Resolved && line(r) == l })
	}
	p.terminate(t)
	differ(t, "the service", verdicts(b.alerts(t, "drainwatch.alerts"), nil), want)
	last := map[string]int{}
	for _, m := range b.read(t, "drainwatch.alerts") {
		r := parseAlert(t, string(m.Value))
		if r.Revision <= last[r.Incident] {
			t.Errorf("revision %d of %s comes after %d", r.Revision, r.Incident, last[r.Incident])
		}
		last[r.Incident] = r.Revision
	}
	if len(last) < len(want) {
		t.Errorf("%v were said", slices.Sorted(maps.Keys(last)))
	}
}

// tear cuts the newest part of a shard in half.
func tear(t *testing.T, dir string) {
	t.Helper()
	manifests, err := filepath.Glob(filepath.Join(dir, "*", "*.manifest"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no checkpoint in %s: %v", dir, err)
	}
	newest := slices.Max(manifests)
	info, err := os.Stat(newest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(newest, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}
