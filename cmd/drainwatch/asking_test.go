package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/warroom"
)

// Every instance answers every question, whoever has the user or decides, and rubbish among the questions stops nobody.
func TestEveryInstanceAnswers(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic(t, "usage", 3)
	config := writeFile(t, "c.yaml", fmt.Appendf(nil, "ingest: {brokers: [%q]}\nstate: {path: %q}", b.address, t.TempDir()))
	var all []*process
	for range 2 {
		probes, api := freeAddress(t), freeAddress(t)
		p := startProcess(t, probes, "run", "--api", api, "--probes", probes, "--config", config, "--log-format", "json")
		p.api = "http://" + api
		all = append(all, p)
	}
	for _, p := range all {
		await(t, "an instance that is ready and holds something", func() bool { status, _ := p.get("/readyz"); return status == http.StatusOK && p.took() > 0 })
	}
	var rows []string
	const users, each = 12, 20
	for i := range users * each {
		rows = append(rows, usageRow(fmt.Sprintf("user-%d", i%users), i))
	}
	b.produce(t, "usage", rows...)
	for _, rubbish := range []string{"", "{", `{"id":""}`, `{"id":"x","parts":3,"part":-1}`, `{"id":"x","target":"not a path"}`, `{"id":"x","target":"/api/v1/cohorts?\u0000"}`} {
		if err := b.Write(t.Context(), "drainwatch.internal.asks", []stream.Message{{Value: []byte(rubbish)}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range all {
		for i := range users {
			user := fmt.Sprintf("user-%d", i)
			await(t, "every user at every instance", func() bool {
				status, text := fetch(t, p.api+"/api/v1/users/"+user)
				return status == http.StatusOK && strings.Contains(text, `"user":"`+user+`"`)
			})
		}
		if status, text := fetch(t, p.api+"/api/v1/users/nobody"); status != http.StatusNotFound || !strings.Contains(text, "there is no user") {
			t.Errorf("nobody: %d %s", status, text)
		}
		if status, text := fetch(t, p.api+"/api/v1/cohorts?by=planet"); status != http.StatusBadRequest || !strings.Contains(text, "is no dimension") {
			t.Errorf("a question that makes no sense: %d %s", status, text)
		}
		await(t, "all rows at every instance", func() bool {
			status, text := fetch(t, p.api+"/api/v1/cohorts?measure=rows&step=1h")
			var a struct{ Everything struct{ Rows int } }
			return status == http.StatusOK && json.Unmarshal([]byte(text), &a) == nil && a.Everything.Rows > 0
		})
	}
	var answers []string
	for _, p := range all {
		_, text := fetch(t, p.api+"/api/v1/cohorts?by=plan&measure=rows&step=1h")
		answers = append(answers, text)
	}
	if answers[0] != answers[1] {
		t.Errorf("one says\n%s\nanother\n%s", answers[0], answers[1])
	}
	for i, p := range all {
		var took []time.Duration
		for range 50 {
			began := time.Now()
			fetch(t, p.api+"/api/v1/cohorts?measure=rows&step=1h")
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.Logf("cohorts at instance %d: %v at the median, %v at most", i, took[len(took)/2], took[len(took)-1])
	}
	for _, p := range all {
		p.terminate(t)
	}
}

// Parts of an answer count in order, once, and from whoever answered first.
func TestAnswerParts(t *testing.T) {
	x := newAsking()
	w := &waiting{done: make(chan warroom.Answer, 1)}
	x.waits["q"] = w
	part := func(from string, i int, body string) {
		x.hear(&ask{ID: "q", From: from, Part: i, Parts: 3, Answer: &warroom.Answer{Status: http.StatusOK, Body: []byte(body)}})
	}
	part("b", 1, "early")
	part("a", 0, "one ")
	part("b", 1, "other")
	part("a", 0, "again")
	part("a", 1, "two ")
	x.hear(&ask{ID: "q", From: "a", Part: 2, Parts: 3})
	part("a", 2, "three")
	part("a", 2, "again")
	if a := <-w.done; string(a.Body) != "one two three" || len(x.waits) != 0 {
		t.Errorf("%q, %d wait", a.Body, len(x.waits))
	}
}
