package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// broker is an embedded broker with a client, for one test.
type broker struct {
	*stream.Client
	address string
}

func startBroker(t *testing.T) broker {
	t.Helper()
	e, err := stream.StartEmbedded(stream.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	c, err := stream.New(stream.Options{Config: stream.Config{Brokers: e.Brokers()}, Log: zerologNop})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return broker{c, e.Brokers()[0]}
}

func (b broker) topic(t *testing.T, name string, partitions int) {
	t.Helper()
	if err := b.EnsureTopic(t.Context(), stream.TopicSpec{Name: name, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
}

func (b broker) produce(t *testing.T, topic string, lines ...string) {
	t.Helper()
	var messages []stream.Message
	for _, l := range lines {
		var row struct{ User string }
		_ = json.Unmarshal([]byte(l), &row)
		messages = append(messages, stream.Message{Key: []byte(row.User), Value: []byte(l)})
	}
	if err := b.Write(t.Context(), topic, messages); err != nil {
		t.Fatal(err)
	}
}

func (b broker) read(t *testing.T, topic string) (out []stream.Message) {
	t.Helper()
	if err := b.ReadAll(t.Context(), topic, func(m stream.Message) error { out = append(out, m); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// daemon is a command that runs until it is stopped.
type daemon struct {
	out, errs lockedBuffer
	cancel    context.CancelFunc
	code      chan int
	base      string
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func startDaemon(t *testing.T, probes string, args ...string) *daemon {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &daemon{cancel: cancel, code: make(chan int, 1), base: "http://" + probes}
	go func() { d.code <- Execute(ctx, args, strings.NewReader(""), &d.out, &d.errs) }()
	t.Cleanup(func() { d.stop(t) })
	return d
}

// stop asks the command to end and returns its exit code.
func (d *daemon) stop(t *testing.T) int {
	t.Helper()
	d.cancel()
	select {
	case code := <-d.code:
		d.code <- code
		return code
	case <-time.After(30 * time.Second):
		t.Errorf("the command did not stop:\n%s", d.errs.String())
		return -1
	}
}

func (d *daemon) get(path string) (int, string) {
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	res, err := client.Get(d.base + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// await polls until a path answers 200.
func (d *daemon) await(t *testing.T, path string) string {
	t.Helper()
	var status int
	var body string
	for range 300 {
		if status, body = d.get(path); status == http.StatusOK {
			return body
		}
		select {
		case code := <-d.code:
			d.code <- code
			t.Fatalf("ended with %d:\n%s", code, d.errs.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatalf("%s: %d %s\n%s", path, status, body, d.errs.String())
	return ""
}

// A service reads a topic, answers probes, writes what it cannot use, stops cleanly, and does not repeat itself.
func TestRun(t *testing.T) {
	t.Setenv("DRAINWATCH_STATE_PATH", t.TempDir())
	b := startBroker(t)
	b.topic(t, "usage", 3)
	b.produce(t, "usage", append(usageRows(300), `{"id":"x"`, `{"id":"1","user":"u"}`)...)
	probes := freeAddress(t)
	args := []string{"run", "--brokers", b.address, "--api", "127.0.0.1:0", "--probes", probes, "--prefix", "dw.", "--log-format", "json"}

	for start := range 2 {
		d := startDaemon(t, probes, args...)
		d.await(t, "/readyz")
		if body := d.await(t, "/healthz"); body != "ok\n" {
			t.Errorf("healthz says %q", body)
		}
		if metrics := d.await(t, "/metrics"); !strings.Contains(metrics, "drainwatch_build_info{") || !strings.Contains(metrics, `drainwatch_stream_records_total{topic="usage"}`) {
			t.Errorf("metrics lack what they should have:\n%s", metrics)
		}
		if status, _ := d.get("/debug/pprof/"); status != http.StatusNotFound {
			t.Errorf("the probes' listener answers for what is not its business: %d", status)
		}
		if code := d.stop(t); code != exitDone {
			t.Fatalf("exit code %d:\n%s", code, d.errs.String())
		}
		said := d.errs.String()
		if first := strings.Contains(said, "run: first start;"); first != (start == 0) {
			t.Errorf("start %d takes itself for a first one: %v\n%s", start, first, said)
		}
		if on := strings.Contains(said, "run: goes on from a checkpoint"); on != (start == 1) {
			t.Errorf("start %d says that it goes on from a checkpoint: %v", start, on)
		}

		dead := b.read(t, "dw.dlq")
		if len(dead) != 2 {
			t.Fatalf("after start %d there are %d dead letters", start, len(dead))
		}
		for _, m := range dead {
			headers := map[string]string{}
			for _, h := range m.Headers {
				headers[h.Key] = h.Value
			}
			reasons := map[string]string{`{"id":"x"`: "json", `{"id":"1","user":"u"}`: "missing"}
			if headers[headerReason] != reasons[string(m.Value)] || headers[headerTopic] != "usage" || headers[headerPartition] == "" || headers[headerOffset] == "" || headers[headerDetail] == "" {
				t.Errorf("%s: %v", m.Value, headers)
			}
		}
	}
	if n := len(b.read(t, "dw.internal.installation")); n != 1 {
		t.Errorf("%d installation records", n)
	}
}

// What is there but cannot be what this installation has been reading is refused, with the reason and the remedy, whatever loss is accepted.
func TestRunRefusesLostState(t *testing.T) {
	t.Setenv("DRAINWATCH_STATE_PATH", t.TempDir())
	b := startBroker(t)
	b.topic(t, "usage", 2)
	b.produce(t, "usage", usageRow("a", 1), usageRow("b", 2))
	internal := stream.TopicSpec{Name: "drainwatch.internal.installation", Partitions: 1, Cleanup: stream.Compact}
	if err := b.EnsureTopic(t.Context(), internal); err != nil {
		t.Fatal(err)
	}
	good, err := survey(t.Context(), b, "usage", "g", "earliest")
	if err != nil {
		t.Fatal(err)
	}
	if err := good.place(t.Context(), b); err != nil || len(good.Landmarks) == 0 {
		t.Fatalf("%v, landmarks %v", err, good.Landmarks)
	}
	for name, tc := range map[string]struct {
		change func(*installation)
		want   string
	}{
		"cluster":    {func(i *installation) { i.Cluster = "elsewhere" }, `this is cluster "drainwatch-embedded", and the installation of `},
		"partitions": {func(i *installation) { i.Partitions = 4 }, "the topic has 2 partitions, and had 4 at the first start on "},
		"truncated":  {func(i *installation) { i.WakeFrom = map[int32]int64{0: 100, 1: 100} }, "partition 0 ends at offset "},
		"made anew": {func(i *installation) {
			i.Landmarks = maps.Clone(i.Landmarks)
			for p, m := range i.Landmarks {
				i.Landmarks[p] = landmark{m.Offset, "0"}
			}
		}, " holds another record at offset "},
		"layout": {func(i *installation) { i.V = 2 }, "has layout 2, and this program writes 1"},
	} {
		t.Run(name, func(t *testing.T) {
			record := *good
			record.Group = strings.ReplaceAll(name, " ", "-")
			tc.change(&record)
			if err := record.save(t.Context(), b.Client, internal.Name); err != nil {
				t.Fatal(err)
			}
			code, _, errs := run(t, "", "run", "-b", b.address, "-g", record.Group, "--api", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--log-level", "off", "--accept-loss")
			if code != exitFailed || !strings.HasPrefix(errs, "drainwatch: resume on topic usage: ") || !strings.Contains(errs, tc.want) ||
				!strings.Contains(errs, "start afresh with another ingest.group") || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
	garbled := stream.Message{Key: []byte("garbled/usage"), Value: []byte("{")}
	if err := b.Write(t.Context(), internal.Name, []stream.Message{garbled}); err != nil {
		t.Fatal(err)
	}
	code, _, errs := run(t, "", "run", "-b", b.address, "-g", "garbled", "--api", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--log-level", "off")
	if code != exitFailed || !strings.Contains(errs, "the installation record at drainwatch.internal.installation/0 offset ") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestRunErrors(t *testing.T) {
	t.Setenv("DRAINWATCH_STATE_PATH", t.TempDir())
	b := startBroker(t)
	b.topic(t, "keep.alerts", 3) // not as the program needs it
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"topic that is not there", []string{"-t", "nowhere"}, exitFailed, "create the topic, keyed by user, or name another with ingest.topic"},
		{"topic of another shape", []string{"--prefix", "keep."}, exitFailed, `topic keep.alerts: partitions is "3", want "1"`},
		{"port in use", []string{"--probes", taken.Addr().String()}, exitFailed, "listen on " + taken.Addr().String() + ": bind: address already in use; free the port or choose another with listen.probes"},
		{"start", []string{"--start", "noon"}, exitUsage, `--start: ingest.start: "noon" is no place to start`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"run", "-b", b.address, "--api", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--log-level", "off"}, tc.args...)
			code, _, errs := run(t, "", args...)
			if code != tc.code || !strings.Contains(errs, tc.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}

// While brokers are away the service waits, says so, and can be stopped.
func TestRunWithoutBrokers(t *testing.T) {
	t.Setenv("DRAINWATCH_STATE_PATH", t.TempDir())
	nobody, probes := freeAddress(t), freeAddress(t)
	d := startDaemon(t, probes, "run", "-b", nobody, "--api", "127.0.0.1:0", "--probes", probes)
	d.await(t, "/healthz")
	if status, body := d.get("/readyz"); status != http.StatusServiceUnavailable || body != "connecting to Kafka\n" {
		t.Errorf("readyz: %d %q", status, body)
	}
	if code := d.stop(t); code != exitDone {
		t.Errorf("exit code %d: %s", code, d.errs.String())
	}
}

// What a former run said of an incident is not said again. What it did not live to say is, once everything has been read, and
// counts on from there: also where this run took fewer revisions to get so far.
func TestTopicSinkSaysThingsOnce(t *testing.T) {
	b := startBroker(t)
	b.topic(t, "alerts", 1)
	b.topic(t, "dlq", 1)
	told := 0
	start := func() *topicSink {
		s, err := newTopicSink(t.Context(), b.Client, "usage", "alerts", "dlq", nil, zerologNop)
		if err != nil {
			t.Fatal(err)
		}
		s.onAlert = func(incident.Record) { told++ }
		return s
	}
	say := func(s *topicSink, revision int, change func(*incident.Record)) {
		t.Helper()
		r := priceAlert()
		r.Revision, r.Severity = revision, incident.Ticket
		if change != nil {
			change(&r)
		}
		if err := s.Alert(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	resume := func(s *topicSink) {
		t.Helper()
		if err := s.resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	written := func() (out []string) {
		for _, m := range b.read(t, "alerts") {
			r := parseAlert(t, string(m.Value))
			if string(m.Key) != r.Incident {
				t.Errorf("key %s of %s", m.Key, m.Value)
			}
			out = append(out, fmt.Sprint(r.Incident[4:6], r.Revision, " ", r.Status, " ", r.Severity, " ", r.UsersAffected))
		}
		return out
	}
	check := func(when string, want ...string) {
		t.Helper()
		if got := written(); !slices.Equal(got, want) {
			t.Errorf("%s the topic says %q, want %q", when, got, want)
		}
	}
	users := func(n int) func(*incident.Record) {
		return func(r *incident.Record) { r.UsersAffected = n }
	}
	over := func(n int) func(*incident.Record) {
		return func(r *incident.Record) { r.UsersAffected, r.Status = n, incident.Resolved }
	}
	other := func(r *incident.Record) { r.Incident, r.UsersAffected = "inc_aa", 7 }

	s := start()
	say(s, 1, users(10))
	resume(s) // nothing was there
	say(s, 2, func(r *incident.Record) { r.UsersAffected, r.Severity = 40, incident.Page })
	say(s, 3, users(90))
	first := []string{"9f1 firing ticket 10", "9f2 firing page 40", "9f3 firing page 90"}
	check("after the first run", first...)

	s = start()
	say(s, 1, users(10))
	say(s, 2, users(95))
	say(s, 1, other) // of that one nobody knows yet
	second := append(first, "aa1 firing ticket 7")
	check("while catching up", second...)
	resume(s)
	check("without news", second...)
	say(s, 3, users(200)) // doubled, under a revision that is taken
	say(s, 4, over(210))
	say(s, 2, func(r *incident.Record) { other(r); r.UsersAffected = 9 })
	third := append(second, "9f4 firing page 200", "9f5 resolved page 210", "aa2 firing ticket 9")
	check("with news", third...)

	s = start()
	say(s, 1, users(10))
	say(s, 2, over(200))
	say(s, 3, over(210))
	resume(s)
	check("when it is over", third...)
	say(s, 4, over(211)) // a row came late
	check("after a late row", append(third, "9f6 resolved page 211")...)

	s = start()
	say(s, 1, users(10))
	say(s, 2, over(211))
	say(s, 3, users(220)) // and again, while the program was away
	resume(s)
	check("when it fires again", append(third, "9f6 resolved page 211", "9f7 firing page 220")...)
	if told != 16 {
		t.Errorf("told of %d alerts; views need those of former runs, too", told)
	}

	b.produce(t, "alerts", `{"not":"an alert"}`)
	if _, err := newTopicSink(t.Context(), b.Client, "usage", "alerts", "dlq", nil, zerologNop); err == nil || !strings.Contains(err.Error(), "offset 9: no alert record") {
		t.Errorf("foreign record: %v", err)
	}
}

// A flood of rubbish is written in batches, whole, also what comes last before the end.
func TestTopicSinkDeadLetterFlood(t *testing.T) {
	b := startBroker(t)
	b.topic(t, "alerts", 1)
	b.topic(t, "dlq", 1)
	s, err := newTopicSink(t.Context(), b.Client, "usage", "alerts", "dlq", nil, zerologNop)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go s.write(ctx, t.Context())
	const n = 7_777
	for i := range n {
		if err := s.refuse(ctx, deadKey{1, int64(i)}, "k", "v", "json", "d"); err != nil {
			t.Fatal(err)
		}
		if err := s.refuse(ctx, deadKey{1, int64(i)}, "k", "v", "json", "again"); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-s.stopped
	if s.failed != nil {
		t.Fatal(s.failed)
	}
	if got := len(b.read(t, "dlq")); got != n {
		t.Errorf("%d dead letters, want %d", got, n)
	}
	if err := s.refuse(t.Context(), deadKey{2, 1}, "", "", "", ""); err != nil && !errors.Is(err, s.failed) {
		t.Errorf("after the end: %v", err)
	}
}
