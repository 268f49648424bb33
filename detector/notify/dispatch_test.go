package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// script is a sink that answers as a test tells it and writes down what it was sent, with the time since the test began.
type script struct {
	policy Policy
	answer func(n *Notification) error // nil takes everything
	began  time.Time

	mu   sync.Mutex
	sent []string
}

func newScript(p Policy) *script {
	if p.Timeout == 0 {
		p.Timeout = 10 * time.Second
	}
	if p.Waits == nil {
		p.Waits = []time.Duration{time.Minute}
	}
	return &script{policy: p, began: time.Now()}
}

func (s *script) Policy() Policy { return s.policy }

func (s *script) Send(_ context.Context, n *Notification) (string, error) {
	var err error
	if s.answer != nil {
		err = s.answer(n)
	}
	line := fmt.Sprintf("%v %s %s", time.Since(s.began).Round(time.Second), n.Key(), n.Record.Status)
	if n.Again {
		line += " again"
	}
	if err != nil {
		line += " FAILED"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, line)
	return "", err
}

func (s *script) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// memory is a Store that outlives its dispatchers.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	fail   error
	writes int
}

func (m *memory) Load(each func(string, []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(m.values)) {
		if err := each(k, m.values[k]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Write(changes []Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.writes++
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(m.values, c.Key)
		} else {
			m.values[c.Key] = c.Value
		}
	}
	return nil
}

func (m *memory) Close() error { return nil }

func (m *memory) keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.values))
}

// alert returns a revision of an incident.
func alert(id string, revision int, status incident.Status, change ...func(*incident.Record)) incident.Record {
	at := time.Date(2026, 6, 25, 14, 0, 0, 0, time.UTC)
	r := incident.Record{
		V: 1, Incident: id, Revision: revision, Status: status, Class: "metering_bug", Cause: "price", Severity: incident.Page, Confidence: 0.98,
		Scope: incident.Scope{Kind: "cohort", Where: map[string]string{"plan": "pro", "region": "eu-west-1"}}, StartedAt: at, DetectedAt: at.Add(time.Minute),
		UpdatedAt: at.Add(time.Duration(revision) * time.Minute), UsersAffected: 33, Evidence: []incident.Evidence{{Code: "x", Text: "charged 12x the rate card"}},
		Title: "Metering bug: pro in eu-west-1 charged 12x since 14:00Z", Links: map[string]string{},
	}
	if status == incident.Resolved {
		end := at.Add(time.Hour)
		r.EndedAt = &end
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

const (
	firing   = incident.Firing
	resolved = incident.Resolved
)

func ticket(r *incident.Record) { r.Severity = incident.Ticket }

// fixture is a dispatcher over scripted sinks, in a bubble of its own time.
type fixture struct {
	*Dispatcher
	t     *testing.T
	sinks map[string]*script
}

func start(t *testing.T, opts Options, sinks map[string]*script) *fixture {
	t.Helper()
	f := &fixture{t: t, sinks: sinks}
	real := map[string]Sink{}
	for _, name := range slices.Sorted(maps.Keys(sinks)) {
		if !slices.ContainsFunc(opts.Sinks, func(s Settings) bool { return s.Name == name }) {
			opts.Sinks = append(opts.Sinks, Settings{Name: name, Kind: "script"})
		}
		real[name] = sinks[name]
	}
	d, err := newDispatcher(opts, real)
	if err != nil {
		t.Fatal(err)
	}
	f.Dispatcher = d
	d.Start()
	return f
}

func (f *fixture) offer(rs ...incident.Record) {
	for _, r := range rs {
		f.Offer(r)
	}
	synctest.Wait()
}

func (f *fixture) close() {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Error(err)
	}
}

func want(t *testing.T, s *script, lines ...string) {
	t.Helper()
	if got := s.lines(); !slices.Equal(got, lines) {
		t.Errorf("sent\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

// What came of one incident while its receiver was away: the newest of what fires, and every resolve, in order.
func TestObsoleteRevisionsAreSkippedButNoResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(Policy{})
		s.answer = func(*Notification) error { return errors.New("away") }
		f := start(t, Options{}, map[string]*script{"a": s})
		defer f.close()
		f.offer(alert("inc_1", 1, firing))
		s.mu.Lock()
		s.answer = nil
		s.mu.Unlock()
		// Revision 1 has failed and waits; each of these makes what fires before it obsolete.
		f.mu.Lock()
		f.lanes["a"].restUntil = time.Now().Add(30 * time.Second)
		f.mu.Unlock()
		f.offer(alert("inc_1", 2, firing), alert("inc_1", 3, resolved), alert("inc_1", 4, firing), alert("inc_1", 5, firing), alert("inc_1", 5, firing), alert("inc_1", 4, firing))
		time.Sleep(10 * time.Minute)
		want(t, s, "0s inc_1_1 firing FAILED", "30s inc_1_3 resolved", "30s inc_1_5 firing")
	})
}

func TestRetriesFollowThePolicyAndEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy Policy
		err    error
		want   int           // attempts
		within time.Duration // of the last
	}{
		{"a number of tries", Policy{Waits: []time.Duration{time.Second, time.Minute}, Tries: 4}, errors.New("500"), 4, 4 * time.Minute},
		{"a length of time", Policy{Waits: []time.Duration{time.Minute}, Within: 10 * time.Minute}, errors.New("500"), 8, 10*time.Minute + 2*breakerMost},
		{"what is refused is not tried again", Policy{Tries: 9}, refusef("400"), 1, 0},
		{"what is gone is not either", Policy{Tries: 9}, &Failure{Outcome: Gone, Err: errors.New("410")}, 1, 0},
		{"an absurd Retry-After arrives capped", Policy{Waits: []time.Duration{time.Second}, Tries: 2}, &Failure{After: retryAfter("1000000000", time.Now()), Err: errors.New("429")}, 2, maxRetryAfter + time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(c.policy)
				s.answer = func(*Notification) error { return c.err }
				f := start(t, Options{}, map[string]*script{"a": s})
				defer f.close()
				f.offer(alert("inc_1", 1, firing))
				time.Sleep(24 * time.Hour)
				lines := s.lines()
				if len(lines) < c.want || len(lines) > c.want+2 {
					t.Errorf("%d attempts, want %d:\n%s", len(lines), c.want, strings.Join(lines, "\n"))
				}
				if last, _, _ := strings.Cut(lines[len(lines)-1], " "); mustParse(t, last) > c.within {
					t.Errorf("the last attempt came after %s, want it within %v", last, c.within)
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				if dead := f.lanes["a"].dead; len(dead) != 1 || dead[0].Record.Incident != "inc_1" || dead[0].Error == "" {
					t.Errorf("dead letters %+v", dead)
				}
			})
		})
	}
}

