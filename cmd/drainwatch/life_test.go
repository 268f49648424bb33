package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

// asProgram makes this test binary run as the program itself, so that tests can send it real signals.
const asProgram = "DRAINWATCH_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// process is the program as a process of its own.
type process struct {
	daemon // only get and await: it is not stopped through a context
	cmd    *exec.Cmd
	api    string // of the war room, where that was asked for
}

func startProcess(t *testing.T, probes string, args ...string) *process {
	t.Helper()
	return startProgram(t, os.Args[0], probes, args...)
}

func startProgram(t *testing.T, program, probes string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...)}
	p.base, p.code = "http://"+probes, make(chan int, 1)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		p.code <- p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		code := <-p.code
		p.code <- code
		if t.Failed() {
			t.Logf("the log of drainwatch %s:\n%s", strings.Join(args, " "), p.errs.String())
		}
	})
	return p
}

// terminate sends SIGTERM, twice in a row as timeout(1) does, and wants a clean end soon.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	select {
	case code := <-p.code:
		p.code <- code
		if took := time.Since(began); code != exitDone || took > 10*time.Second || !strings.Contains(p.errs.String(), "run: stopped") {
			t.Errorf("after SIGTERM: exit code %d in %v", code, took)
		}
	case <-time.After(shutdownGrace + 5*time.Second):
		t.Fatal("SIGTERM does not end it")
	}
}

// secured is how the service reaches a cluster whose listener asks for a password.
const secured = `
ingest:
  brokers: [%s]
  sasl: {mechanism: SCRAM-SHA-512, username: %s, password_file: %s}
`

// One installation from its first start on: what had ended before wakes nobody, what comes later does, and a restart neither
// repeats nor loses anything, whatever happened while the service was away. A webhook hears what people are to hear, once.
func TestLife(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		if os.Getenv("DRAINWATCH_REQUIRE_KAFKA") != "" {
			t.Skip("the real ones follow, and make race plays it without them")
		}
		t.Parallel()
		live(t, startBroker(t), "")
	})
	for _, version := range kafkatest.Versions {
		t.Run("Kafka "+version, func(t *testing.T) {
			if testing.Short() && os.Getenv("DRAINWATCH_REQUIRE_KAFKA") == "" {
				t.Skip("-short")
			}
			t.Parallel()
			c := kafkatest.Start(t, kafkatest.Options{Version: version})
			client, err := stream.New(stream.Options{Config: stream.Config{Brokers: c.Brokers}, Log: zerologNop})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			secret := writeFile(t, "password", []byte(kafkatest.Password+"\n"))
			if err := os.Chmod(secret, 0o600); err != nil {
				t.Fatal(err)
			}
			live(t, broker{client, c.Brokers[0]}, fmt.Sprintf(secured, c.SASL(), kafkatest.User, secret))
		})
	}
}

func live(t *testing.T, b broker, connection string) {
	j := embark(t, "testdata/travel/life.yaml")
	topic := fmt.Sprintf("usage-%d", time.Now().UnixNano())
	receiver := startHook(t, http.StatusNoContent, "")
	config := writeFile(t, "delivered.yaml", fmt.Appendf(nil, "%s\nstate: {path: %q}\nsinks: [%s]\n", text(t, j.config), t.TempDir(), receiver.webhook(t, "team")))
	args := []string{"run", "--api", "127.0.0.1:0", "--topic", topic, "--prefix", topic + ".", "--log-format", "json", "--log-level", "debug"}
	if connection == "" {
		args = append(args, "--brokers", b.address)
	} else {
		config = writeFile(t, "secured.yaml", []byte(withoutIngest(text(t, config))+connection))
	}
	start := func() *process {
		probes := freeAddress(t)
		return startProcess(t, probes, append(args, "--config", config, "--probes", probes)...)
	}
	until := func(clock string) (part []row) {
		at, err := time.Parse(time.RFC3339, "2026-06-25T"+clock+"Z")
		if err != nil {
			t.Fatal(err)
		}
		n := slices.IndexFunc(j.rows, func(r row) bool { return r.at > at.UnixNano() })
		if n < 0 {
			n = len(j.rows)
		}
		part, j.rows = j.rows[:n], j.rows[n:]
		return part
	}
	b.topic(t, topic, 3)
	late := j.holdBack("2026-06-25T10:5", 5)
	b.send(t, topic, until("11:08:00")) // so soon after the fault that nobody knows yet whether it is over
	alerts := topic + ".alerts"

	p := start()
	p.await(t, "/readyz")
	b.awaitAlert(t, p, alerts, "the past incident", func(r incident.Record) bool { return r.Cause == "price" })
	b.send(t, topic, late) // too late to be seen, not too late to be owed
	b.send(t, topic, until("12:30:00"))
	past := b.awaitAlert(t, p, alerts, "the end of the past incident", func(r incident.Record) bool {
		return r.Cause == "price" && r.Status == incident.Resolved && slices.Contains(j.want, line(r))
	})
	b.send(t, topic, until("13:40:00"))
	b.awaitAlert(t, p, alerts, "a page of the new incident", func(r incident.Record) bool {
		return r.Cause == "duplicate_charge" && r.Status == incident.Firing && r.Severity == incident.Page
	})
	p.terminate(t)
	for _, m := range b.read(t, alerts) {
		if r := parseAlert(t, string(m.Value)); r.Cause == "price" && r.Severity != incident.Info {
			t.Errorf("what had ended before the first start is a %s: %s", r.Severity, m.Value)
		}
	}

	b.send(t, topic, until("17:59:59")) // while it is away
	p = start()
	p.await(t, "/readyz")
	b.awaitAlert(t, p, alerts, "the end of the new incident", func(r incident.Record) bool {
		return r.Cause == "duplicate_charge" && r.Status == incident.Resolved && slices.Contains(j.want, line(r))
	})
	p.terminate(t)
	found := b.alerts(t, alerts)
	want := slices.DeleteFunc(slices.Clone(j.want), func(l string) bool { return strings.HasPrefix(l, "  ") })
	differ(t, "the service", verdicts(found, nil), want)
	for _, r := range found {
		if r.Incident == past.Incident && r.Revision != past.Revision {
			t.Errorf("the restart repeats %s: revision %d after %d", r.Incident, r.Revision, past.Revision)
		}
	}

	before := len(b.read(t, alerts))
	p = start()
	p.await(t, "/readyz")
	await(t, "a booking", func() bool { return strings.Contains(p.errs.String(), "incidents are booked") })
	p.terminate(t)
	if n := len(b.read(t, alerts)); n != before {
		t.Errorf("a start without news writes %d alerts", n-before)
	}
	receiver.check(t, b.read(t, alerts))
}

