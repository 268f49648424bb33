package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// What --accept-loss goes on without stands in the alerts topic, and sinks are told: what was lost, of which partition, from when on. It is
// over once a checkpoint stands behind it, and is said once, whoever starts again from the checkpoint before.
func TestAcceptedLossIsAnAlert(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic(t, "usage", 1)
	b.produce(t, "usage", usageRows(100)...)
	state := t.TempDir()
	receiver := startHook(t, http.StatusNoContent, "")
	config := writeFile(t, "run.yaml", fmt.Appendf(nil, "state: {path: %q, every: 1s}\nsinks: [%s]\n", state, receiver.webhook(t, "team")))
	start := func(more ...string) *daemon {
		return startDaemon(t, "", append([]string{"run", "--brokers", b.address, "--api", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--config", config, "--log-format", "json"}, more...)...)
	}
	d := start()
	await(t, "all rows", func() bool { return strings.Contains(d.errs.String(), "run: caught up with the topic") })
	if code := d.stop(t); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, d.errs.String())
	}
	dir, err := checkpoint.OpenDir(mustParse(t, fmt.Sprintf("state: {path: %q}", state)).checkpointDir())
	if err != nil {
		t.Fatal(err)
	}
	before, _, err := dir.Newest(t.Context(), ownerOfShard(0))
	if err != nil {
		t.Fatal(err)
	}
	before.About.Next = map[int32]int64{0: -5} // retention has removed five records since
	for i := range 2 {
		c := &checkpoint.Checkpoint{Position: before.Position + 1_000_000 + int64(i), About: before.About, Parts: before.Parts}
		if _, err := dir.Write(t.Context(), ownerOfShard(0), c); err != nil {
			t.Fatal(err)
		}
		d := start("--accept-loss")
		await(t, "that it is over", func() bool { return len(b.read(t, "drainwatch.alerts")) >= 2 })
		await(t, "all rows", func() bool { return strings.Contains(d.errs.String(), "run: caught up with the topic") })
		if code := d.stop(t); code != exitDone {
			t.Fatalf("exit code %d:\n%s", code, d.errs.String())
		}
		if !strings.Contains(d.errs.String(), "run: records are lost, as accepted: they are neither counted nor owed") {
			t.Errorf("start %d accepted nothing:\n%s", i, d.errs.String())
		}
	}
	said := b.read(t, "drainwatch.alerts")
	if len(said) != 2 {
		t.Fatalf("%d records", len(said))
	}
	for i, status := range []incident.Status{incident.Firing, incident.Resolved} {
		r := parseAlert(t, string(said[i].Value))
		if r.Status != status || r.Revision != i+1 || r.Incident != string(said[i].Key) || r.Class != "unknown" || r.Cause != "unknown" || r.Severity != incident.Ticket ||
			r.Scope.Kind != "cohort" || !r.StartedAt.Equal(before.About.SavedAt) || (r.EndedAt != nil) != (status == incident.Resolved) || len(r.Evidence) != 1 || r.Evidence[0].Code != lossCode {
			t.Errorf("%s", said[i].Value)
		}
		if !strings.Contains(r.Summary, "5 records of usage partition 0, offsets -5 to -1, that came after "+before.About.SavedAt.UTC().Format(time.RFC3339)) || !strings.HasPrefix(headline(r), "UNKNOWN  5 records of usage partition 0 are lost, as accepted") {
			t.Errorf("%s: %s", headline(r), r.Summary)
		}
	}
	heard := map[string]int{}
	for _, r := range receiver.records(t) {
		heard[fmt.Sprint(r.Incident, "/", r.Revision)]++
	}
	if last := parseAlert(t, string(said[1].Value)); heard[last.Incident+"/2"] != 1 || heard[last.Incident+"/1"] > 1 {
		t.Errorf("the webhook heard %v", heard)
	}
}

// Without checkpoints, and where retention has removed what they stood for, --accept-loss goes on without what was learned, and without what
// was decided. Both stand in the alerts topic, once, until checkpoints stand behind them.
func TestAcceptedLossOfState(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic(t, "usage", 1)
	b.produce(t, "usage", usageRows(100)...)
	in, err := survey(t.Context(), b, "usage", "drainwatch", "earliest")
	if err != nil {
		t.Fatal(err)
	}
	in.First[0], in.Signals = -5, -7 // retention has removed five rows and seven signals since
	internal := stream.TopicSpec{Name: "drainwatch.internal.installation", Partitions: 1, Cleanup: stream.Compact}
	if err := errors.Join(in.place(t.Context(), b), b.EnsureTopic(t.Context(), internal), in.save(t.Context(), b.Client, internal.Name)); err != nil {
		t.Fatal(err)
	}
	for i, said := range []int{2, 4} { // of the rows nothing was said at the first start, so nothing is lost of them
		state := t.TempDir() // its checkpoints are gone
		args := []string{"run", "--brokers", b.address, "--api", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--config", writeFile(t, "run.yaml", fmt.Appendf(nil, "state: {path: %q, every: 1s}\n", state))}
		if code, _, errs := run(t, "", append(args, "--log-level", "off")...); code != exitFailed || !strings.HasSuffix(errs, " with --accept-loss\n") {
			t.Errorf("start %d: exit code %d: %s", i, code, errs)
		}
		d := startDaemon(t, "", append(args, "--accept-loss")...)
		await(t, "that it is over", func() bool { return len(b.read(t, "drainwatch.alerts")) >= said })
		if code := d.stop(t); code != exitDone {
			t.Fatalf("exit code %d:\n%s", code, d.errs.String())
		}
	}
	var got []string
	for _, m := range b.read(t, "drainwatch.alerts") {
		r := parseAlert(t, string(m.Value))
		got = append(got, fmt.Sprintf("%s %d: %s", r.Status, r.Revision, r.Summary))
	}
	since := in.At.Format(time.RFC3339)
	signals := "Retention removed 7 records of drainwatch.internal.signals partition 0, offsets -7 to -1, that came after " + since + "; somebody accepted that with --accept-loss: " + lostDecisions + "."
	rows := "Retention removed 5 records of usage partition 0, offsets -5 to -1, that came after " + since + "; somebody accepted that with --accept-loss: " + lostLearned + "."
	differ(t, "the alerts topic", got, []string{"firing 1: " + signals, "resolved 2: " + signals, "firing 1: " + rows, "resolved 2: " + rows})
}
