package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

var outageFor = flag.Duration("outage", 0, "for how long brokers are away; 0 leaves it out")

// outageMemory is what an instance may take at most while brokers are away: what it has at hand is bounded, whatever waits.
const outageMemory = 512 << 20

// memory returns what /proc says of a process's memory, in bytes.
func (p *process) memory(t *testing.T, what string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(what + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("/proc says nothing of %s:\n%s", what, status)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// outage is an instance and its brokers, in the middle of a history.
type outage struct {
	b       broker
	cluster *kafkatest.Cluster
	j       *journey
	p       *process
	state   string
	config  string
}

// outageCluster starts brokers.
func outageCluster(t *testing.T, nodes int) *kafkatest.Cluster {
	if *outageFor == 0 {
		t.Skip("long: make outage runs it")
	}
	return kafkatest.Start(t, kafkatest.Options{Nodes: nodes})
}

func startOutage(t *testing.T, cluster *kafkatest.Cluster) *outage {
	o := &outage{cluster: cluster, state: t.TempDir()}
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: o.cluster.Brokers}, Log: zerologNop})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o.b = broker{client, strings.Join(o.cluster.Brokers, ",")}
	o.j = embark(t, "testdata/travel/life.yaml")
	o.config = writeFile(t, "outage.yaml", fmt.Appendf(nil, "%s\nstate: {path: %q, every: 1s}\n", text(t, o.j.config), o.state))
	o.b.topic(t, "usage", 3)
	o.b.send(t, "usage", o.j.rows[:len(o.j.rows)/2])
	probes := freeAddress(t)
	o.p = startProcess(t, probes, "run", "--brokers", o.b.address, "--api", "127.0.0.1:0", "--probes", probes, "--config", o.config, "--log-format", "json")
	o.p.await(t, "/readyz")
	o.signal(t, syscall.SIGSTOP) // it has all of the rest before it when brokers go
	o.b.send(t, "usage", o.j.rows[len(o.j.rows)/2:])
	return o
}

func (o *outage) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := o.p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// recover brings the brokers back, and wants what replay says, within bounded memory.
func (o *outage) recover(t *testing.T) {
	t.Helper()
	o.cluster.Restart(t)
	want := slices.DeleteFunc(slices.Clone(o.j.want), func(l string) bool { return strings.HasPrefix(l, "  ") })
	for _, l := range want {
		o.b.awaitAlert(t, o.p, "drainwatch.alerts", l, func(r incident.Record) bool { return r.Status == incident.Resolved && line(r) == l })
	}
	await(t, "readiness", func() bool { status, _ := o.p.get("/readyz"); return status == http.StatusOK })
	most := o.p.memory(t, "VmHWM")
	t.Logf("it took %d MB at most", most>>20)
	if most > outageMemory {
		t.Errorf("it took %d MB, and may take %d", most>>20, outageMemory>>20)
	}
	o.p.terminate(t)
	differ(t, "the service", verdicts(o.b.alerts(t, "drainwatch.alerts"), nil), want)
}

// Row 14 of the fault matrix: all brokers are away for minutes, while there is much to read and to say.
func TestFault14BrokersAway(t *testing.T) {
	o := startOutage(t, outageCluster(t, 3))
	o.signal(t, syscall.SIGCONT)
	for node := range 3 {
		o.cluster.Kill(t, node, syscall.SIGKILL)
	}
	blind := false
	for began := time.Now(); time.Since(began) < *outageFor; time.Sleep(time.Second) {
		status, body := o.p.get("/readyz")
		blind = blind || status == http.StatusServiceUnavailable && strings.Contains(body, "nothing heard from Kafka")
		if status == http.StatusOK && time.Since(began) > 3*time.Minute {
			t.Fatal("it is ready, and hears nothing")
		}
	}
	if !blind && *outageFor > 3*time.Minute {
		t.Error("it was never said that nothing is heard")
	}
	o.recover(t)
}

// Row 16 of the fault matrix: two of three brokers are away, so that nothing can be written. No checkpoint stands on what is not written.
func TestFault16TwoOfThreeBrokersAway(t *testing.T) {
	o := startOutage(t, outageCluster(t, 3))
	dir, err := checkpoint.OpenDir(mustParse(t, fmt.Sprintf("state: {path: %q}", o.state)).checkpointDir())
	if err != nil {
		t.Fatal(err)
	}
	kept := func() (at []int64) {
		for p := range int32(3) {
			c, _, err := dir.Newest(t.Context(), ownerOfShard(p))
			if err != nil {
				t.Fatal(err)
			}
			if c == nil {
				at = append(at, 0)
			} else {
				at = append(at, c.Position)
			}
		}
		return at
	}
	for node := range 2 {
		o.cluster.Kill(t, node, syscall.SIGKILL)
	}
	before := kept()
	o.signal(t, syscall.SIGCONT)
	for began := time.Now(); time.Since(began) < *outageFor; time.Sleep(time.Second) {
		if after := kept(); !slices.Equal(after, before) {
			t.Fatalf("checkpoints went on from %v to %v, and nothing can be written", before, after)
		}
	}
	o.recover(t)
}

// Row 34 of the fault matrix: the system gives no more memory, and the process dies of it. Others go on from its checkpoint.
func TestFault34OutOfMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the race detector takes memory of its own")
	}
	t.Parallel()
	limit, err := exec.LookPath("prlimit")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("prlimit, which sets a limit for a process that runs, is not here")
	}
	b := startBroker(t)
	j := embark(t, smallScenario)
	config := writeFile(t, "memory.yaml", fmt.Appendf(nil, "%s\nstate: {path: %q, every: 1s}\n", text(t, j.config), t.TempDir()))
	start := func() *process {
		probes := freeAddress(t)
		return startProcess(t, probes, "run", "--brokers", b.address, "--api", "127.0.0.1:0", "--probes", probes, "--config", config, "--log-format", "json", "--log-level", "debug")
	}
	b.topic(t, "usage", 3)
	b.send(t, "usage", j.rows[:len(j.rows)/4])
	p := start()
	await(t, "a checkpoint", func() bool { return p.kept() > 0 })
	if out, err := exec.Command(limit, "--pid", strconv.Itoa(p.cmd.Process.Pid), fmt.Sprintf("--data=%d", p.memory(t, "VmData"))).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, bytes.TrimSpace(out))
	}
	b.send(t, "usage", j.rows[len(j.rows)/4:])
	await(t, "that it dies", func() bool {
		select {
		case code := <-p.code:
			p.code <- code
			return true
		default:
			return false
		}
	})
	if !strings.Contains(p.errs.String(), "out of memory") && !strings.Contains(p.errs.String(), "cannot allocate memory") {
		t.Errorf("it died of something else:\n%s", p.errs.String())
	}
	p = start()
	want := slices.DeleteFunc(slices.Clone(j.want), func(l string) bool { return strings.HasPrefix(l, "  ") })
	for _, l := range want {
		b.awaitAlert(t, p, "drainwatch.alerts", l, func(r incident.Record) bool { return line(r) == l })
	}
	if !strings.Contains(p.errs.String(), "run: goes on from a checkpoint") {
		t.Error("it does not go on from a checkpoint")
	}
	p.terminate(t)
	differ(t, "the service", verdicts(b.alerts(t, "drainwatch.alerts"), nil), want)
}
