package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var smallScenario = filepath.Join(smallScenarios, "small.yaml")

// The whole path, from a simulated person over a broker to the table at the end: found agrees with injected.
// Its alerts reach the sinks of --config, marked.
func TestDemoOnce(t *testing.T) {
	hook := startHook(t, http.StatusOK, "")
	config := writeFile(t, "sinks.yaml", []byte("sinks: ["+hook.webhook(t, "team")+"]"))
	code, out, errs := run(t, "", "demo", "--once", "--speed", "0", "--scenario", smallScenario, "--listen", "127.0.0.1:0", "--log-level", "warn", "--config", config)
	if code != exitDone || errs != "" {
		t.Fatalf("exit code %d: %s\n%s", code, errs, out)
	}
	for _, want := range []string{
		"METERING BUG  pro in eu-west-1 charged 1",
		"INJECTED ",
		"metering_bug/price plan=pro region=eu-west-1  metering_bug/price plan=pro region=eu-west-1  after ",
		"(off by 0)\n",
		"; 1 incident; found agrees with injected\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	got := hook.records(t)
	if len(got) < 2 {
		t.Fatalf("the sink got %d alerts", len(got))
	}
	if got[0].Status != "firing" || got[len(got)-1].Status != "resolved" || !strings.HasPrefix(got[0].Title, "DEMO: Metering bug: ") {
		t.Errorf("the sink got %d alerts, the first %q", len(got), got[0].Title)
	}
}

// Without --once the demonstration stays until Ctrl-C and answers for what it found.
func TestDemoStays(t *testing.T) {
	listen := freeAddress(t)
	d := startDaemon(t, listen, "demo", "--speed", "0", "--scenario", smallScenario, "--listen", listen, "--log-level", "warn")
	for range 1800 { // three minutes, on a busy machine
		if strings.Contains(d.out.String(), "Ctrl-C ends") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	page := d.await(t, "/")
	if !strings.Contains(page, "METERING BUG  pro in eu-west-1 charged ") || !strings.Contains(page, " rows · ") {
		t.Errorf("the page says\n%s", page)
	}
	askEverything(t, "http://"+listen)
	if status, body := d.get("/readyz"); status != 200 || strings.Contains(page, "Not all is seen") {
		t.Errorf("all was seen to its end, and /readyz says %d %s", status, body)
	}
	if status, _ := d.get("/nothing"); status != 404 {
		t.Errorf("/nothing: %d", status)
	}
	if code := d.stop(t); code != exitDone || d.errs.String() != "" {
		t.Errorf("exit code %d: %s", code, d.errs.String())
	}
}

// Ctrl-C ends it cleanly at any time.
func TestDemoInterrupted(t *testing.T) {
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 400 * time.Millisecond, time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background()) // as a signal does: a deadline would also reach into dials
			defer cancel()
			defer time.AfterFunc(after, cancel).Stop()
			var out, errs lockedBuffer
			began := time.Now()
			code := Execute(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--log-level", "warn"}, strings.NewReader(""), &out, &errs)
			if took := time.Since(began); code != exitDone || errs.String() != "" || took > after+10*time.Second {
				t.Errorf("exit code %d after %v: %s", code, took, errs.String())
			}
		})
	}
}

func TestDemoErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"port in use":      {[]string{"--listen", address}, exitFailed, "drainwatch: listen on " + address + ": bind: address already in use; free the port or choose another with --listen\n"},
		"unknown scenario": {[]string{"--scenario", "dmeo"}, exitUsage, `drainwatch: load scenario "dmeo": no such scenario; use one of `},
		"speed":            {[]string{"--speed", "-1"}, exitUsage, "drainwatch: read command line: --speed -1: must not be negative; 0 is as fast as possible\n"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := run(t, "", append([]string{"demo", "--once"}, tc.args...)...)
			if code != tc.code || out != "" || !strings.HasPrefix(errs, tc.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}

// Event time passes at the speed asked for, from the moment asked for.
func TestPacer(t *testing.T) {
	flushed, before := 0, 0
	p := pacer{from: 1000, speed: 1e3, before: func() error { before++; return nil }}
	flush := func() error { flushed++; return nil }
	began := time.Now()
	for at := int64(0); at <= 1000+200*int64(time.Second); at += 10 * int64(time.Second) {
		if err := p.wait(t.Context(), at, flush); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 180*time.Millisecond || before != 1 || flushed == 0 {
		t.Errorf("200 s at a thousandfold took %v; before was called %d times, flush %d times", took, before, flushed)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("enough"))
	if err := p.wait(ctx, 1000+3600*int64(time.Second), flush); err == nil || err.Error() != "enough" {
		t.Errorf("%v", err)
	}
}

// simulate writes the same rows to a topic as to a file, keyed by user.
func TestSimulateToKafka(t *testing.T) {
	b := startBroker(t)
	b.topic(t, "charges", 3)
	code, _, errs := run(t, "", "simulate", "--scenario", smallScenario, "--out", "kafka://"+b.address+"/charges")
	if code != exitDone || errs != "" {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	_, file, _ := run(t, "", "simulate", "--scenario", smallScenario, "--out", "-")
	want := map[string]int{}
	for line := range strings.Lines(file) {
		want[strings.TrimSuffix(line, "\n")]++
	}
	partition := map[string]int32{}
	for _, m := range b.read(t, "charges") {
		want[string(m.Value)]--
		if !strings.Contains(string(m.Value), `"user":"`+string(m.Key)+`"`) {
			t.Fatalf("key %s of %s", m.Key, m.Value)
		}
		if p, ok := partition[string(m.Key)]; ok && p != m.Partition {
			t.Fatalf("user %s is in partitions %d and %d", m.Key, p, m.Partition)
		}
		partition[string(m.Key)] = m.Partition
	}
	for row, n := range want {
		if n != 0 {
			t.Fatalf("%d times too few in the topic: %s", n, row)
		}
	}
	if code, _, errs := run(t, "", "simulate", "--out", "kafka://"+b.address); code != exitUsage || !strings.Contains(errs, "names no topic; write kafka://host:port/topic") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
