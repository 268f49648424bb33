package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

var everyCount = flag.Bool("instances", false, "try one, two and four instances by themselves, too")

// However many instances share the partitions, and whether some come or go meanwhile, they find what replay finds, and owe the same to the
// same users. Only what an incident's last revision knew on the side (evidence, factors, how narrow the onset is) depends on when it was
// written, since incidents are booked by the clock. Row 9 of the table of faults.
func TestInstances(t *testing.T) {
	if testing.Short() && os.Getenv("DRAINWATCH_REQUIRE_KAFKA") == "" {
		t.Skip("-short")
	}
	t.Parallel()
	cluster := kafkatest.Start(t, kafkatest.Options{})
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: cluster.Brokers}, Log: zerologNop})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	j := embark(t, "testdata/travel/life.yaml")
	first := map[string]string{} // what is said last of an incident, by the first of these
	for _, tt := range []struct {
		name  string
		count []int // of instances, while one part of the rows after the other comes
	}{
		{"one, two, four and two", []int{1, 2, 4, 2}},
		{"one", []int{1, 1, 1, 1}},
		{"two", []int{2, 2, 2, 2}},
		{"four", []int{4, 4, 4, 4}},
	} {
		if len(first) > 0 && !*everyCount {
			break
		}
		b := broker{client, cluster.Brokers[0]}
		said := j.share(t, b, strings.ReplaceAll(strings.ReplaceAll(tt.name, " ", "-"), ",", ""), tt.count)
		for id, text := range said {
			if was, known := first[id]; known && was != text {
				t.Errorf("%s say of %s\n%s\nand the first said\n%s", tt.name, id, text, was)
			}
			first[id] = text
		}
	}
}

// share has so many instances at a time read the rows of a topic, and returns what they said last of each incident.
func (j *journey) share(t *testing.T, b broker, topic string, counts []int) (said map[string]string) {
	config := writeFile(t, "shared.yaml", fmt.Appendf(nil, "%s\nstate: {path: %q, every: 2s}\n", text(t, j.config), t.TempDir()))
	b.topic(t, topic, 4)
	var all []*process
	for i, n := range counts {
		b.send(t, topic, j.rows[len(j.rows)*i/len(counts):len(j.rows)*(i+1)/len(counts)])
		for len(all) < n {
			api, probes := freeAddress(t), freeAddress(t)
			all = append(all, startProcess(t, probes, "run", "--brokers", b.address, "--api", api, "--probes", probes, "--topic", topic, "--group", topic, "--prefix", topic+".",
				"--config", config, "--log-format", "json"))
			all[len(all)-1].api = "http://" + api
		}
		for ; len(all) > n; all = all[1:] { // the oldest goes, which has most to hand on
			all[0].terminate(t)
		}
		if i < len(counts)-1 {
			for _, p := range all {
				p.await(t, "/readyz")
			}
		}
	}
	var records []incident.Record
	var got []string
	await(t, "the ledger of "+topic, func() bool {
		records = b.alerts(t, topic+".alerts")
		return slices.ContainsFunc(all, func(p *process) bool {
			got = verdicts(records, p.owed(t, records))
			return slices.Equal(got, j.want)
		})
	})
	for _, p := range all {
		p.terminate(t)
	}
	said = map[string]string{}
	for _, r := range b.alerts(t, topic+".alerts") {
		r.Revision, r.Links, r.UpdatedAt, r.Onset, r.Factors, r.Evidence, r.Summary = 0, nil, time.Time{}, nil, nil, nil, ""
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		said[r.Incident] = string(text)
	}
	return said
}

// owed asks an instance for the ledger of incidents.
func (p *process) owed(t *testing.T, of []incident.Record) map[string][]string {
	t.Helper()
	var all strings.Builder
	all.WriteString(strings.Join(ledger.Header, ",") + "\n")
	for _, r := range of {
		res, err := http.Get(p.api + "/api/v1/incidents/" + r.Incident + "/ledger.csv")
		if err != nil {
			continue
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if _, rows, found := strings.Cut(string(body), "\n"); err == nil && res.StatusCode == http.StatusOK && found {
			all.WriteString(rows)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	return readLedger(t, writeFile(t, "owed.csv", []byte(all.String())))
}
