package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// The suite that every kind of sink passes. A new kind adds a stand to stands, and nothing else here.

// stand is a receiver on this machine and the settings that lead to it.
type stand struct {
	settings func(t *testing.T, r *receiver) Settings
	good     func(w http.ResponseWriter)             // what the real receiver says when it took it; nil: it is no HTTP receiver
	key      func(t *testing.T, got delivery) string // by which the receiver drops repeats, as it arrived
	keyless  bool                                    // the receiver drops no repeats: key returns the whole message
	schema   func(t *testing.T, got delivery)        // refuses what the receiver's public documents do not allow
	raw      []string                                // JSON fields that programs compare, so that what rows say stands there as it is
	table    map[string]string                       // what follows from each answer, where it is not that of usual
	secrets  []string                                // that no error and no reply may show
}

var stands = map[string]stand{
	"alertmanager": alertmanagerStand, "webhook": webhookStand, "pagerduty": pagerDutyStand, "slack": slackStand, "smtp": smtpStand, "stdout": stdoutStand,
}

// delivery is what arrived.
type delivery struct {
	path   string
	header http.Header
	body   []byte
}

// receiver is an HTTP server that writes down what arrives and answers as it is told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []delivery
	answer http.HandlerFunc
	mail   *mailServer // for smtp
	out    bytes.Buffer
}

func newReceiver(t testing.TB, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.got = append(r.got, delivery{req.URL.Path, req.Header.Clone(), body})
		answer := r.answer
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) deliveries() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mail != nil {
		return r.mail.deliveries()
	}
	if r.out.Len() > 0 {
		return []delivery{{body: bytes.Clone(r.out.Bytes())}}
	}
	return slices.Clone(r.got)
}

func writeSecret(t testing.TB, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// setUp returns a sink of a kind and its receiver, which takes everything.
func setUp(t *testing.T, kind string, change ...func(*Settings)) (Sink, *receiver) {
	t.Helper()
	st := stands[kind]
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { st.good(w) })
	s := st.settings(t, r)
	s.Name, s.Kind = "sink", kind
	for _, c := range change {
		c(&s)
	}
	sink, err := s.Open(&r.out)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := sink.(io.Closer); ok {
		t.Cleanup(func() { _ = c.Close() })
	}
	return sink, r
}

func eachKind(t *testing.T, fn func(t *testing.T, kind string)) {
	t.Helper()
	for _, kind := range KindNames() {
		if _, ok := stands[kind]; !ok {
			t.Errorf("kind %s has no stand: add it to stands, so that the suite runs on it", kind)
			continue
		}
		t.Run(kind, func(t *testing.T) { fn(t, kind) })
	}
}

var testNow = time.Date(2026, 11, 28, 15, 0, 0, 0, time.UTC)

func send(t *testing.T, sink Sink, n *Notification) (string, error) {
	t.Helper()
	if n.Now.IsZero() {
		n.Now = testNow
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return sink.Send(ctx, n)
}

func TestSinksDeliver(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for _, c := range []struct {
			name   string
			change func(*Notification)
		}{
			{"firing", func(*Notification) {}},
			{"resolved", func(n *Notification) {
				n.Record = alert("inc_1", 4, resolved)
				n.First = slim(&n.Record)
				n.Before = []*incident.Record{n.First}
			}},
			{"a user", func(n *Notification) { n.Record.Scope = incident.UserScope("u-17") }},
			{"linked users", func(n *Notification) { n.Record.Scope = incident.UsersScope([]string{"a", "b"}, "device") }},
			{"a test", func(n *Notification) { *n = *Specimen(testNow, firing) }},
			{"everything", func(n *Notification) {
				n.Record.Runbook, n.Record.Links = "https://runbooks.example.org/price", map[string]string{"incident": "https://war.example.org/incidents/inc_1"}
				ratio, into := 12.4, "inc_0"
				n.Record.Ratio, n.Record.MergedInto, n.Record.Factors = &ratio, &into, map[string]float64{"price": 12, "users": 1.01}
			}},
			{"much of everything", func(n *Notification) {
				for i := range 1000 {
					n.Record.Scope.Users = append(n.Record.Scope.Users, fmt.Sprintf("user-%d-%s", i, strings.Repeat("x", 200)))
					n.Record.Evidence = append(n.Record.Evidence, incident.Evidence{Code: "x", Text: strings.Repeat("évidence ", 50)})
				}
				n.Record.Scope.Kind, n.Record.Scope.LinkedBy, n.Record.Scope.Where = "users", "device", nil
				n.Record.Title = "Metering bug: " + strings.Repeat("é", 3000)
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				sink, r := setUp(t, kind)
				n := &Notification{Record: alert("inc_1", 3, firing)}
				c.change(n)
				reply, err := send(t, sink, n)
				if err != nil || reply == "" {
					t.Fatalf("reply %q, error %v", reply, err)
				}
				got := r.deliveries()
				if len(got) != 1 {
					t.Fatalf("%d deliveries", len(got))
				}
				stands[kind].schema(t, got[0])
			})
		}
	})
}

