package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

// scatter writes rows to a topic a few here and a few there, as a producer does that does not key them by user.
func (b broker) scatter(t *testing.T, topic string, rows []row) {
	t.Helper()
	var messages []stream.Message
	for i, r := range rows {
		messages = append(messages, stream.Message{Key: []byte("batch " + strconv.Itoa(i/7)), Value: []byte(r.text)})
	}
	if err := b.Write(t.Context(), topic, messages); err != nil {
		t.Fatal(err)
	}
}

// Rows that are not keyed by user come to the same incidents and the same ledger as those that are, also when there is much to catch up
// with and they are out of order: none is late only because its partition was read after others.
func TestRekeyed(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	j := embark(t, smallScenario)
	b.topic(t, "scattered", 3)
	b.scatter(t, "scattered", j.disordered(60*time.Second))
	differ(t, "rekeying", j.consume(t, b, "scattered", "scattered.", true), j.want)
}

// Instances that rekey are killed in the middle of it, the first while the first start still repartitions, and what cannot be read is among
// the rows: what they say is what one says that reads a topic which is keyed by user, and each dead letter is there once and names the
// record of the source.
func TestRekeyedKilled(t *testing.T) {
	if testing.Short() && os.Getenv("DRAINWATCH_REQUIRE_KAFKA") == "" {
		t.Skip("-short")
	}
	t.Parallel()
	c := kafkatest.Start(t, kafkatest.Options{})
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: c.Brokers}, Log: zerologNop})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b := broker{client, c.Brokers[0]}
	j := embark(t, "testdata/travel/life.yaml")
	topic := fmt.Sprintf("scattered-%d", time.Now().UnixNano())
	config := writeFile(t, "rekeyed.yaml", fmt.Appendf(nil, "%s\nstate: {path: %q, every: 3s}\ningest: {rekey: true}\n", withoutIngest(text(t, j.config)), t.TempDir()))
	start := func() *process {
		probes := freeAddress(t)
		return startProcess(t, probes, "run", "--brokers", b.address, "--topic", topic, "--prefix", topic+".", "--api", "127.0.0.1:0", "--probes", probes, "--config", config, "--log-format", "json", "--log-level", "debug")
	}
	b.topic(t, topic, 4)
	const parts = 4
	rubbish, sent := 0, [][]row{}
	for i := range parts {
		rows := slices.Clone(j.rows[len(j.rows)*i/parts : len(j.rows)*(i+1)/parts])
		for k := 100; k < len(rows); k += 500 {
			rows = slices.Insert(rows, k, row{text: fmt.Sprintf(`{"id":"broken %d`, rubbish)})
			rubbish++
		}
		sent = append(sent, rows)
	}
	b.scatter(t, topic, sent[0])
	all := []*process{start(), start()}
	for i, rows := range sent[1:] {
		if i > 0 {
			await(t, "all to be ready", func() bool {
				return !slices.ContainsFunc(all, func(p *process) bool {
					status, _ := p.get("/readyz")
					return status != http.StatusOK || !strings.Contains(p.errs.String(), `"group":"drainwatch.deciding","generation"`)
				})
			})
		} else {
			await(t, "rows to be rekeyed", func() bool {
				_, end, err := b.Bounds(t.Context(), topic+".internal.rekeyed", 0)
				return err == nil && end > 100
			})
		}
		b.scatter(t, topic, rows)
		all[i%2].kill(t)
		all[i%2] = start()
	}
	want := slices.DeleteFunc(slices.Clone(j.want), func(l string) bool { return strings.HasPrefix(l, "  ") })
	for _, l := range want {
		b.awaitAlert(t, all[0], topic+".alerts", l, func(r incident.Record) bool { return r.Status == incident.Resolved && line(r) == l })
	}
	await(t, "the dead letters", func() bool { return len(b.read(t, topic+".dlq")) >= rubbish })
	for _, p := range all {
		p.terminate(t)
	}
	differ(t, "rekeying", verdicts(b.alerts(t, topic+".alerts"), nil), want)
	source := map[string]string{}
	for _, m := range b.read(t, topic) {
		source[fmt.Sprint(m.Partition, "/", m.Offset)] = string(m.Key) + string(m.Value)
	}
	said := map[string]bool{}
	for _, m := range b.read(t, topic+".dlq") {
		headers := map[string]string{}
		for _, h := range m.Headers {
			headers[h.Key] = h.Value
		}
		at := headers[headerPartition] + "/" + headers[headerOffset]
		if said[string(m.Value)] || headers[headerTopic] != topic || headers[headerReason] != "json" || source[at] != string(m.Key)+string(m.Value) {
			t.Errorf("dead letter %s %s: %v, and the source has %s there", m.Key, m.Value, headers, source[at])
		}
		said[string(m.Value)] = true
	}
	if len(said) != rubbish {
		t.Errorf("%d of %d dead letters", len(said), rubbish)
	}
}

// What rekeying cannot go on from is refused: with what it is, and what to do. Where retention was faster, what was accepted is left out.
func TestRekeyingRefuses(t *testing.T) {
	t.Setenv("DRAINWATCH_STATE_PATH", t.TempDir())
	t.Setenv("DRAINWATCH_INGEST_REKEY", "true")
	b := startBroker(t)
	b.topic(t, "usage", 2)
	var rows []row
	for _, text := range usageRows(100) {
		rows = append(rows, row{text: text})
	}
	b.scatter(t, "usage", rows)
	args := func(more ...string) []string {
		return append([]string{"run", "--brokers", b.address, "--api", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--log-format", "json"}, more...)
	}
	d := startDaemon(t, "", args()...)
	await(t, "all rows", func() bool { return strings.Contains(d.errs.String(), "run: caught up with the topic") })
	if code := d.stop(t); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, d.errs.String())
	}
	if n := len(b.read(t, "drainwatch.internal.rekeyed")); n != len(rows) {
		t.Fatalf("%d of %d rows were repartitioned", n, len(rows))
	}
	log := "drainwatch.internal.rekeying"
	key := "drainwatch.rekeying/usage/0"
	said := func(what rekeyed) {
		text, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Write(t.Context(), log, []stream.Message{{Key: []byte(key), Value: text}}); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(name, want, remedy string, more ...string) {
		code, _, errs := run(t, "", args(append(more, "--log-level", "off")...)...)
		if code != exitFailed || !strings.HasPrefix(errs, "drainwatch: resume on topic usage: ") || !strings.Contains(errs, want) || !strings.Contains(errs, remedy) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", name, code, errs)
		}
	}
	_, end, err := b.Bounds(t.Context(), "usage", 0)
	if err != nil {
		t.Fatal(err)
	}
	refused("the first start is another's", "there is no record that it was ever repartitioned, and drainwatch.internal.rekeyed holds rows", "a topics.prefix of its own", "--group", "other")
	said(rekeyed{Next: end, Mark: &landmark{end - 1, "0"}})
	refused("made anew", " holds another record at offset ", "start afresh")
	said(rekeyed{Next: end + 500})
	refused("truncated", fmt.Sprintf("ends at offset %d, and was repartitioned up to %d", end, end+500), "start afresh")
}
