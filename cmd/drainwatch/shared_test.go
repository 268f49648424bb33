package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Three instances of one configuration share the partitions. They are killed, stopped beyond their session and waked again, and more come,
// than there are partitions: what they say together is what one says alone, no revision twice or out of order. Rows 1, 6 and 10 of the
// table of faults.
func TestShared(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	j := embark(t, "testdata/travel/life.yaml")
	config := writeFile(t, "shared.yaml", fmt.Appendf(nil, "%s\nstate: {path: %q, every: 1s}\n", text(t, j.config), t.TempDir()))
	b.topic(t, "usage", 3)
	start := func() *process {
		probes := freeAddress(t)
		return startProcess(t, probes, "run", "--brokers", b.address, "--api", "127.0.0.1:0", "--probes", probes, "--config", config, "--log-format", "json", "--log-level", "debug")
	}
	ready := func(p *process) bool {
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	}
	all := []*process{start(), start(), start()}
	const parts = 6
	at := func(i int) int { return len(j.rows) * i / parts }
	for i := range parts {
		b.send(t, "usage", j.rows[at(i):at(i+1)])
		switch i {
		case 0: // they share
			await(t, "all to be ready", func() bool { return ready(all[0]) && ready(all[1]) && ready(all[2]) })
			if slices.ContainsFunc(all, func(p *process) bool { return p.took() == 0 }) {
				t.Error("one of three instances holds none of three partitions")
			}
		case 1, 3: // whoever decides is killed, and somebody else comes
			k := -1
			await(t, "somebody to decide", func() bool {
				k = slices.IndexFunc(all, func(p *process) bool { return strings.Contains(p.errs.String(), "run: this instance decides") })
				return k >= 0
			})
			all[k].kill(t)
			all[k] = start()
		case 2: // a zombie: it goes on after its partitions have gone to others
			if err := all[0].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * sessionTimeout)
			if err := all[0].cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
		case 4: // more than there are partitions
			all = append(all, start(), start())
			await(t, "all to be ready", func() bool { return ready(all[3]) && ready(all[4]) })
		}
	}
	want := slices.DeleteFunc(slices.Clone(j.want), func(l string) bool { return strings.HasPrefix(l, "  ") })
	for _, l := range want {
		b.awaitAlert(t, all[len(all)-1], "drainwatch.alerts", l, func(r incident.Record) bool { return r.Status == incident.Resolved && line(r) == l })
	}
	for _, p := range all {
		p.terminate(t)
	}
	differ(t, "the instances", verdicts(b.alerts(t, "drainwatch.alerts"), nil), want)
	said := map[string]string{}
	for _, m := range b.read(t, "drainwatch.alerts") {
		r := parseAlert(t, string(m.Value))
		key := fmt.Sprint(r.Incident, "/", r.Revision)
		if was, known := said[key]; known && was != string(m.Value) {
			t.Errorf("revision %s was said as\n%s\nand as\n%s", key, was, m.Value)
		}
		said[key] = string(m.Value)
	}
}

// took counts the partitions that an instance has taken up so far.
func (p *process) took() int {
	log := p.errs.String()
	return strings.Count(log, "run: goes on from a checkpoint") + strings.Count(log, "run: reads a partition from its beginning")
}
