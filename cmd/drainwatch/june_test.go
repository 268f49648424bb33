package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/notify/alertmanagertest"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

var juneKills = flag.Int("june-kills", 0, "how often TestJune kills an instance; 0 leaves it out")

const (
	juneInstances = 2
	juneKillEvery = 7 * time.Second // a takeover waits for a session to end
	juneLeast     = time.Minute
)

// pager is who is woken, behind a real Alertmanager.
type pager struct {
	*httptest.Server
	mu    sync.Mutex
	pages [][]byte
}

func startPager(t *testing.T) *pager {
	p := &pager{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && r.URL.Path == "/page" {
			p.mu.Lock()
			p.pages = append(p.pages, body)
			p.mu.Unlock()
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pager) heard(t *testing.T) map[string]*alertmanagertest.Paged {
	p.mu.Lock()
	defer p.mu.Unlock()
	return alertmanagertest.Pages(t, p.pages)
}

// stroll sends rows spread evenly over a time.
func (b broker) stroll(ctx context.Context, topic string, rows []row, over time.Duration) error {
	began := time.Now()
	for i := 0; i < len(rows); time.Sleep(20 * time.Millisecond) {
		due := min(int(float64(len(rows))*float64(time.Since(began))/float64(over))+1, len(rows), i+1000)
		var messages []stream.Message
		for ; i < due; i++ {
			messages = append(messages, stream.Message{Key: []byte(rows[i].user), Value: []byte(rows[i].text)})
		}
		if err := b.Write(ctx, topic, messages); err != nil {
			return err
		}
	}
	return nil
}

// TestJune plays the two weeks of June through real Kafka, two instances and a real Alertmanager with a pager behind it, while instances are
// killed: each true cause pages once, whoever decides or delivers at the time, and what is over is said to be.
func TestJune(t *testing.T) {
	if *juneKills == 0 {
		t.Skip("long: make june runs it")
	}
	cluster := kafkatest.Start(t, kafkatest.Options{})
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: cluster.Brokers}, Log: zerologNop})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b := broker{client, strings.Join(cluster.Brokers, ",")}
	p := startPager(t)
	am := alertmanagertest.Start(t, p.URL+"/page", p.URL+"/other")
	j := embark(t, "june")
	// So that all four causes are worth waking somebody: by default one is, in so small a world.
	config := writeFile(t, "june.yaml", fmt.Appendf(nil, "%s\nseverity: {page_factor: 1.01, material_credits: 1}\nstate: {path: %q, every: 5s}\nsinks: [{name: am, kind: alertmanager, urls: [%q]}]\n", text(t, j.config), t.TempDir(), am))
	b.topic(t, "usage", 2)
	start := func() *process {
		probes := freeAddress(t)
		return startProcess(t, probes, "run", "--brokers", b.address, "--api", "127.0.0.1:0", "--probes", probes, "--config", config, "--log-format", "json")
	}
	var all []*process
	for range juneInstances {
		all = append(all, start())
	}
	all[0].await(t, "/readyz")

	over := max(juneLeast, time.Duration(*juneKills)*juneKillEvery)
	sent := make(chan error, 1)
	began := time.Now()
	go func() { sent <- b.stroll(t.Context(), "usage", j.rows, over) }()
	rng := rand.New(rand.NewPCG(6, uint64(*juneKills)))
	for k := range *juneKills {
		time.Sleep(time.Until(began.Add(over * time.Duration(k+1) / time.Duration(*juneKills+1))))
		i := rng.IntN(len(all))
		all[i].kill(t)
		all[i] = start()
		t.Logf("%s: killed %d times; %d incidents have paged", time.Since(began).Round(time.Second), k+1, len(p.heard(t)))
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(slices.Clone(j.want), func(l string) bool { return strings.HasPrefix(l, "  ") })
	var records []incident.Record
	settled := func() (wrong []string) {
		records = b.alerts(t, "drainwatch.alerts")
		heard := p.heard(t)
		for id, x := range heard {
			i := slices.IndexFunc(records, func(r incident.Record) bool { return r.Incident == id })
			if i < 0 {
				wrong = append(wrong, id+" paged and is not in the alerts topic")
				continue
			}
			if r := records[i]; x.Pages != 1 || x.Status != string(r.Status) || x.Alerts > 1 {
				wrong = append(wrong, fmt.Sprintf("%s (%s): %d pages, last %s where the topic says %s, up to %d alerts at once in its group", id, r.Cause, x.Pages, x.Status, r.Status, x.Alerts))
			}
		}
		for _, r := range records {
			if r.Severity == incident.Page && r.MergedInto == nil && heard[r.Incident] == nil {
				wrong = append(wrong, fmt.Sprintf("%s (%s) did not page", r.Incident, r.Cause))
			}
		}
		if got := len(verdicts(records, nil)); got != len(want) {
			wrong = append(wrong, fmt.Sprintf("%d incidents, replay finds %d", got, len(want)))
		}
		return wrong
	}
	wrong := settled()
	for until := time.Now().Add(3 * time.Minute); len(wrong) > 0 && time.Now().Before(until); wrong = settled() {
		time.Sleep(time.Second)
	}
	for _, w := range wrong {
		t.Error(w)
	}
	if len(p.heard(t)) < len(want) {
		t.Errorf("%d incidents paged of %d", len(p.heard(t)), len(want))
	}
	causes := map[string]int{}
	for id := range p.heard(t) {
		i := slices.IndexFunc(records, func(r incident.Record) bool { return r.Incident == id })
		causes[records[i].Cause]++
	}
	for cause, n := range causes {
		if n > 1 {
			t.Errorf("%s: %d incidents paged for one true cause", cause, n)
		}
	}
	t.Logf("june: kills=%d incidents=%d paged=%d causes=%d", *juneKills, len(want), len(p.heard(t)), len(causes))
}
