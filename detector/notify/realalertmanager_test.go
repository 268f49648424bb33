package notify

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/notify/alertmanagertest"
)

var kills = flag.Int("kills", 10, "how often TestRealAlertmanager kills the process that delivers")

func pagesOf(t *testing.T, pager *receiver) map[string]*alertmanagertest.Paged {
	t.Helper()
	var bodies [][]byte
	for _, d := range pager.deliveries() {
		if d.path == "/page" {
			bodies = append(bodies, d.body)
		}
	}
	return alertmanagertest.Pages(t, bodies)
}

// A story through a real Alertmanager with a pager behind it, while the process that delivers is killed at any moment: one page
// an incident however its class, severity and scope are refined, resolved after, nothing lost.
func TestRealAlertmanager(t *testing.T) {
	pager := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	address := alertmanagertest.Start(t, pager.URL+"/page", pager.URL+"/other")
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
				if p := pagesOf(t, pager)[id]; p != nil && p.Status == "firing" {
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
		got := pagesOf(t, pager)
		if len(got) != incidents+1 {
			return false
		}
		for _, p := range got {
			if p != got["inc_open"] && p.Status != "resolved" {
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
	got := pagesOf(t, pager)
	for id, p := range got {
		want := "resolved"
		if id == "inc_open" {
			want = "firing"
		}
		if p.Pages != 1 || p.Status != want || p.Alerts > 1 {
			t.Errorf("%s: %d pages, last %s, up to %d alerts at once in its group", id, p.Pages, p.Status, p.Alerts)
		}
	}
	if len(got) != incidents+1 {
		t.Errorf("the pager heard of %d of %d incidents", len(got), incidents+1)
	}
	t.Logf("%d kills, %d incidents, %d notifications at the pager", *kills, len(got), len(pager.deliveries()))
}
