package notify

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A sink that fails for long is told to the others, once, and so is its end; a short failure is not. A restart ends what it cannot know.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down, gone atomic.Bool
		bad, good, store := newScript(Policy{Within: 48 * time.Hour}), newScript(Policy{}), &memory{}
		bad.answer = func(*Notification) error {
			switch {
			case gone.Load():
				return &Failure{Outcome: Gone, Err: errors.New("410")}
			case down.Load():
				return errors.New("down\x1b[31m")
			}
			return nil
		}
		var said []string
		good.answer = func(n *Notification) error {
			if n.isOutage() {
				said = append(said, time.Since(good.began).Round(time.Minute).String()+" "+n.headline())
			}
			return nil
		}
		sinks := map[string]*script{"bad": bad, "good": good}
		f := start(t, Options{Store: store}, sinks)
		down.Store(true)
		f.offer(alert("inc_1", 1, firing))
		time.Sleep(3 * time.Minute)
		down.Store(false)
		time.Sleep(10 * time.Minute)
		if len(said) > 0 {
			t.Errorf("three minutes are no outage: %q", said)
		}
		down.Store(true)
		f.offer(alert("inc_2", 1, firing))
		time.Sleep(6 * time.Hour)
		down.Store(false)
		time.Sleep(time.Hour)
		gone.Store(true)
		f.offer(alert("inc_3", 1, firing))
		f.close()
		f = start(t, Options{Store: store}, sinks)
		synctest.Wait()
		f.close()
		var kinds []string
		for _, line := range said {
			_, text, _ := strings.Cut(line, " ")
			kinds = append(kinds, text)
			if strings.ContainsAny(line, "\x1b") {
				t.Errorf("%q", line)
			}
		}
		if want := []string{
			"Not delivered: alerts do not reach the sink bad since 00:13Z", "RESOLVED  Not delivered: alerts do not reach the sink bad since 00:13Z",
			"Not delivered: alerts do not reach the sink bad since 07:13Z", "RESOLVED  Not delivered: alerts do not reach the sink bad since 07:13Z",
		}; !slices.Equal(kinds, want) {
			t.Errorf("said\n  %s\nwant\n  %s", strings.Join(said, "\n  "), strings.Join(want, "\n  "))
		}
		for _, line := range bad.lines() {
			if strings.Contains(line, outagePrefix) {
				t.Errorf("the sink itself was told: %s", line)
			}
		}
	})
}
