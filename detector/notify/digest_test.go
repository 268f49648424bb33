package notify

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// A hundred thousand findings at once, routed to two sinks by cause: each sink's pages are bounded, the rest is counted, and so
// is memory.
func TestStorm(t *testing.T) {
	const findings, mine = 100_000, 75_000
	before := heap()
	synctest.Test(t, func(t *testing.T) {
		s, other, store := newScript(Policy{}), newScript(Policy{}), &memory{}
		var digests []incident.Record
		s.answer = func(n *Notification) error {
			if n.isDigest() {
				digests = append(digests, n.Record)
			}
			return nil
		}
		routes := []Route{{Match: map[string]string{"cause": "penalty"}, Sinks: []string{"b"}}, {Match: map[string]string{"severity": "page"}, Sinks: []string{"a"}}}
		f := start(t, Options{Store: store, Routes: routes}, map[string]*script{"a": s, "b": other})
		defer f.close()
		cause := func(i int) func(*incident.Record) {
			return func(r *incident.Record) {
				if i%4 == 0 {
					r.Cause = "penalty"
				}
			}
		}
		for i := range findings {
			f.Offer(alert(fmt.Sprintf("inc_%06d", i), 1, firing, cause(i), func(r *incident.Record) {
				r.Title = strings.Repeat("x", 100) + r.Incident
				r.Evidence = []incident.Evidence{{Text: strings.Repeat("y", 1000) + r.Incident}}
			}))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for name, s := range f.sinks {
			if n := len(s.lines()); n != DefaultRateCap+1 {
				t.Errorf("%d notifications to %s, want %d pages and a digest", n, name, DefaultRateCap)
			}
		}
		if grown := int64(heap()) - int64(before); grown > 100<<20 { // 0.5 kB a finding; the text alone is 1.2
			t.Errorf("%d MB of heap", grown>>20)
		}
		if len(digests) != 1 {
			t.Fatalf("%d digests", len(digests))
		}
		d := digests[0]
		if !strings.Contains(d.Title, fmt.Sprint(mine-DefaultRateCap)) || d.Severity != incident.Page || d.UsersAffected != 33*(mine-DefaultRateCap) {
			t.Errorf("the digest says %q to %d users as a %s", d.Title, d.UsersAffected, d.Severity)
		}
		var said []string
		for _, e := range d.Evidence {
			said = append(said, e.Text)
		}
		for _, want := range []string{"74970 of metering_bug price", "inc_000041 " + strings.Repeat("x", 100) + "inc_000041", "and 74950 more, all of them in the alerts topic"} {
			if !slices.Contains(said, want) {
				t.Errorf("the digest does not say %q:\n%s", want, strings.Join(said, "\n"))
			}
		}
		// They resolve: those who were paged hear of theirs, nobody of the others one by one.
		for i := range findings {
			f.Offer(alert(fmt.Sprintf("inc_%06d", i), 2, resolved, cause(i)))
		}
		time.Sleep(time.Minute)
		if n := len(s.lines()); n != 2*DefaultRateCap+1 {
			t.Errorf("%d notifications, want %d resolves more", n, DefaultRateCap)
		}
		// When a window has passed without more, the digest resolves, and nothing is left of the storm but what was taken.
		time.Sleep(2 * RateWindow)
		synctest.Wait()
		last := digests[len(digests)-1]
		if len(digests) != 2 || last.Status != resolved || last.Incident != d.Incident || !strings.Contains(last.Summary, fmt.Sprintf("%d of them are over", mine-DefaultRateCap)) {
			t.Errorf("%d digests, the last %s: %.200s", len(digests), last.Status, last.Summary)
		}
		if keys := store.keys(); len(keys) != findings+2 {
			t.Errorf("%d keys in the store, want one an incident: %q", len(keys), keys[:min(len(keys), 5)])
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The cap counts new incidents by severity: what was told already goes on, and tickets do not use up the pages.
func TestRateCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newScript(Policy{}), &memory{}
		opts := Options{Store: store, Sinks: []Settings{{Name: "a", RateCap: 2}}}
		f := start(t, opts, map[string]*script{"a": s})
		for i := range 4 {
			f.offer(alert(fmt.Sprintf("inc_t%d", i), 1, firing, ticket))
		}
		f.offer(alert("inc_p", 1, firing), alert("inc_t0", 2, resolved, ticket))
		f.offer(alert("inc_t3", 2, firing)) // it became a page
		want(t, s, "0s inc_t0_1 firing", "0s inc_t1_1 firing", "0s inc_p_1 firing", "0s inc_t0_2 resolved", "0s inc_t3_2 firing")
		// A restart forgets no digest, and tells of what was held back once there is room.
		f.close()
		f = start(t, opts, map[string]*script{"a": s})
		defer f.close()
		time.Sleep(digestDelay)
		synctest.Wait()
		if lines := s.lines(); len(lines) != 6 || !strings.Contains(lines[5], digestPrefix) {
			t.Errorf("sent %q, want a digest last", lines)
		}
		time.Sleep(5 * time.Minute)
		f.offer(alert("inc_t2", 2, firing, ticket))
		if lines := s.lines(); !strings.Contains(lines[len(lines)-1], "inc_t2_2 firing") {
			t.Errorf("sent %q, want inc_t2 last", lines)
		}
	})
}

// When the input ends, what was held back is told at once, and nothing stays open for it.
func TestDigestAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(Policy{})
		f := start(t, Options{Sinks: []Settings{{Name: "a", RateCap: 1}}}, map[string]*script{"a": s})
		defer f.close()
		f.offer(alert("inc_1", 1, firing), alert("inc_2", 1, firing), alert("inc_3", 1, firing))
		if err := f.Drained(t.Context()); err != nil {
			t.Error(err)
		}
		if lines := s.lines(); len(lines) != 2 || !strings.Contains(lines[1], digestPrefix) || !strings.HasSuffix(lines[1], "_2 resolved") {
			t.Errorf("sent %q, want a page and a digest that is over", lines)
		}
	})
}