// An attempt after one whose acknowledgement was lost carries the same key, in another process too.
func TestSinksRepeatTheKey(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		key := func(revision int, at time.Time) string {
			sink, r := setUp(t, kind)
			if _, err := send(t, sink, &Notification{Record: alert("inc_1", revision, firing), Now: at}); err != nil {
				t.Fatal(err)
			}
			return stands[kind].key(t, r.deliveries()[0])
		}
		first := key(3, testNow)
		if again := key(3, testNow.Add(time.Hour)); again != first || first == "" {
			t.Errorf("the second attempt has key %q, the first %q", again, first)
		}
	})
}

// usual is what follows from an answer.
var usual = map[string]string{
	"200": "done", "400": "refused", "404": "refused", "410": "refused", "429 absurd": "retry 15m0s", "429 date": "retry 1m0s", "500": "retry", "503 soon": "retry 7s",
	"200 with an error": "retry", "never": "retry", "endlessly": "retry", "redirect inwards": "retry", "nobody": "retry", "strange certificate": "retry", "echo": "refused",
}

// The table of what happens: every kind of HTTP sink against every kind of answer.
func TestSinksJudgeAnswers(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		st := stands[kind]
		if st.good == nil {
			t.Skip("speaks no HTTP; its own tests have its answers")
		}
		var inner atomic.Int32
		secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inner.Add(1) }))
		defer secret.Close()
		release := make(chan struct{})
		defer close(release)
		status := func(code int, header ...string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				for i := 0; i+1 < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				w.WriteHeader(code)
				_, _ = io.WriteString(w, "because\x1b[31m of this")
			}
		}
		for name, answer := range map[string]http.HandlerFunc{
			"200": func(w http.ResponseWriter, _ *http.Request) { st.good(w) },
			"400": status(400), "404": status(404), "410": status(410), "500": status(500),
			"429 absurd": status(429, "Retry-After", "1000000000"), "429 date": status(429, "Retry-After", testNow.Add(time.Minute).Format(http.TimeFormat)),
			"503 soon": status(503, "Retry-After", "7"),
			"200 with an error": func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, `{"status":"error","message":"no"}`)
			},
			"never": func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-release:
				case <-r.Context().Done():
				}
			},
			"endlessly": func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := w.Write(bytes.Repeat([]byte("x"), 8<<10)); err != nil {
						return
					}
				}
			},
			"redirect inwards": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, secret.URL, http.StatusTemporaryRedirect)
			},
			"nobody":              nil,
			"strange certificate": nil,
			"echo": func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, "no such secret: "+strings.Join(st.secrets, " ")+r.URL.Path)
			},
		} {
			t.Run(name, func(t *testing.T) {
				r := newReceiver(t, answer)
				switch name {
				case "nobody":
					r.Close()
				case "strange certificate":
					r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { st.good(w) }))
					r.Server.Config.ErrorLog = nolog
					defer r.Close()
				}
				s := st.settings(t, r)
				s.Name, s.Kind = "sink", kind
				sink, err := s.Open(nil)
				if err != nil {
					t.Fatal(err)
				}
				defer sink.(io.Closer).Close()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				if name == "never" {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
				}
				defer cancel()
				reply, err := sink.Send(ctx, &Notification{Record: alert("inc_1", 1, firing), Now: testNow})
				got := "done"
				if err != nil {
					kind, after := outcome(err)
					got = outcomeNames[kind]
					if after > 0 {
						got += " " + after.String()
					}
				}
				want := usual[name]
				if w, ok := st.table[name]; ok {
					want = w
				}
				if got != want {
					t.Errorf("%s: %v, want %s", got, err, want)
				}
				text := fmt.Sprint(reply, err)
				for _, s := range st.secrets {
					if strings.Contains(text, s) {
						t.Errorf("shows the secret %q: %s", s, text)
					}
				}
				if strings.ContainsAny(text, "\x1b\n") || len(text) > 1000 {
					t.Errorf("a reply is not safe to print: %.2000q", text)
				}
				if n := len(r.deliveries()); n > 1 {
					t.Errorf("%d requests in one attempt", n)
				}
			})
		}
		if n := inner.Load(); n > 0 {
			t.Errorf("%d requests followed a redirect", n)
		}
	})
}

