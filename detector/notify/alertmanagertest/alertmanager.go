package alertmanagertest

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Require is the name of a variable of the environment: if it is set, a missing Alertmanager is a failure.
const Require = "DRAINWATCH_REQUIRE_ALERTMANAGER"

// Start runs a real Alertmanager until the test ends and returns its address. What is grouped by incident goes to pager and, if its severity
// is not page, to other. Without an Alertmanager on this machine the test is skipped.
func Start(t *testing.T, pager, other string) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus-alertmanager") // Debian's name
	if err != nil {
		if binary, err = exec.LookPath("alertmanager"); err != nil {
			if os.Getenv(Require) != "" {
				t.Fatalf("%s is set and no Alertmanager is installed; apt-get install prometheus-alertmanager", Require)
			}
			t.Skip("NOT TESTED against a real Alertmanager: none is installed; apt-get install prometheus-alertmanager")
		}
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "am.yml")
	text := `
route:
  {receiver: other, group_by: [incident], group_wait: 200ms, group_interval: 200ms, repeat_interval: 4h, routes: [{receiver: pager, match: {severity: page}}]}
receivers:
  - {name: pager, webhook_configs: [{url: "` + pager + `", send_resolved: true}]}
  - {name: other, webhook_configs: [{url: "` + other + `", send_resolved: true}]}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
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
	for range 300 {
		res, err := http.Get("http://" + address + "/-/ready")
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

// Paged is what a receiver of Alertmanager's was told of one incident.
type Paged struct {
	Pages  int    // that the incident began to fire
	Status string // last
	Alerts int    // most that were firing at once
}

// Pages reads what Alertmanager's webhooks said, in order, by incident.
func Pages(t *testing.T, bodies [][]byte) map[string]*Paged {
	t.Helper()
	out := map[string]*Paged{}
	for _, body := range bodies {
		var m struct {
			Status      string
			GroupLabels struct{ Incident string }
			Alerts      []struct{ Status string }
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		p := out[m.GroupLabels.Incident]
		if p == nil {
			p = &Paged{}
			out[m.GroupLabels.Incident] = p
		}
		if m.Status == "firing" && p.Status != "firing" {
			p.Pages++
		}
		p.Status = m.Status
		n := 0
		for _, a := range m.Alerts {
			if a.Status == "firing" {
				n++
			}
		}
		p.Alerts = max(p.Alerts, n)
	}
	return out
}