func mustParse(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A receiver that is down is asked seldom, however many incidents wait for it, and gets all of them at once when it is back.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s := newScript(Policy{Waits: []time.Duration{time.Second}, Within: 24 * time.Hour})
		s.answer = func(*Notification) error {
			if !up.Load() {
				return errors.New("down")
			}
			return nil
		}
		other := newScript(Policy{})
		f := start(t, Options{}, map[string]*script{"a": s, "b": other})
		defer f.close()
		for i := range 20 {
			f.offer(alert(fmt.Sprintf("inc_%02d", i), 1, firing))
		}
		time.Sleep(time.Hour)
		if n := len(s.lines()); n < 12 || n > 40 {
			t.Errorf("%d attempts in an hour at a receiver that is down", n)
		}
		if n := len(other.lines()); n != 20 {
			t.Errorf("the other sink got %d of 20: it waited for the one that is down", n)
		}
		up.Store(true)
		before := len(s.lines())
		time.Sleep(breakerMost * 6 / 5)
		if n := len(s.lines()) - before; n != 20 {
			t.Errorf("%d of 20 delivered once the receiver was back", n)
		}
	})
}

// Gone switches the sink off: nothing more is sent, everything is kept, and retry switches it on.
func TestGoneAndRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		s := newScript(Policy{})
		s.answer = func(*Notification) error {
			if !back.Load() {
				return &Failure{Outcome: Gone, Err: errors.New("410 Gone")}
			}
			return nil
		}
		f := start(t, Options{}, map[string]*script{"a": s})
		defer f.close()
		f.offer(alert("inc_1", 1, firing), alert("inc_2", 1, firing))
		f.offer(alert("inc_3", 1, firing), alert("inc_1", 2, resolved))
		time.Sleep(48 * time.Hour)
		want(t, s, "0s inc_1_1 firing FAILED")
		back.Store(true)
		if n := f.Retry(""); n != 4 {
			t.Errorf("%d dead letters, want 4", n)
		}
		time.Sleep(time.Minute)
		// The first revision of inc_1 is obsolete by its resolve.
		want(t, s, "0s inc_1_1 firing FAILED", "48h0m0s inc_2_1 firing", "48h0m0s inc_3_1 firing", "48h0m0s inc_1_2 resolved")
		if n := f.Retry("a"); n != 0 {
			t.Errorf("%d dead letters left", n)
		}
	})
}

