package kafkatest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The user that the SASL listener knows, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
const (
	User     = "drainwatch"
	Password = "drainwatch-secret"
)

// Versions are those that tests run on: the last 3.x, and 4.x.
var Versions = []string{"3.9.1", "4.1.0"}

// Options say what to start.
type Options struct {
	Version string // default: the last of Versions
	Nodes   int    // 1 (default) or 3
}

// Cluster is a running Kafka.
type Cluster struct {
	Version string
	Brokers []string // plain listeners

	script string
	run    string // where its data is; "" if somebody else started it
	port   int
	nodes  int
}

// Start starts a cluster, or skips the test. It takes 3 to 6 seconds, more the first time, when jars are brought.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Version == "" {
		o.Version = Versions[len(Versions)-1]
	}
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	c := &Cluster{Version: o.Version, nodes: o.Nodes, script: script(t)}
	if port := running(t, o.Version); port != 0 && o.Nodes == 1 {
		c.port = port
		c.name()
		return c
	}
	if _, err := exec.LookPath("java"); err != nil {
		skip(t, o.Version, "java is not installed")
	}
	if out, err := exec.Command(c.script, "jars", o.Version).CombinedOutput(); err != nil {
		skip(t, o.Version, oneLine(out))
	}
	run, err := os.MkdirTemp("", "kafkatest")
	if err != nil {
		t.Fatal(err)
	}
	c.run = run
	t.Cleanup(func() {
		if t.Failed() {
			c.showLogs(t)
		}
		c.runScript(t, "stop", strconv.Itoa(c.port))
		_ = os.RemoveAll(run)
	})
	for attempt := 0; ; attempt++ {
		c.port = freeBlock(t, 10*o.Nodes)
		out, err := c.command("start", o.Version, strconv.Itoa(c.port), strconv.Itoa(o.Nodes)).CombinedOutput()
		if err == nil {
			break
		}
		if attempt == 2 || !strings.Contains(string(out), "is taken") {
			t.Fatalf("start Kafka %s: %s", o.Version, oneLine(out))
		}
	}
	c.name()
	return c
}

func (c *Cluster) name() {
	for n := range c.nodes {
		c.Brokers = append(c.Brokers, addr(c.port+10*n))
	}
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// SASL is the address of the SASL_PLAINTEXT listener of the first node.
func (c *Cluster) SASL() string { return addr(c.port + 2) }

// TLS is the address of the TLS listener of the first node, with the files to use it. ok is false where openssl was not
// there to make certificates.
func (c *Cluster) TLS() (address, ca, cert, key string, ok bool) {
	run := c.run
	if run == "" {
		run = filepath.Join(filepath.Dir(c.script), "run")
	}
	dir := filepath.Join(run, strconv.Itoa(c.port), "tls")
	_, err := os.Stat(filepath.Join(dir, "done"))
	return addr(c.port + 3), filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem"), err == nil
}

// Own says whether nodes may be stopped.
func (c *Cluster) Own() bool { return c.run != "" }

// Kill ends a node (from 0) as a power cut would, or freezes it with SIGSTOP and lets it go on with SIGCONT.
func (c *Cluster) Kill(t testing.TB, node int, signal syscall.Signal) {
	t.Helper()
	pid := c.pid(t, node)
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatalf("signal Kafka node %d: %v", node, err)
	}
	if signal == syscall.SIGSTOP || signal == syscall.SIGCONT {
		return
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if (syscall.Kill(pid, 0) != nil || zombie(pid)) && !listening(addr(c.port+10*node)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Kafka node %d does not end", node)
		}
	}
}

// zombie says whether a process has ended but nobody has asked how. The script that started it is gone, and a
// container may lack an init process that would.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := bytes.LastIndexByte(b, ')')
	return err == nil && i >= 0 && bytes.HasPrefix(b[i:], []byte(") Z"))
}

