package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

var (
	soakFor   = flag.Duration("soak", 0, "for how long instances and brokers are killed; 0 leaves it out")
	soakSeed  = flag.Uint64("soak-seed", 1, "in which order; checkpoints are in a directory for an even one, in a topic for an odd one")
	soakLine  = flag.String("soak-line", "", "file for the last line")
	soakOnly  = flag.String("soak-steps", "", "names of the only steps to be done, comma-separated; nothing comes between them then")
	soakKills = flag.Int("soak-kills", 1, "kills of instances after every other step")
	soakOld   = flag.String("soak-old", "", "another drainwatch, which instances run until they are restarted one by one")
)

const (
	soakPartitions = 4
	soakInstances  = 3
	soakPause      = time.Second / 2 // between two faults
	soakFlood      = 12 * time.Hour  // of event time before the end of what is sent at once, at first
	soakRepeat     = 20              // one row of so many is sent twice
)

// soak is three instances on three brokers behind a proxy, the books of what was sent, and how often what was killed.
type soak struct {
	b       broker
	cluster *kafkatest.Cluster
	proxy   *kafkatest.Proxy
	watch   *watch
	sink    *hook
	rng     *rand.Rand
	launch  func(program string) *process
	program string // that instances run
	all     []*process
	kills   int // of instances, and of brokers
	brokers int
	zombies int
}

// TestSoak plays a day and a half of charges, of which a part comes twice and a part is rubbish, while everything in soakSteps is done to
// instances, brokers and the network between them, in an order that a seed decides. Its books are the rows that it has sent and what
// replay says of them.
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("long: make soak runs it")
	}
	s := &soak{watch: newWatch(), rng: rand.New(rand.NewPCG(*soakSeed, 1)), program: *soakOld}
	s.cluster = kafkatest.Start(t, kafkatest.Options{Version: kafkatest.Versions[0], Nodes: 3})
	s.proxy = s.cluster.Proxy(t)
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: s.cluster.Brokers}, Log: zerologNop})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s.b = broker{client, strings.Join(s.proxy.Brokers, ",")}
	j := embark(t, "testdata/travel/life.yaml")
	store := "dir"
	if *soakSeed%2 == 1 {
		store = "kafka"
		eager := map[string]string{"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0", "max.compaction.lag.ms": "1000"}
		if err := client.EnsureCompacted(t.Context(), "drainwatch.internal.checkpoints", soakStores, eager); err != nil {
			t.Fatal(err)
		}
	}
	s.sink = startHook(t, http.StatusOK, "")
	config := writeFile(t, "soak.yaml", fmt.Appendf(nil, "%s\nstate: {store: %s, path: %q, every: 5s}\nsinks: [%s]\n", text(t, j.config), store, t.TempDir(), s.sink.webhook(t, "team")))
	s.launch = func(program string) *process {
		api, probes := freeAddress(t), freeAddress(t)
		p := startProgram(t, program, probes, "run", "--brokers", s.b.address, "--api", api, "--probes", probes, "--config", config, "--log-format", "json")
		p.api = "http://" + api
		return p
	}
	s.b.topic(t, "usage", soakPartitions)
	for range soakInstances {
		s.all = append(s.all, s.start())
	}
	began := j.rows[len(j.rows)-1].at - int64(soakFlood)
	n, _ := slices.BinarySearchFunc(j.rows, began, func(r row, at int64) int { return cmp.Compare(r.at, at) })
	s.b.send(t, "usage", j.rows[:n])
	for _, p := range s.all {
		p.await(t, "/readyz")
	}
	s.watch.start(t, s.b, "drainwatch.internal.signals")
	var taken footprint
	stop := sync.OnceFunc(taken.start(s.watch))
	defer stop()

	sent := make(chan error, 1)
	var done atomic.Int64
	go func() { sent <- s.send(t.Context(), j.rows[n:], *soakFor, &done) }()
	deck, deals := s.deck(), map[string]int{}
	for at := time.Now(); time.Since(at) < *soakFor; {
		if len(deck) == 0 {
			if deck = s.deck(); len(deck) == 0 {
				t.Fatalf("-soak-steps=%s: there is no such step", *soakOnly)
			}
		}
		step, began := deck[0], time.Now()
		deck = deck[1:]
		s.watch.disturb()
		before, _ := s.watch.counts()
		step.do(s, t)
		claims, _ := s.watch.counts()
		deals[step.name]++
		t.Logf("%s: %s in %.1f s, %d partitions claimed; %d kills of instances, %d of brokers, %d zombies; %d of %d rows sent", time.Since(at).Round(time.Second), step.name,
			time.Since(began).Seconds(), claims-before, s.kills, s.brokers, s.zombies, done.Load(), len(j.rows)-n)
		time.Sleep(soakPause)
	}
	s.cluster.Restart(t)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	s.check(t, j)
	stop()
	s.heard(t)
	for _, step := range append(slices.Clone(soakSteps), soakKill, soakUpgrade) {
		if deals[step.name] == 0 && *soakOnly == "" {
			t.Logf("not done in this time: %s", step.name)
		}
	}
	t.Log(s.watch.report())
	taken.check(t)
}

// start starts an instance of the program that they run now.
func (s *soak) start() *process {
	p := s.launch(cmp.Or(s.program, os.Args[0]))
	s.watch.add(p)
	return p
}