// Alertmanager wants to hear again what fires, and for a while what is resolved, also after a restart.
func TestRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := Policy{Repeat: time.Minute, RepeatResolved: 3 * time.Minute}
		s, store := newScript(policy), &memory{}
		f := start(t, Options{Store: store}, map[string]*script{"a": s})
		f.offer(alert("inc_1", 1, firing))
		time.Sleep(90 * time.Second)
		f.close()
		f = start(t, Options{Store: store}, map[string]*script{"a": s})
		defer f.close()
		time.Sleep(90 * time.Second)
		f.offer(alert("inc_1", 2, resolved))
		time.Sleep(time.Hour)
		want(t, s,
			"0s inc_1_1 firing", "1m0s inc_1_1 firing again", "1m30s inc_1_1 firing again", "2m30s inc_1_1 firing again",
			"3m0s inc_1_2 resolved", "4m0s inc_1_2 resolved again", "5m0s inc_1_2 resolved again", "6m0s inc_1_2 resolved again")
		if keys := store.keys(); !slices.Equal(keys, []string{"upto/inc_1", "visited/a"}) {
			t.Errorf("the store is left with %q", keys)
		}
	})
}

// People hear of changes, machines of every revision.
func TestOnlyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		people, machine := newScript(Policy{OnlyChanges: true}), newScript(Policy{})
		f := start(t, Options{}, map[string]*script{"people": people, "machine": machine})
		defer f.close()
		f.offer(alert("inc_1", 1, firing, ticket))
		f.offer(alert("inc_1", 2, firing, ticket)) // the impact has doubled
		f.offer(alert("inc_1", 3, firing))         // a page now
		f.offer(alert("inc_1", 4, firing, func(r *incident.Record) { r.Scope.Where = map[string]string{"plan": "pro"} }))
		f.offer(alert("inc_1", 5, resolved))
		want(t, people, "0s inc_1_1 firing", "0s inc_1_3 firing", "0s inc_1_4 firing", "0s inc_1_5 resolved")
		want(t, machine, "0s inc_1_1 firing", "0s inc_1_2 firing", "0s inc_1_3 firing", "0s inc_1_4 firing", "0s inc_1_5 resolved")
	})
}

func TestQuietHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(Policy{}) // a bubble begins at midnight UTC, 1 January 2000
		f := start(t, Options{Sinks: []Settings{{Name: "a", Quiet: &Quiet{From: "22:00", To: "07:00", Zone: "Europe/Berlin"}}}}, map[string]*script{"a": s})
		defer f.close()
		f.offer(alert("inc_1", 1, firing, ticket), alert("inc_2", 1, firing))
		time.Sleep(time.Hour)
		f.offer(alert("inc_1", 2, firing, ticket), alert("inc_3", 1, firing, ticket), alert("inc_3", 2, resolved, ticket))
		time.Sleep(24 * time.Hour)
		want(t, s, "0s inc_2_1 firing", "6h0m0s inc_1_2 firing", "6h0m0s inc_3_2 resolved")
	})
}