// listening says whether somebody answers. A process whose first thread has ended may hold its sockets until the last one has.
func listening(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (c *Cluster) pid(t testing.TB, node int) int {
	t.Helper()
	if !c.Own() {
		t.Skip("the cluster belongs to somebody else")
	}
	b, err := os.ReadFile(filepath.Join(c.run, strconv.Itoa(c.port), fmt.Sprintf("node-%d", node), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// Restart starts the nodes that do not run, on their data, and returns when they answer.
func (c *Cluster) Restart(t testing.TB) {
	t.Helper()
	c.runScript(t, "start", c.Version, strconv.Itoa(c.port), strconv.Itoa(c.nodes))
}

// Upgrade stops a node in order and starts it with another version on its data.
func (c *Cluster) Upgrade(t testing.TB, node int, version string) {
	t.Helper()
	if out, err := exec.Command(c.script, "jars", version).CombinedOutput(); err != nil {
		t.Fatalf("upgrade to Kafka %s: %s", version, oneLine(out))
	}
	c.Kill(t, node, syscall.SIGTERM)
	c.Version = version
	c.Restart(t)
}

func (c *Cluster) command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.script, args...)
	cmd.Env = append(os.Environ(), "KAFKA_RUN="+c.run, "KAFKA_OWNER="+strconv.Itoa(os.Getpid()), "KAFKA_KEEP=", "KAFKA_UPGRADE=1")
	return cmd
}

func (c *Cluster) runScript(t testing.TB, args ...string) {
	t.Helper()
	if out, err := c.command(args...).CombinedOutput(); err != nil {
		t.Errorf("kafka.sh %s: %s", strings.Join(args, " "), oneLine(out))
	}
}

func (c *Cluster) showLogs(t testing.TB) {
	for n := range c.nodes {
		b, _ := os.ReadFile(filepath.Join(c.run, strconv.Itoa(c.port), fmt.Sprintf("node-%d", n), "log"))
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		t.Logf("Kafka %s node %d, last lines of its log:\n%s", c.Version, n, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

// script finds fixtures/kafka/kafka.sh in the module that the test belongs to.
func script(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "fixtures", "kafka", "kafka.sh")
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("find fixtures/kafka/kafka.sh: no go.mod above the working directory")
		}
	}
}

// running returns the port of a cluster that DRAINWATCH_KAFKA names for a version, or 0.
func running(t testing.TB, version string) int {
	t.Helper()
	for part := range strings.SplitSeq(os.Getenv("DRAINWATCH_KAFKA"), ",") {
		v, at, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || v != version {
			continue
		}
		_, port, err := net.SplitHostPort(at)
		n, perr := strconv.Atoi(port)
		if err != nil || perr != nil {
			t.Fatalf("DRAINWATCH_KAFKA: %q: want VERSION=host:port", part)
		}
		return n
	}
	return 0
}

func skip(t testing.TB, version, why string) {
	t.Helper()
	if os.Getenv("DRAINWATCH_REQUIRE_KAFKA") == "1" {
		t.Fatalf("real Kafka %s is required but cannot be had: %s", version, why)
	}
	fmt.Fprintf(os.Stderr, "\n*** SKIPPED: %s on real Kafka %s: %s\n*** (DRAINWATCH_REQUIRE_KAFKA=1 makes this a failure)\n\n", t.Name(), version, why)
	t.Skipf("real Kafka %s cannot be had: %s", version, why)
}

// freeBlock returns a port from which on n ports are free, below the range that systems give out by themselves.
func freeBlock(t testing.TB, n int) int {
	t.Helper()
	for range 100 {
		port := 12000 + rand.IntN(1900)*10
		free := true
		for i := 0; i < n && free; i++ {
			l, err := net.Listen("tcp", addr(port+i))
			if free = err == nil; free {
				_ = l.Close()
			}
		}
		if free {
			return port
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

func oneLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "kafka: ")
}
