package notify

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

var kills = flag.Int("kills", 10, "how often TestRealAlertmanager kills the process that delivers")

// requireAlertmanager, if set in the environment, makes a missing Alertmanager a failure.
const requireAlertmanager = "DRAINWATCH_REQUIRE_ALERTMANAGER"

// startAlertmanager runs a real Alertmanager whose pager is the receiver, and returns its address.
func startAlertmanager(t *testing.T, pager string) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus-alertmanager") // Debian's name
	if err != nil {
		if binary, err = exec.LookPath("alertmanager"); err != nil {
			if os.Getenv(requireAlertmanager) != "" {
				t.Fatalf("%s is set and no Alertmanager is installed; apt-get install prometheus-alertmanager", requireAlertmanager)
			}
			t.Skip("NOT TESTED against a real Alertmanager: none is installed; apt-get install prometheus-alertmanager")
		}
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "am.yml")
	rewrite(t, config, `
route: {receiver: pager, group_by: [incident], group_wait: 200ms, group_interval: 200ms, repeat_interval: 4h}
receivers: [{name: pager, webhook_configs: [{url: "`+pager+`", send_resolved: true}]}]`)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	cmd := exec.Command(binary, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--cluster.listen-address=")
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Alertmanager said:\n%s", log.String())
		}
	})
	client := newClient(true)
	defer client.Close()
	for range 100 {
		res, err := client.http.Get("http://" + address + "/-/ready")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("Alertmanager does not get ready")
	return ""
}

// paged is what Alertmanager told the pager of one incident.
type paged struct {
	pages  int    // that the incident began to fire
	status string // last
	alerts int    // most that were firing at once
}

func pagesOf(t *testing.T, got []delivery) map[string]*paged {
	t.Helper()
	out := map[string]*paged{}
	for _, d := range got {
		var m struct {
			Status      string
			GroupLabels struct{ Incident string }
			Alerts      []struct{ Status string }
		}
		if err := json.Unmarshal(d.body, &m); err != nil {
			t.Fatal(err)
		}
		p := out[m.GroupLabels.Incident]
		if p == nil {
			p = &paged{}
			out[m.GroupLabels.Incident] = p
		}
		if m.Status == "firing" && p.status != "firing" {
			p.pages++
		}
		p.status = m.Status
		n := 0
		for _, a := range m.Alerts {
			if a.Status == "firing" {
				n++
			}
		}
		p.alerts = max(p.alerts, n)
	}
	return out
}

// A story through a real Alertmanager with a pager behind it, while the process that delivers is killed at any moment: one page
// an incident however its class, severity and scope are refined, resolved after, nothing lost.
func TestRealAlertmanager(t *testing.T) {
	pager := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	address := startAlertmanager(t, pager.URL)
	task := childTask{Dir: t.TempDir(), Topic: filepath.Join(t.TempDir(), "topic"), Sink: Settings{Name: "am", Kind: "alertmanager", URLs: []string{address}}}

	now := func(r *incident.Record) {
		r.StartedAt = time.Now().Add(-time.Minute)
		if r.EndedAt != nil {
			end := time.Now()
			r.EndedAt = &end
		}
	}
	incidents := max(*kills/5, 1)
	var topic []incident.Record
	step := func(i, revision int) incident.Record {
		r := alert(fmt.Sprintf("inc_%d", i), revision, firing, now)
		switch {
		case revision == 1:
			r.Severity, r.Class, r.Cause = incident.Ticket, "unknown", "unknown"
		case revision == 2:
			r.Severity = incident.Page
		case revision >= 3:
			r.Scope.Where = map[string]string{"plan": "pro"}
		}
		if revision == 5 {
			r = alert(r.Incident, 5, resolved, now, func(n *incident.Record) { n.Scope = r.Scope })
		}
		return r
	}
	rng := rand.New(rand.NewPCG(8, uint64(*kills)))
	writeTopic(t, task.Topic)
	warm := startChild(t, task) // the first start takes what it finds for history
	warm.await("drained")
	warm.kill()
	for k := range *kills {
		topic = append(topic, step(k/5%incidents, k%5+1))
		writeTopic(t, task.Topic, topic...)
		c := startChild(t, task)
		switch {
		case k%5 == 3: // what resolves before it was told of is no page, so this once it is given the time
			c.await("drained")
			id := fmt.Sprintf("inc_%d", k/5%incidents)
			for range 200 {
				if p := pagesOf(t, pager.deliveries())[id]; p != nil && p.status == "firing" {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
		case rng.IntN(2) == 0:
			c.await("started")
		}
		time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
		c.kill()
	}
	// One more that fires and is left so, and then nobody is killed.
	topic = append(topic, alert("inc_open", 1, firing, now))
	writeTopic(t, task.Topic, topic...)
	last := startChild(t, task)
	last.await("drained")
	settled := func() bool {
		got := pagesOf(t, pager.deliveries())
		if len(got) != incidents+1 {
			return false
		}
		for _, p := range got {
			if p != got["inc_open"] && p.status != "resolved" {
				return false
			}
		}
		return true
	}
	for range 300 {
		if settled() {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	got := pagesOf(t, pager.deliveries())
	for id, p := range got {
		want := "resolved"
		if id == "inc_open" {
			want = "firing"
		}
		if p.pages != 1 || p.status != want || p.alerts > 1 {
			t.Errorf("%s: %d pages, last %s, up to %d alerts at once in its group", id, p.pages, p.status, p.alerts)
		}
	}
	if len(got) != incidents+1 {
		t.Errorf("the pager heard of %d of %d incidents", len(got), incidents+1)
	}
	t.Logf("%d kills, %d incidents, %d notifications at the pager", *kills, len(got), len(pager.deliveries()))
}
