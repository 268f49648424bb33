package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// The sinks are told by one instance at a time. One that is killed between two attempts leaves the outbox to the next, which goes on under
// the same key and repeats nothing that was taken; one that was frozen and wakes sends nothing that others have sent since. What was
// given up is listed and sent again, whoever delivers, and what somebody says of an incident to one instance all of them show.
func TestDelivering(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic(t, "usage", 1)
	h := startHook(t, http.StatusOK, "")
	config := writeFile(t, "c.yaml", fmt.Appendf(nil, "ingest: {brokers: [%q]}\nstate: {path: %q}\nsinks: [%s]", b.address, t.TempDir(), h.webhook(t, "team")))
	start := func() *process {
		probes, api := freeAddress(t), freeAddress(t)
		p := startProcess(t, probes, "run", "--api", api, "--probes", probes, "--config", config, "--log-format", "json")
		p.api = "http://" + api
		await(t, "an instance that is ready", func() bool { status, _ := p.get("/readyz"); return status == http.StatusOK })
		return p
	}
	delivers := func(p *process) bool { return strings.Contains(p.errs.String(), "run: this instance delivers alerts") }
	say := func(id string, revision int, status incident.Status) {
		t.Helper()
		r := priceAlert()
		r.Incident, r.Revision, r.Status, r.UsersAffected = id, revision, status, r.UsersAffected<<revision
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Write(t.Context(), "drainwatch.alerts", []stream.Message{{Key: []byte(id), Value: text}}); err != nil {
			t.Fatal(err)
		}
	}
	heard := func() (out []string) {
		for _, r := range h.records(t) {
			out = append(out, fmt.Sprint(r.Incident, " ", r.Revision, " ", r.Status))
		}
		return out
	}
	awaitHeard := func(what string, n int) {
		t.Helper()
		await(t, what, func() bool { return len(h.bodies()) >= n })
	}

	first := start()
	await(t, "the first to deliver", func() bool { return delivers(first) })
	say("inc_1", 1, incident.Firing)
	awaitHeard("the first revision", 1)
	h.answer(http.StatusServiceUnavailable, "not now")
	say("inc_1", 2, incident.Firing)
	awaitHeard("an attempt", 2)
	first.kill(t)
	before := len(h.bodies())
	h.answer(http.StatusOK, "")
	second := start()
	awaitHeard("the second revision", before+1)
	if got := heard(); got[0] != "inc_1 1 firing" || slices.ContainsFunc(got[1:], func(s string) bool { return s != "inc_1 2 firing" }) {
		t.Errorf("over a kill -9 the sink heard %q", got)
	}
	if ids := h.ids[1:]; slices.ContainsFunc(ids, func(id string) bool { return id != ids[0] || id == h.ids[0] }) {
		t.Errorf("under the keys %q", h.ids)
	}

	h.answer(http.StatusServiceUnavailable, "not now")
	say("inc_1", 3, incident.Firing)
	awaitHeard("an attempt", before+2)
	if err := second.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.answer(http.StatusOK, "")
	third := start()
	await(t, "the third to deliver", func() bool { return delivers(third) })
	say("inc_1", 4, incident.Resolved)
	await(t, "the resolve", func() bool { return slices.Contains(heard(), "inc_1 4 resolved") })
	before = len(h.bodies())
	joined := strings.Count(second.errs.String(), "kafka: joined the group")
	if err := second.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	await(t, "the second to be back", func() bool { return strings.Count(second.errs.String(), "kafka: joined the group") >= joined+3 })
	if got := heard(); len(got) != before || !slices.IsSortedFunc(h.records(t), func(a, b incident.Record) int { return a.Revision - b.Revision }) {
		t.Errorf("over a zombie the sink heard %q", got)
	}

	h.answer(http.StatusGone, "enough")
	say("inc_2", 1, incident.Firing)
	awaitHeard("a refusal", before+1)
	await(t, "a dead letter", func() bool {
		code, out, errs := run(t, "", "notify", "dead", "--config", config, "--log-level", "off")
		if code != exitDone {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		return strings.Contains(out, "team  inc_2") && strings.Contains(out, "410 Gone: enough") && strings.Contains(errs, "1 alert was given up")
	})
	h.answer(http.StatusOK, "")
	if code, out, errs := run(t, "", "notify", "retry", "team", "--config", config, "--log-level", "off"); code != exitDone || !strings.HasPrefix(out, "asked; ") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	awaitHeard("the dead letter", before+2)
	await(t, "no dead letter", func() bool {
		_, out, errs := run(t, "", "notify", "dead", "--config", config, "--log-level", "off")
		return out == "" && strings.Contains(errs, "0 alerts were given up")
	})

	if code, out, errs := run(t, "", "incidents", "note", "inc_1", "rolled back", "--server", second.api); code != exitDone {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for _, p := range []*process{second, third, start()} {
		await(t, "the note at every instance", func() bool {
			status, text := fetch(t, p.api+"/api/v1/incidents/inc_1")
			return status == http.StatusOK && strings.Contains(text, "rolled back")
		})
		p.terminate(t)
	}
}