func TestQuietEnd(t *testing.T) {
	at := func(text string) time.Time {
		u, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, c := range []struct{ from, to, zone, now, want string }{
		{"22:00", "07:00", "", "2026-06-25T23:00:00Z", "2026-06-26T07:00:00Z"},
		{"22:00", "07:00", "", "2026-06-25T06:59:59Z", "2026-06-25T07:00:00Z"},
		{"22:00", "07:00", "", "2026-06-25T07:00:00Z", "2026-06-25T07:00:00Z"},
		{"12:00", "13:00", "", "2026-06-25T12:30:00Z", "2026-06-25T13:00:00Z"},
		{"12:00", "13:00", "", "2026-06-25T23:30:00Z", "2026-06-25T23:30:00Z"},
		{"22:00", "07:00", "America/Los_Angeles", "2026-06-26T08:00:00Z", "2026-06-26T14:00:00Z"},
		{"22:00", "07:00", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T06:00:00Z"}, // the night that summer time ends
		{"08:00", "08:00", "", "2026-06-25T08:00:00Z", "2026-06-25T08:00:00Z"},              // never
	} {
		q := &Quiet{From: c.from, To: c.to, Zone: c.zone}
		if got := q.end(at(c.now)).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s to %s %s, at %s: %s, want %s", c.from, c.to, c.zone, c.now, got, c.want)
		}
	}
}

func TestRoutes(t *testing.T) {
	all := []string{"am", "chat", "night"}
	routes := []Route{
		{Match: map[string]string{"class": "abuse"}, Sinks: []string{"chat"}},
		{Match: map[string]string{"class": "metering_bug", "plan": "enterprise"}, Sinks: []string{"am", "night"}},
		{Match: map[string]string{"severity": "info", "class": "organic"}, Sinks: []string{"chat"}},
		{Match: map[string]string{"cause": "penalty", "status": "firing"}, Sinks: []string{"am"}},
	}
	for _, c := range []struct {
		name   string
		routes []Route
		change func(*incident.Record)
		want   []string
	}{
		{"without routes, everybody gets a page", nil, func(*incident.Record) {}, all},
		{"and a ticket", nil, ticket, all},
		{"but nothing that is on record only", nil, func(r *incident.Record) { r.Severity = incident.Info }, nil},
		{"the first match wins", routes, func(r *incident.Record) { r.Class, r.Cause = "abuse", "penalty" }, []string{"chat"}},
		{"every value must match", routes, func(r *incident.Record) { r.Scope.Where = map[string]string{"plan": "enterprise"} }, []string{"am", "night"}},
		{"an alert that no route matches is not lost", routes, func(*incident.Record) {}, all},
		{"a record is sent where a route asks for it", routes, func(r *incident.Record) { r.Class, r.Severity = "organic", incident.Info }, []string{"chat"}},
		{"and only there", routes, func(r *incident.Record) { r.Class, r.Severity = "abuse", incident.Info }, nil},
		{"a user's scope has no dimensions", routes, func(r *incident.Record) { r.Scope = incident.UserScope("u") }, all},
		{"by state", routes, func(r *incident.Record) { r.Cause = "penalty" }, []string{"am"}},
	} {
		r := alert("inc_1", 1, firing, c.change)
		if got := route(c.routes, all, &r); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A sink that was told that an incident fires is told how it goes on, even if its class then belongs to another.
func TestRouteFollowsTheIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newScript(Policy{}), newScript(Policy{})
		f := start(t, Options{Routes: []Route{{Match: map[string]string{"class": "abuse"}, Sinks: []string{"b"}}, {Sinks: []string{"a"}}}}, map[string]*script{"a": a, "b": b})
		defer f.close()
		abuse := func(r *incident.Record) { r.Class = "abuse" }
		f.offer(alert("inc_1", 1, firing))
		f.offer(alert("inc_1", 2, firing, abuse))
		f.offer(alert("inc_1", 3, resolved, abuse))
		want(t, a, "0s inc_1_1 firing", "0s inc_1_2 firing", "0s inc_1_3 resolved")
		want(t, b, "0s inc_1_2 firing", "0s inc_1_3 resolved")
	})
}

// Kill the process anywhere: what the alerts topic has and the outbox has not is offered at the next start, and nothing else.
func TestFormer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, s := &memory{}, newScript(Policy{})
		// A first start with a topic full of history: only what fires is told.
		load := func(rs ...incident.Record) *fixture {
			d, err := newDispatcher(Options{Store: store, Sinks: []Settings{{Name: "a"}}}, map[string]Sink{"a": s})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rs {
				d.Former(r)
			}
			d.Start()
			synctest.Wait()
			return &fixture{t: t, Dispatcher: d}
		}
		topic := []incident.Record{alert("inc_old", 1, firing), alert("inc_on", 1, firing), alert("inc_old", 2, resolved), alert("inc_on", 2, firing)}
		load(topic...).close()
		want(t, s, "0s inc_on_2 firing")
		// The process died after it had written inc_new and the resolve of inc_on to the topic.
		topic = append(topic, alert("inc_new", 1, firing), alert("inc_on", 3, resolved), alert("inc_on", 3, resolved))
		load(topic...).close()
		load(topic...).close()
		want(t, s, "0s inc_on_2 firing", "0s inc_new_1 firing", "0s inc_on_3 resolved")
		// A sink that is added later hears of what fires.
		later := newScript(Policy{})
		d, err := newDispatcher(Options{Store: store, Sinks: []Settings{{Name: "a"}, {Name: "later"}}}, map[string]Sink{"a": s, "later": later})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range topic {
			d.Former(r)
		}
		d.Start()
		synctest.Wait()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		want(t, later, "0s inc_new_1 firing")
		want(t, s, "0s inc_on_2 firing", "0s inc_new_1 firing", "0s inc_on_3 resolved")
	})
}

