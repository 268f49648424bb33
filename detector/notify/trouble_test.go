package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A trouble is told once, again when it gets worse, and when it is over; a restart goes on with the same incident. One about a
// sink does not go there, one that routes keep from a sink does not either, and a rate cap does not hold it back.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c, store := newScript(Policy{}), newScript(Policy{}), newScript(Policy{}), &memory{}
		var said []string
		a.answer = func(n *Notification) error {
			var facts []string
			for _, f := range n.facts() {
				facts = append(facts, f.label+": "+f.text)
			}
			said = append(said, fmt.Sprintf("%s r%d %s %s | %s", n.Record.Severity, n.Record.Revision, n.Record.Status, n.headline(), strings.Join(facts[1:], " | ")))
			return nil
		}
		opts := Options{
			Store: store, Sinks: []Settings{{Name: "a", RateCap: 1}, {Name: "b"}, {Name: "c"}},
			Routes: []Route{{Match: map[string]string{"class": "unknown"}, Sinks: []string{"a", "b"}}},
		}
		sinks := map[string]*script{"a": a, "b": b, "c": c}
		f := start(t, opts, sinks)
		lag := Trouble{Kind: "lag", Severity: "ticket", Since: testNow, Title: "Blind: <b>late\x1b", Detail: "12 minutes", Do: "look at the brokers"}
		f.Tell(lag)
		f.Tell(lag)
		lag.Severity = "page"
		f.Tell(lag)
		f.Tell(Trouble{Kind: SinkTrouble, About: "a", Severity: "page", Since: testNow, Title: "Not delivered: a"})
		f.Tell(Trouble{Kind: "silence"}) // over before it began
		synctest.Wait()
		id := f.Troubles()
		f.close()

		f = start(t, opts, sinks)
		if again := f.Troubles(); len(again) != 2 || !slices.Equal(again, id) || again[0].Kind != "lag" || again[0].Severity != "page" || !again[0].Since.Equal(testNow) {
			t.Errorf("the next process knows %+v", again)
		}
		f.Tell(lag)
		f.Tell(Trouble{Kind: "lag"})
		f.Tell(Trouble{Kind: SinkTrouble, About: "a"})
		synctest.Wait()
		if left := f.Troubles(); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
		f.close()
		if want := []string{
			`ticket r1 firing Blind: \x3cb\x3elate\x1b | for: 12 minutes | do: look at the brokers`,
			`page r2 firing Blind: \x3cb\x3elate\x1b | for: 12 minutes | do: look at the brokers`,
			`page r3 resolved RESOLVED  Blind: \x3cb\x3elate\x1b | for: 12 minutes | do: look at the brokers`,
		}; !slices.Equal(said, want) && !slices.Equal(said, want[1:]) { // the ticket may be obsolete before it is sent
			t.Errorf("said\n%s", strings.Join(said, "\n"))
		}
		if n := len(b.lines()); n < 4 || n > 5 || len(c.lines()) != 0 {
			t.Errorf("b was told %q, c %q", b.lines(), c.lines())
		}
		for _, line := range b.lines() {
			if !strings.Contains(line, " "+blindPrefix) {
				t.Errorf("%s", line)
			}
		}
		for _, key := range store.keys() {
			if strings.HasPrefix(key, "trouble/") || strings.HasPrefix(key, "thread/") {
				t.Errorf("the store keeps %s", key)
			}
		}
	})
}

// That nothing can be read is told before Start, which waits for what can be read.
func TestTroubleBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(Policy{})
		d, err := newDispatcher(Options{Sinks: []Settings{{Name: "a"}}}, map[string]Sink{"a": s})
		if err != nil {
			t.Fatal(err)
		}
		d.Tell(Trouble{Kind: "kafka", Severity: "page", Since: testNow, Title: "Blind: nothing heard from Kafka"})
		synctest.Wait()
		if n := len(s.lines()); n != 1 {
			t.Errorf("%d were told before the start", n)
		}
		d.Former(alert("inc_1", 1, firing))
		d.Start()
		synctest.Wait()
		if n := len(s.lines()); n != 2 {
			t.Errorf("sent %q", s.lines())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A sink counts as failing once it has failed a few times in a row, for as long as that lasts.
func TestSinkStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down, gone atomic.Bool
		bad, store := newScript(Policy{Within: 48 * time.Hour}), &memory{}
		bad.answer = func(*Notification) error {
			switch {
			case gone.Load():
				return &Failure{Outcome: Gone, Err: errors.New("410")}
			case down.Load():
				return errors.New("down\x1b[31m")
			}
			return nil
		}
		f := start(t, Options{Store: store}, map[string]*script{"bad": bad})
		defer f.close()
		state := func() string {
			s, stored := f.SinkStates()
			return fmt.Sprint(s[0].Failing.Round(time.Minute), s[0].Gone, s[0].Error, stored.Round(time.Minute))
		}
		down.Store(true)
		f.offer(alert("inc_1", 1, firing))
		time.Sleep(3 * time.Minute)
		if got := state(); got != "0s false0s" {
			t.Errorf("after three failures: %s", got)
		}
		time.Sleep(57 * time.Minute)
		if got := state(); got != `1h0m0s falsedown\x1b\x5b31m0s` {
			t.Errorf("after an hour: %s", got)
		}
		down.Store(false)
		time.Sleep(10 * time.Minute)
		if got := state(); got != "0s false0s" {
			t.Errorf("after it is up: %s", got)
		}
		gone.Store(true)
		f.offer(alert("inc_2", 1, firing))
		time.Sleep(time.Minute)
		store.mu.Lock()
		store.fail = errors.New("disk full")
		store.mu.Unlock()
		f.offer(alert("inc_3", 1, firing))
		time.Sleep(2 * time.Minute)
		if got := state(); got != "3m0s true4102m0s" {
			t.Errorf("after it is gone and the store failed: %s", got)
		}
		store.mu.Lock()
		store.fail = nil
		store.mu.Unlock()
	})
}