// check compares what a webhook heard with the alerts topic: of each page and ticket the last revision, no revision twice, none
// out of order, none that is not in the topic, and nothing that is on record only.
func (h *hook) check(t *testing.T, topic []stream.Message) {
	t.Helper()
	said, last := map[string]string{}, map[string]int{}
	key := func(r incident.Record) string { return fmt.Sprint(r.Incident, " revision ", r.Revision) }
	what := func(r incident.Record) string { return fmt.Sprint(r.Status, r.Severity, r.UsersAffected, r.Overcharge) }
	for _, m := range topic {
		if r := parseAlert(t, string(m.Value)); r.Severity != incident.Info {
			said[key(r)], last[r.Incident] = what(r), r.Revision
		}
	}
	heard := map[string]int{}
	for _, r := range h.records(t) {
		if said[key(r)] != what(r) {
			t.Errorf("the webhook heard %s as %s, the topic says %q", key(r), what(r), said[key(r)])
		}
		if r.Revision <= heard[r.Incident] {
			t.Errorf("the webhook heard %s after revision %d", key(r), heard[r.Incident])
		}
		heard[r.Incident] = r.Revision
	}
	if len(last) == 0 || !maps.Equal(heard, last) {
		t.Errorf("the webhook heard last %v, the topic says %v", heard, last)
	}
}

// holdBack takes n rows of that time out that belong to the price jump.
func (j *journey) holdBack(when string, n int) (out []row) {
	j.rows = slices.DeleteFunc(j.rows, func(r row) bool {
		late := len(out) < n && strings.Contains(r.text, `"time":"`+when) && strings.Contains(r.text, `"plan":"pro"`) && strings.Contains(r.text, `"region":"eu-west-1"`)
		if late {
			out = append(out, r)
		}
		return late
	})
	return out
}

// line is how verdicts prints an incident.
func line(r incident.Record) string { return verdicts([]incident.Record{r}, nil)[0] }

// withoutIngest cuts the section of that name from a configuration.
func withoutIngest(config string) string {
	return regexp.MustCompile(`(?m)^ingest:.*\n(?:[ ]+.*\n)*`).ReplaceAllString(config, "")
}

// await polls for a condition, less often the longer it takes.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	pause := 20 * time.Millisecond
	for began := time.Now(); !done(); time.Sleep(pause) {
		pause = min(pause*5/4, 200*time.Millisecond)
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("%s does not come", what)
		}
	}
}

// awaitAlert waits until the last revision of some incident is as wanted.
func (b broker) awaitAlert(t *testing.T, p *process, topic, what string, good func(incident.Record) bool) (found incident.Record) {
	t.Helper()
	await(t, what, func() bool {
		select {
		case code := <-p.code:
			p.code <- code
			t.Fatalf("the service ended with %d", code)
		default:
		}
		records := b.alerts(t, topic)
		i := slices.IndexFunc(records, func(r incident.Record) bool { return r.MergedInto == nil && good(r) })
		if i >= 0 {
			found = records[i]
		}
		return i >= 0
	})
	return found
}