// What a process wrote to the outbox and could not send is sent by the next, with the end of its retries counted on.
func TestOutboxSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, s := &memory{}, newScript(Policy{Tries: 3, Waits: []time.Duration{time.Minute}})
		s.answer = func(*Notification) error { return errors.New("down") }
		for range 3 {
			f := start(t, Options{Store: store}, map[string]*script{"a": s})
			f.offer(alert("inc_1", 1, firing))
			time.Sleep(50 * time.Second)
			f.close()
			time.Sleep(25 * time.Second)
		}
		f := start(t, Options{Store: store}, map[string]*script{"a": s})
		time.Sleep(time.Hour)
		f.close()
		if n := len(s.lines()); n != 3 {
			t.Errorf("%d attempts over restarts, want 3:\n%s", n, strings.Join(s.lines(), "\n"))
		}
		// The dead letter is kept and can be retried by yet another process.
		s.answer = nil
		f = start(t, Options{Store: store}, map[string]*script{"a": s})
		if n := f.Retry("a"); n != 1 {
			t.Errorf("%d dead letters", n)
		}
		synctest.Wait()
		f.close()
		if n := len(s.lines()); n != 4 {
			t.Errorf("the dead letter was not sent again")
		}
	})
}

// Nothing is sent before the outbox has it; but a disk that is full holds no page back.
func TestStoreBeforeSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, s := &memory{}, newScript(Policy{})
		s.answer = func(n *Notification) error {
			store.mu.Lock()
			defer store.mu.Unlock()
			if store.fail == nil && store.values["thread/a/"+n.Record.Incident] == nil {
				t.Errorf("%s is sent before it is in the store", n.Key())
			}
			return nil
		}
		f := start(t, Options{Store: store}, map[string]*script{"a": s})
		for i := range 10 {
			f.Offer(alert(fmt.Sprintf("inc_%d", i), 1, firing))
		}
		synctest.Wait()
		store.mu.Lock()
		store.fail = errors.New("no space left on device")
		store.mu.Unlock()
		f.offer(alert("inc_full", 1, firing))
		if n := len(s.lines()); n != 11 {
			t.Errorf("%d of 11 sent", n)
		}
		store.mu.Lock()
		store.fail = nil
		store.mu.Unlock()
		time.Sleep(2 * storePause) // written when there is room again
		if !slices.Contains(store.keys(), "upto/inc_full") {
			t.Error("what could not be written is not written later")
		}
		f.close()
	})
}

// What may have arrived before its answer was lost is named when something newer is sent, since some receivers must take it back.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, s := &memory{}, newScript(Policy{})
		var before []string
		var lost atomic.Bool
		lost.Store(true)
		s.answer = func(n *Notification) error {
			for _, b := range n.Before {
				before = append(before, fmt.Sprintf("%s after %d %s", n.Key(), b.Revision, b.Severity))
			}
			if lost.Load() {
				return errors.New("the answer is lost")
			}
			return nil
		}
		f := start(t, Options{Store: store}, map[string]*script{"a": s})
		f.offer(alert("inc_1", 1, firing, ticket)) // attempted
		f.offer(alert("inc_1", 2, firing))         // attempted, and the process is killed
		f.close()
		lost.Store(false)
		f = start(t, Options{Store: store, Sinks: []Settings{{Name: "a", Quiet: nil}}}, map[string]*script{"a": s})
		f.offer(alert("inc_1", 3, firing, func(r *incident.Record) { r.Class = "unknown" }))
		time.Sleep(time.Hour)
		f.offer(alert("inc_1", 4, resolved))
		f.close()
		if want := []string{"inc_1_2 after 1 ticket", "inc_1_3 after 1 ticket", "inc_1_3 after 2 page", "inc_1_4 after 3 page"}; !slices.Equal(before, want) {
			t.Errorf("%q, want %q", before, want)
		}
	})
}

// Metrics are there from the start, and a dispatcher without a registry works.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		s := newScript(Policy{})
		s.answer = func(n *Notification) error {
			if n.Record.Incident == "inc_bad" {
				return refusef("400")
			}
			return nil
		}
		f := start(t, Options{Registerer: reg}, map[string]*script{"a": s})
		defer f.close()
		f.offer(alert("inc_1", 1, firing), alert("inc_bad", 1, firing))
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				name := family.GetName()
				for _, l := range m.GetLabel() {
					name += " " + l.GetValue()
				}
				got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		for name, want := range map[string]float64{
			"drainwatch_notify_sent_total a": 1, "drainwatch_notify_failures_total refused a": 1, "drainwatch_notify_failures_total retry a": 0,
			"drainwatch_notify_dead_letters a": 1, "drainwatch_notify_pending a": 0, "drainwatch_notify_resting a": 0, "drainwatch_notify_held_total a": 0,
		} {
			if value, ok := got[name]; !ok || value != want {
				t.Errorf("%s: %v (there: %v), want %v", name, value, ok, want)
			}
		}
	})
}