// send sends rows spread over a time, some of them twice, and rubbish between them.
func (s *soak) send(ctx context.Context, rows []row, over time.Duration, done *atomic.Int64) error {
	began := time.Now()
	rng := rand.New(rand.NewPCG(*soakSeed, 2))
	for i := 0; i < len(rows); {
		due := min(int(float64(len(rows))*float64(time.Since(began))/float64(over))+1, len(rows), i+500)
		var messages []stream.Message
		for ; i < due; i++ {
			m := stream.Message{Key: []byte(rows[i].user), Value: []byte(rows[i].text)}
			messages = append(messages, m)
			switch rng.IntN(soakRepeat) {
			case 0:
				messages = append(messages, m)
			case 1:
				messages = append(messages, stream.Message{Key: m.Key, Value: m.Value[:len(m.Value)/2]})
			}
		}
		if err := s.b.Write(ctx, "usage", messages); err != nil {
			return err
		}
		done.Store(int64(i))
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// check holds what was said against the books, once all has been said.
func (s *soak) check(t *testing.T, j *journey) {
	want := slices.DeleteFunc(slices.Clone(j.want), func(l string) bool { return strings.HasPrefix(l, "  ") })
	from, to := time.Unix(0, j.rows[len(j.rows)-1].at).UTC().Add(-22*time.Hour).Truncate(time.Hour), time.Unix(0, j.rows[len(j.rows)-1].at).UTC().Truncate(time.Hour)
	rows := 0
	for _, r := range j.rows {
		if r.at >= from.UnixNano() && r.at < to.UnixNano() {
			rows++
		}
	}
	counted, missing, off := -1, len(want), len(want)
	for until := time.Now().Add(5 * time.Minute); time.Now().Before(until); time.Sleep(time.Second) {
		missing, off = s.differences(t, want)
		if counted = s.counted(from, to); counted == rows && missing == 0 && off == 0 {
			break
		}
	}
	line := fmt.Sprintf("soak: kills=%d rows=%d lost=%d doubled=%d incidents_missing=%d ledger_off=%d",
		s.kills+s.brokers, len(j.rows), max(rows-counted, 0), max(counted-rows, 0), missing, off)
	t.Logf("%d kills of instances, %d of brokers, %d zombies\n%s", s.kills, s.brokers, s.zombies, line)
	if _, again := s.b.told(t, "drainwatch.alerts"); len(again) > 0 {
		t.Logf("written twice, alike: %v", again)
	}
	if *soakLine != "" {
		if err := os.WriteFile(*soakLine, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if counted != rows || missing+off > 0 {
		said, _ := s.b.told(t, "drainwatch.alerts")
		t.Errorf("want %d rows and\n%s\ngot %d rows and\n%s", rows, strings.Join(want, "\n"), counted, strings.Join(verdicts(said, nil), "\n"))
	}
}

// heard expects that the sink was told of every page and ticket up to its last revision, in order, and of nothing that is not in the topic.
// A program that is older may have other ways.
func (s *soak) heard(t *testing.T) {
	said, last := map[string]bool{}, map[string]int{}
	for _, m := range s.b.read(t, "drainwatch.alerts") {
		r := parseAlert(t, string(m.Value))
		said[fmt.Sprint(r.Incident, r.Revision)] = true
		if last[r.Incident] = r.Revision; r.Severity == incident.Info {
			delete(last, r.Incident)
		}
	}
	got := map[string]int{}
	for until := time.Now().Add(soakPatience); time.Now().Before(until) && *soakOld == ""; time.Sleep(time.Second) {
		clear(got)
		for _, r := range s.sink.records(t) {
			if _, ours := last[r.Incident]; !ours { // told of what an instance is blind to
				continue
			}
			if !said[fmt.Sprint(r.Incident, r.Revision)] || r.Revision < got[r.Incident] {
				t.Fatalf("the sink was told of revision %d of %s after %d", r.Revision, r.Incident, got[r.Incident])
			}
			got[r.Incident] = r.Revision
		}
		if maps.Equal(got, last) {
			return
		}
	}
	if *soakOld == "" {
		t.Errorf("the sink was told of %v, want %v", got, last)
	}
}

// differences counts the incidents that are missing, or too many, and those of which onset, users or money are not the books'.
func (s *soak) differences(t *testing.T, want []string) (missing, off int) {
	said, _ := s.b.told(t, "drainwatch.alerts")
	got := verdicts(slices.DeleteFunc(said, func(r incident.Record) bool { return r.Status != incident.Resolved }), nil)
	what := func(l string) string { return l[:strings.Index(l, " from ")] }
	left := slices.Clone(got)
	for _, l := range want {
		i := slices.IndexFunc(left, func(g string) bool { return what(g) == what(l) })
		if i < 0 {
			missing++
			continue
		}
		if left[i] != l {
			off++
		}
		left = slices.Delete(left, i, i+1)
	}
	return missing + len(left), off
}

// counted returns how many rows whoever decides has counted between two times; -1 while nobody can say.
func (s *soak) counted(from, to time.Time) int {
	for _, p := range s.all {
		client := http.Client{Timeout: 5 * time.Second}
		res, err := client.Get(p.api + "/api/v1/cohorts?measure=rows&from=" + from.Format(time.RFC3339) + "&to=" + to.Format(time.RFC3339))
		if err != nil {
			continue
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		client.CloseIdleConnections()
		var answer struct{ Everything struct{ Rows int } }
		if err == nil && res.StatusCode == http.StatusOK && json.Unmarshal(body, &answer) == nil && answer.Everything.Rows > 0 {
			return answer.Everything.Rows
		}
	}
	return -1
}
