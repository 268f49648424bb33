package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/fixtures"
)

// journey is a small world on its way to the detector: its rows, its configuration, and what replay says of it.
type journey struct {
	config string // file
	rows   []row
	want   []string
}

type row struct {
	user, text string
	at         int64
}

// journeys holds those that were made, by scenario: functions that return them.
var journeys sync.Map

// embark makes the rows of a scenario file and replays them from a file, once for all tests.
func embark(t *testing.T, scenario string) *journey {
	t.Helper()
	made, _ := journeys.LoadOrStore(scenario, sync.OnceValue(func() *journey { return newJourney(t, scenario) }))
	j := made.(func() *journey)()
	return &journey{config: writeFile(t, "drainwatch.yaml", []byte(j.config)), rows: slices.Clone(j.rows), want: slices.Clone(j.want)}
}

// newJourney returns a journey with its configuration in place of a file of it.
func newJourney(t *testing.T, scenario string) *journey {
	s, err := fixtures.Load(scenario)
	if err != nil {
		t.Fatal(err)
	}
	j := &journey{config: string(s.Config())}
	var file strings.Builder
	if _, err := s.Generate(1, func(e *event.Event) error {
		r := row{strings.Clone(e.User), string(e.AppendJSON(nil)), e.Time}
		j.rows = append(j.rows, r)
		file.WriteString(r.text + "\n")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	input := writeFile(t, "usage.jsonl", []byte(file.String()))
	owed := filepath.Join(t.TempDir(), "owed.csv")
	code, alerts, errs := run(t, "", "replay", "--config", writeFile(t, "drainwatch.yaml", s.Config()), "--input", input, "--alerts", "-", "--ledger", owed, "--log-level", "off")
	if code != exitDone {
		t.Fatalf("replay: exit code %d: %s", code, errs)
	}
	var seen latest
	for line := range strings.Lines(alerts) {
		seen.add(parseAlert(t, line))
	}
	j.want = verdicts(seen.list(), readLedger(t, owed))
	if len(j.want) < 2 {
		t.Fatal("replay found nothing: there is nothing to compare")
	}
	t.Logf("replay of %d rows: %d users are owed; %s", len(j.rows), len(j.want)-1, j.want[0])
	return j
}

func parseAlert(t *testing.T, text string) (r incident.Record) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

// readLedger reads a ledger file as lines by incident.
func readLedger(t *testing.T, path string) map[string][]string {
	t.Helper()
	cells, err := csv.NewReader(strings.NewReader(text(t, path))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	owed := map[string][]string{}
	for _, c := range cells[1:] {
		owed[c[0]] = append(owed[c[0]], strings.Join(c[1:], " "))
	}
	return owed
}

// verdicts is what must not depend on how rows travel: class, cause, scope, onset, and who is owed what.
func verdicts(records []incident.Record, owed map[string][]string) []string {
	var out []string
	for _, r := range records {
		if r.MergedInto != nil || r.Class == "organic" {
			continue
		}
		out = append(out, fmt.Sprintf("%s from %s: %d users, %s", what(r.Class, r.Cause, r.Scope), r.StartedAt.Format(time.RFC3339Nano), r.UsersAffected, r.Overcharge))
		lines := slices.Clone(owed[r.Incident])
		slices.Sort(lines)
		for _, l := range lines {
			out = append(out, "  "+r.Cause+" "+l)
		}
	}
	return out
}

// disordered lets each row arrive up to most of event time late.
func (j *journey) disordered(most time.Duration) []row {
	rng := rand.New(rand.NewPCG(7, 7))
	type arrival struct {
		at int64
		row
	}
	late := make([]arrival, len(j.rows))
	for i, r := range j.rows {
		late[i] = arrival{r.at + rng.Int64N(int64(most)), r}
	}
	slices.SortStableFunc(late, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	out := make([]row, len(late))
	for i, a := range late {
		out[i] = a.row
	}
	return out
}

// send writes rows to a topic, keyed by user.
func (b broker) send(t *testing.T, topic string, rows []row) {
	t.Helper()
	messages := make([]stream.Message, len(rows))
	for i, r := range rows {
		messages[i] = stream.Message{Key: []byte(r.user), Value: []byte(r.text)}
	}
	// In small parts, so that the partitions fill together as with any producer: one that is hours behind the others for
	// longer than idleAfter is taken for idle, and a loaded machine is slow enough for that.
	for part := range slices.Chunk(messages, 250) {
		if err := b.Write(t.Context(), topic, part); err != nil {
			t.Fatal(err)
		}
	}
}

// alerts returns the last revision of each incident in an alerts topic. A pair that stands there twice is an error.
func (b broker) alerts(t *testing.T, topic string) []incident.Record {
	t.Helper()
	last, again := b.told(t, topic)
	if len(again) > 0 {
		t.Errorf("%v are there twice", again)
	}
	return last
}

// told is alerts where answers to writes are lost: a pair may stand there again, and says the same.
func (b broker) told(t *testing.T, topic string) (last []incident.Record, again []string) {
	t.Helper()
	var seen latest
	pairs := map[string]string{}
	for _, m := range b.read(t, topic) {
		r := parseAlert(t, string(m.Value))
		pair := fmt.Sprint(r.Incident, " revision ", r.Revision)
		switch was, twice := pairs[pair]; {
		case twice && was != string(m.Value):
			t.Errorf("%s says\n%s\nand then\n%s", pair, was, m.Value)
		case twice:
			again = append(again, pair)
		}
		pairs[pair] = string(m.Value)
		seen.add(r)
	}
	return seen.list(), again
}

func ledgerLines(t *testing.T, rows []ledger.Row) map[string][]string {
	t.Helper()
	var b strings.Builder
	if err := ledger.WriteCSV(&b, rows); err != nil {
		t.Fatal(err)
	}
	return readLedger(t, writeFile(t, "owed.csv", []byte(b.String())))
}

// consume runs the service over what a topic holds, as if nothing more came, and returns what it found.
func (j *journey) consume(t *testing.T, b broker, topic, prefix string, rekey bool) []string {
	t.Helper()
	conf, err := parseConfig("test", []byte(text(t, j.config)), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	conf.Ingest.Rekey = rekey
	conf.Ingest.Brokers, conf.Ingest.Topic, conf.Ingest.Group, conf.Topics.Prefix = []string{b.address}, topic, prefix+"group", prefix
	s := newService(conf, zerologNop, newRegistry())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.run(ctx) }()
	if rekey {
		await(t, "all to be repartitioned", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.rekeying != nil && s.phase == ""
		})
		topic = conf.sourceTopic()
	}
	ends := map[int32]int64{}
	n, err := b.Partitions(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(n) {
		if _, ends[p], err = b.Bounds(ctx, topic, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.readUpTo(ctx, ends); err != nil {
		t.Fatal(err)
	}
	s.end()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if s.result.Late != 0 || s.result.Counted != int64(len(j.rows)) {
		t.Errorf("%d of %d rows counted, %d late", s.result.Counted, len(j.rows), s.result.Late)
	}
	return verdicts(b.alerts(t, prefix+"alerts"), ledgerLines(t, s.engine.Ledger()))
}

func differ(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	only := func(a, b []string) string {
		a = slices.DeleteFunc(slices.Clone(a), func(l string) bool { return slices.Contains(b, l) })
		return fmt.Sprintf("%d lines\n%s", len(a), strings.Join(a[:min(len(a), 5)], "\n"))
	}
	t.Errorf("%s finds otherwise. Only in replay: %s\nonly here: %s", what, only(want, got), only(got, want))
}

// However rows travel, in so many partitions or four, in order or not, the last revisions and the ledger are those of replay.
func (j *journey) travels(t *testing.T, b broker, name string, partitions int) {
	type way struct {
		name       string
		partitions int
		rows       []row
	}
	ways := []way{{"in disorder", 4, j.disordered(110 * time.Second)}}
	if !testing.Short() {
		ways = append(ways, way{"in order", partitions, j.rows})
	}
	for _, way := range ways {
		topic := strings.ReplaceAll(name+"."+way.name, " ", "-")
		b.topic(t, topic, way.partitions)
		b.send(t, topic, way.rows)
		differ(t, way.name, j.consume(t, b, topic, topic+".", false), j.want)
	}
}

func TestTravel(t *testing.T) {
	t.Run("price", func(t *testing.T) {
		t.Parallel()
		embark(t, smallScenario).travels(t, startBroker(t), "price", 1)
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		embark(t, "testdata/travel/twice.yaml").travels(t, startBroker(t), "twice", 4)
	})
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