// hostile are texts that whoever sends rows might choose.
var hostile = []string{
	"\x1b[31mred\x1b]0;title\x07", "two\nlines\r\nBcc: all@example.org", "<!channel> <!here|x> <@U123>", "@channel @Here @everyone",
	"[click](https://evil.example/x)", "*bold* `code` ~gone~", "<script>alert(1)</script>&lt;b&gt;", "pro\u202eorp", "a\u200bb\u2066c", "https://evil.example/login",
	"\"}],\"labels\":{}", "'; DROP TABLE", "{{.}} ${x} %s %!d", "\u2028line", "bad\xffutf8",
}

// What rows say means nothing to whoever shows it, in our words or in a template's.
func TestSinksKeepTextInert(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for i := range 2 * len(hostile) {
			text := hostile[i/2]
			sink, r := setUp(t, kind, func(s *Settings) {
				if i%2 == 1 {
					s.Template = everything
				}
			})
			n := &Notification{Record: alert("inc_1", 3, firing)}
			n.Record.Title, n.Record.Summary = "Metering bug: "+text+" charged 12x", text
			n.Record.Evidence = []incident.Evidence{{Code: "x", Text: text}}
			n.Record.Scope.Where = map[string]string{"client_version": text}
			if _, err := send(t, sink, n); err != nil {
				t.Fatal(err)
			}
			n.Record.Scope = incident.UsersScope([]string{text, text}, "device")
			n.First = slim(&n.Record)
			n.Before = []*incident.Record{n.First}
			if _, err := send(t, sink, n); err != nil {
				t.Fatal(err)
			}
			for _, d := range r.deliveries() {
				for i, c := range d.body {
					if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
						t.Fatalf("%q: the byte %#x is sent: %.100q", text, c, d.body[max(i-50, 0):])
					}
				}
				for _, bad := range []string{"\u202e", "\u2066", "\u200b", "\u2028", "<!", "<script", "\nBcc", "<@"} {
					if bytes.Contains(d.body, []byte(bad)) {
						t.Errorf("%q: %q is sent", text, bad)
					}
				}
				checkTexts(t, d.body, stands[kind].raw)
			}
		}
	})
}

// checkTexts looks at the texts of a message as its reader decodes them, but for fields that programs compare.
func checkTexts(t *testing.T, body []byte, raw []string) {
	t.Helper()
	var look func(v any, field string)
	look = func(v any, field string) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				if !slices.Contains(raw, k) {
					look(x, k)
				}
			}
		case []any:
			for _, x := range v {
				look(x, field)
			}
		case string:
			for _, bad := range []string{"\x1b", "\u202e", "\u2066", "\u200b", "<", ">", "](", "*bold*", "`code`", "@channel", "@Here", "://evil"} {
				if strings.Contains(v, bad) {
					t.Errorf("%s holds %q: %q", field, bad, v)
				}
			}
		}
	}
	for line := range bytes.Lines(body) {
		var v any
		if json.Unmarshal(line, &v) == nil {
			look(v, "body")
		}
	}
}

// Every policy ends.
func TestSinksPolicies(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		sink, _ := setUp(t, kind)
		p := sink.Policy()
		if p.Timeout <= 0 || p.Timeout > time.Minute || len(p.Waits) == 0 || p.Tries == 0 && p.Within == 0 {
			t.Errorf("policy %+v", p)
		}
	})
}

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}
