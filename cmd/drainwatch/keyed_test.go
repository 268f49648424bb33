package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A topic that is not keyed by user is noticed: in the log, by the sinks and by /readyz, with what to do. It is done, and
// all rows are repartitioned: TestRekeyed shows that they come to the same then. A topic that is keyed is not suspected.
func TestWronglyKeyedIsNoticed(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	var rows []row
	for i := range 300 {
		user := fmt.Sprintf("user-%d", i%20)
		rows = append(rows, row{user: user, text: usageRow(user, i)})
	}
	b.topic(t, "keyed", 3)
	b.send(t, "keyed", rows)
	b.topic(t, "scattered", 3)
	b.scatter(t, "scattered", rows)
	for topic, want := range map[string]keyed{"keyed": {20, 0}, "scattered": {20, 20}} {
		if k, err := lookAtKeys(t.Context(), b.Client, topic, 3, "auto"); err != nil || k != want {
			t.Errorf("%s: %+v, %v, want %+v", topic, k, err, want)
		}
	}

	receiver := startHook(t, http.StatusNoContent, "")
	config := writeFile(t, "keyed.yaml", fmt.Appendf(nil, "state: {path: %q}\nsinks: [%s]\n", t.TempDir(), receiver.webhook(t, "team")))
	start := func(more string) (*daemon, string) {
		probes := freeAddress(t)
		file := writeFile(t, "run.yaml", []byte(text(t, config)+more))
		return startDaemon(t, probes, "run", "--brokers", b.address, "--topic", "scattered", "--api", "127.0.0.1:0", "--probes", probes, "--config", file, "--log-format", "json"), probes
	}
	d, _ := start("")
	await(t, "that it is noticed", func() bool { return strings.Contains(d.errs.String(), "Blind: the topic is not keyed by user") })
	if !strings.Contains(d.errs.String(), "20 of 20 users have rows in several partitions") {
		t.Errorf("the log does not say how many:\n%s", d.errs.String())
	}
	if status, body := d.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "the topic is not keyed by user") {
		t.Errorf("readyz: %d %s", status, body)
	}
	told := false
	await(t, "that the sink is told", func() bool {
		for _, r := range receiver.records(t) {
			told = told || strings.Contains(r.Title, "the topic is not keyed by user") && strings.Contains(r.Summary, "set ingest.rekey: true")
		}
		return told
	})
	d.stop(t)

	d, _ = start("ingest: {rekey: true}\n") // what it said, and nothing else
	d.await(t, "/readyz")
	await(t, "all rows", func() bool { return strings.Contains(d.errs.String(), "run: caught up with the topic") })
	if code := d.stop(t); code != exitDone {
		t.Errorf("exit code %d:\n%s", code, d.errs.String())
	}
	if n := len(b.read(t, "drainwatch.internal.rekeyed")); n != len(rows) {
		t.Errorf("%d of %d rows were repartitioned", n, len(rows))
	}
	if k, err := lookAtKeys(t.Context(), b.Client, "drainwatch.internal.rekeyed", 3, "auto"); err != nil || k.scattered != 0 {
		t.Errorf("rekeyed: %+v, %v", k, err)
	}
}
