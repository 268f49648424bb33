package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// A heartbeat comes while all is well and only then, whatever the receiver answered before; it follows no redirect and no log
// shows its address.
func TestHeartbeat(t *testing.T) {
	var inner atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inner.Add(1) }))
	defer inside.Close()
	release := make(chan struct{})
	var calls atomic.Int32
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		switch calls.Add(1) {
		case 1:
			http.Redirect(w, req, inside.URL, http.StatusTemporaryRedirect)
		case 2:
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "no such check: "+req.URL.Path)
		case 3: // never
			select {
			case <-release:
			case <-req.Context().Done():
			}
		}
	})
	defer close(release)
	var log syncBuffer
	var well atomic.Pointer[error]
	fine, blind := error(nil), errors.New("blind: no rows at all")
	well.Store(&fine)
	run, err := Heartbeat{
		URLFile: writeSecret(t, r.URL+"/ping/5ec4e7"), AllowPrivate: true, Every: 20 * time.Millisecond, Log: zerolog.New(&log),
		Well: func() error { return *well.Load() },
	}.Open()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ran sync.WaitGroup
	ran.Go(func() { run(ctx) })
	until := func(what string, done func() bool) {
		t.Helper()
		for began := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				t.Fatalf("%s: %d calls\n%s", what, calls.Load(), log.String())
			}
		}
	}
	until("the third call", func() bool { return calls.Load() == 3 })
	select {
	case release <- struct{}{}:
	case <-time.After(2 * beatTimeout): // it was given up meanwhile
	}
	until("beats after faults", func() bool { return calls.Load() > 5 })
	well.Store(&blind)
	until("silence", func() bool { return strings.Contains(log.String(), "no heartbeat is sent until all is well") })
	before := calls.Load()
	time.Sleep(100 * time.Millisecond) // five beats
	if n := calls.Load() - before; n != 0 {
		t.Errorf("%d beats though it is blind", n)
	}
	well.Store(&fine)
	until("beats when all is well again", func() bool { return calls.Load() > before+1 })
	cancel()
	ran.Wait()
	if n := inner.Load(); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
	if text := log.String(); strings.Contains(text, "5ec4e7") || !strings.Contains(text, "a redirect, which is not followed") {
		t.Errorf("the log says\n%s", text)
	}
	for _, d := range r.deliveries() {
		if d.path != "/ping/5ec4e7" || len(d.body) > 0 || d.header.Get("User-Agent") != "drainwatch" {
			t.Errorf("called %+v", d)
		}
	}
}

// An Alertmanager is kept told of an alert that ends by itself soon after it is no more.
func TestWatchdog(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { alertmanagerStand.good(w) })
	now := testNow
	run, err := Heartbeat{
		Sinks: []Settings{{Name: "am", Kind: "alertmanager", URLs: []string{r.URL}}}, Labels: map[string]string{"topic": "usage<b>"}, Every: time.Minute,
		Well: func() error { return nil }, Now: func() time.Time { now = now.Add(time.Second); return now },
	}.Open()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ran sync.WaitGroup
	ran.Go(func() { run(ctx) })
	for began := time.Now(); len(r.deliveries()) == 0 && time.Since(began) < 30*time.Second; {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	ran.Wait()
	got := r.deliveries()
	if len(got) != 1 {
		t.Fatalf("%d deliveries", len(got))
	}
	var alerts []amAlert
	if err := json.Unmarshal(got[0].body, &alerts); err != nil {
		t.Fatal(err)
	}
	a := alerts[0]
	if len(alerts) != 1 || a.Labels["alertname"] != "DrainwatchWatchdog" || a.Labels["topic"] != `usage\x3cb\x3e` || !a.StartsAt.Equal(testNow.Add(time.Second)) || !a.EndsAt.Equal(testNow.Add(2*time.Second+4*time.Minute)) {
		t.Errorf("%s", got[0].body)
	}
}

// An address that leads inside is refused when it is read and when it is dialled.
func TestHeartbeatStaysOutside(t *testing.T) {
	for _, link := range []string{"http://hc.example.org/x", "https://169.254.169.254/x", "https://localhost/x", "https://[::1]/x", "https://0x7f000001/x", "ftp://hc.example.org/x"} {
		if _, err := (Heartbeat{URLFile: writeSecret(t, link)}).Open(); err == nil || strings.Contains(err.Error(), "/x") {
			t.Errorf("%s: %v", link, err)
		}
	}
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	h := Heartbeat{URL: r.URL} // as if the name had resolved to it later
	if err := h.call(t.Context(), newClient(false), testNow); err == nil || !strings.Contains(err.Error(), "is a private address") || len(r.deliveries()) > 0 {
		t.Errorf("reached it: %v", err)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
