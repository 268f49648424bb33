package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector/incident"
)

var nolog = log.New(io.Discard, "", 0)

// strict decodes a body that may have no field but those of into.
func strict(t *testing.T, body []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	if !utf8.Valid(body) {
		t.Error("is no UTF-8")
	}
}

func rfc3339(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Errorf("%q is no RFC 3339 time", text)
	}
	return at
}

func webAddress(t *testing.T, text string) {
	t.Helper()
	if u, err := url.Parse(text); text != "" && (err != nil || !u.IsAbs()) {
		t.Errorf("%q is no absolute address", text)
	}
}

// Alertmanager: api/v2/openapi.yaml of prometheus/alertmanager, postableAlert.

type postedAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     string            `json:"startsAt"`
	EndsAt       string            `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

func postedAlerts(t *testing.T, d delivery) (alerts []postedAlert) {
	t.Helper()
	strict(t, d.body, &alerts)
	return alerts
}

var alertmanagerStand = stand{
	settings: func(_ *testing.T, r *receiver) Settings { return Settings{URLs: []string{r.URL}} },
	good:     func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
	key:      func(t *testing.T, d delivery) string { t.Helper(); return amIdentity(postedAlerts(t, d)[0].Labels) },
	// It is asked again by itself each minute; only a body that it cannot read is refused.
	table: map[string]string{"404": "retry", "410": "retry", "endlessly": "done"},
	schema: func(t *testing.T, d delivery) {
		t.Helper()
		if d.path != "/api/v2/alerts" {
			t.Errorf("posted to %s", d.path)
		}
		for _, a := range postedAlerts(t, d) {
			if began, ended := rfc3339(t, a.StartsAt), rfc3339(t, a.EndsAt); ended.Before(began) {
				t.Errorf("ends %v before it starts %v", ended, began)
			}
			webAddress(t, a.GeneratorURL)
			if a.Labels["alertname"] != "DrainwatchIncident" {
				t.Errorf("labels %v", a.Labels)
			}
			for name, value := range a.Labels {
				if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" || value == "" {
					t.Errorf("label %s=%q", name, value)
				}
			}
		}
	},
}

// The labels of an incident hold nothing that is measured, and a change of identity resolves the former.
func TestAlertmanagerIdentity(t *testing.T) {
	a := &alertmanager{}
	first := alert("inc_1", 1, firing, ticket)
	identity := func(alerts []amAlert) string { return amIdentity(alerts[0].Labels) }
	was := a.alerts(&Notification{Record: first, Now: testNow})
	if len(was) != 1 || was[0].EndsAt != testNow.Add(4*time.Minute) {
		t.Fatalf("%+v", was)
	}
	same := first
	ratio := 99.0
	same.Revision, same.Ratio, same.UsersAffected, same.Title, same.Confidence = 2, &ratio, 7, "other", 0.5
	if now := a.alerts(&Notification{Record: same, Before: []*incident.Record{&first}, Now: testNow.Add(time.Hour)}); len(now) != 1 || identity(now) != identity(was) {
		t.Errorf("what is measured changed the identity: %+v", now)
	}
	for name, change := range map[string]func(*incident.Record){
		"severity": func(r *incident.Record) { r.Severity = incident.Page }, "class": func(r *incident.Record) { r.Class = "unknown" },
		"cause": func(r *incident.Record) { r.Cause = "penalty" }, "scope": func(r *incident.Record) { r.Scope.Where = map[string]string{"plan": "pro"} },
	} {
		next := alert("inc_1", 2, firing, ticket, change)
		now := a.alerts(&Notification{Record: next, Before: []*incident.Record{&first}, Now: testNow})
		if len(now) != 2 || identity(now) == identity(was) || amIdentity(now[1].Labels) != identity(was) || !now[1].EndsAt.Before(testNow) || !now[0].EndsAt.After(testNow) {
			t.Errorf("%s: the former alert is not resolved: %+v", name, now)
		}
	}
	over := alert("inc_1", 3, resolved, ticket)
	now := a.alerts(&Notification{Record: over, Before: []*incident.Record{&first}, Now: testNow})
	if len(now) != 1 || identity(now) != identity(was) || !now[0].EndsAt.Equal(*over.EndedAt) {
		t.Errorf("resolved: %+v", now)
	}
	// Event time that runs ahead of the clock here still fires and resolves.
	early := testNow.AddDate(-1, 0, 0)
	if now := a.alerts(&Notification{Record: first, Now: early}); now[0].StartsAt.After(early) || !now[0].EndsAt.After(early) {
		t.Errorf("from the future: %+v", now)
	}
	if now := a.alerts(&Notification{Record: over, Now: early}); now[0].EndsAt.After(early) || now[0].EndsAt.Before(now[0].StartsAt) {
		t.Errorf("resolved in the future: %+v", now)
	}
}

// Every peer is told, and one that is away does not keep the others from being told.
func TestAlertmanagerPeers(t *testing.T) {
	up := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	broken := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	refusing := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	for _, c := range []struct {
		urls []string
		want string
	}{
		{[]string{up.URL, up.URL + "/"}, "2 of 2"},
		{[]string{broken.URL, up.URL}, "1 of 2"},
		{[]string{refusing.URL, broken.URL}, "retry"},
		{[]string{refusing.URL, refusing.URL}, "refused"},
	} {
		sink, err := Settings{Kind: "alertmanager", URLs: c.urls}.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := send(t, sink, &Notification{Record: alert("inc_1", 1, firing)})
		if err != nil {
			kind, _ := outcome(err)
			got = outcomeNames[kind]
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%v: %q (%v), want %s", c.urls, got, err, c.want)
		}
		_ = sink.(io.Closer).Close()
	}
}

// PagerDuty: Events API v2, "Send an alert event".

type enqueued struct {
	RoutingKey  string `json:"routing_key"`
	EventAction string `json:"event_action"`
	DedupKey    string `json:"dedup_key"`
	Client      string `json:"client"`
	ClientURL   string `json:"client_url"`
	Payload     struct {
		Summary       string         `json:"summary"`
		Source        string         `json:"source"`
		Severity      string         `json:"severity"`
		Timestamp     string         `json:"timestamp"`
		Component     string         `json:"component"`
		Group         string         `json:"group"`
		Class         string         `json:"class"`
		CustomDetails map[string]any `json:"custom_details"`
	} `json:"payload"`
	Links []struct {
		Href string `json:"href"`
		Text string `json:"text"`
	} `json:"links"`
}

const routingKey = "R0123456789abcdefghijklmnopqrstu"

var pagerDutyStand = stand{
	settings: func(t *testing.T, r *receiver) Settings {
		t.Helper()
		return Settings{URL: r.URL, RoutingKeyFile: writeSecret(t, routingKey), AllowPrivate: true}
	},
	good: func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"status":"success","message":"Event processed","dedup_key":"inc_1"}`)
	},
	secrets: []string{routingKey},
	key: func(t *testing.T, d delivery) string {
		t.Helper()
		var e enqueued
		strict(t, d.body, &e)
		return fmt.Sprint(e.DedupKey, e.EventAction, e.Payload.CustomDetails["idempotency_key"])
	},
	schema: func(t *testing.T, d delivery) {
		t.Helper()
		var e enqueued
		strict(t, d.body, &e)
		if d.path != "/v2/enqueue" || e.RoutingKey != routingKey || len(d.body) > 512<<10 {
			t.Errorf("%d bytes to %s", len(d.body), d.path)
		}
		if !slices.Contains([]string{"trigger", "resolve"}, e.EventAction) || e.DedupKey == "" || len(e.DedupKey) > 255 {
			t.Errorf("%s of %q", e.EventAction, e.DedupKey)
		}
		p := e.Payload
		if p.Summary == "" || utf8.RuneCountInString(p.Summary) > 1024 || p.Source == "" || !slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity) {
			t.Errorf("payload %+v", p)
		}
		rfc3339(t, p.Timestamp)
		for _, l := range e.Links {
			webAddress(t, l.Href)
		}
	},
}

// Slack: "Sending messages using incoming webhooks" and the Block Kit reference.

var slackStand = stand{
	settings: func(t *testing.T, r *receiver) Settings {
		t.Helper()
		return Settings{URLFile: writeSecret(t, r.URL+"/services/T00/B00/sesame-open"), AllowPrivate: true}
	},
	good:    func(w http.ResponseWriter) { _, _ = io.WriteString(w, "ok") },
	secrets: []string{"services/T00/B00/sesame-open"},
	raw:     []string{"elements"}, // links of ours
	keyless: true,                 // the message says which incident and state it is
	key: func(t *testing.T, d delivery) string {
		t.Helper()
		return string(d.body)
	},
	schema: func(t *testing.T, d delivery) {
		t.Helper()
		type object struct {
			Type  string `json:"type"`
			Text  string `json:"text"`
			Emoji *bool  `json:"emoji"`

			Verbatim bool `json:"verbatim"` // of mrkdwn
		}
		var m struct {
			Text        string `json:"text"`
			Markdown    bool   `json:"mrkdwn"`
			UnfurlLinks bool   `json:"unfurl_links"`
			UnfurlMedia bool   `json:"unfurl_media"`
			Blocks      []struct {
				Type     string   `json:"type"`
				Text     *object  `json:"text"`
				Elements []object `json:"elements"`
			} `json:"blocks"`
		}
		strict(t, d.body, &m)
		if m.Text == "" || m.Markdown || m.UnfurlLinks || m.UnfurlMedia || len(m.Blocks) == 0 || len(m.Blocks) > 50 || len(d.body) > 13_000 {
			t.Errorf("message of %d bytes: %.300s", len(d.body), d.body)
		}
		for _, b := range m.Blocks {
			switch b.Type {
			case "section":
				if b.Text == nil || b.Text.Type != "plain_text" && (b.Text.Type != "mrkdwn" || !b.Text.Verbatim || b.Text.Emoji != nil) || b.Text.Text == "" || utf8.RuneCountInString(b.Text.Text) > 3000 {
					t.Errorf("section %+v", b.Text)
				}
			case "context":
				if len(b.Elements) == 0 || len(b.Elements) > 10 {
					t.Errorf("context %+v", b.Elements)
				}
			default:
				t.Errorf("block %s", b.Type)
			}
		}
	},
}

// Standard output.

var stdoutStand = stand{
	settings: func(*testing.T, *receiver) Settings { return Settings{} },
	raw:      []string{"scope"},
	key: func(t *testing.T, d delivery) string {
		t.Helper()
		var r incident.Record
		strict(t, d.body, &r)
		return fmt.Sprint(r.Incident, r.Revision)
	},
	schema: func(t *testing.T, d delivery) {
		t.Helper()
		var r incident.Record
		strict(t, d.body, &r)
		if bytes.Count(d.body, []byte("\n")) != 1 || !bytes.HasSuffix(d.body, []byte("\n")) {
			t.Error("is not one line")
		}
	},
}

// Standard Webhooks 1.0.0.

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var webhookStand = stand{
	settings: func(t *testing.T, r *receiver) Settings {
		t.Helper()
		return Settings{URL: r.URL + "/hooks?team=a", SecretFile: writeSecret(t, webhookSecret), AllowPrivate: true}
	},
	good:    func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
	secrets: []string{webhookSecret, webhookSecret[len("whsec_"):]},
	raw:     []string{"scope"},
	key:     func(_ *testing.T, d delivery) string { return d.header.Get("webhook-id") },
	// Anything but 2xx may pass; 410 is a wish to hear nothing more. The body says nothing.
	table: map[string]string{"400": "retry", "404": "retry", "410": "gone", "200 with an error": "done", "endlessly": "done", "echo": "retry"},
	schema: func(t *testing.T, d delivery) {
		t.Helper()
		if verify(webhookSecret, d.header, d.body, testNow) != nil && verify(webhookSecret, d.header, d.body, time.Now()) != nil {
			t.Error("the signature does not verify")
		}
		var m struct {
			Type      string          `json:"type"`
			Timestamp string          `json:"timestamp"`
			Data      json.RawMessage `json:"data"`
		}
		strict(t, d.body, &m)
		var r incident.Record
		if err := json.Unmarshal(m.Data, &r); err != nil || r.Incident == "" || m.Type != "alert."+string(r.Status) {
			t.Errorf("%s: %v", m.Type, err)
		}
		rfc3339(t, m.Timestamp)
		if len(d.body) >= 20_000 || strings.Contains(d.header.Get("webhook-id"), ".") {
			t.Errorf("%d bytes with id %q", len(d.body), d.header.Get("webhook-id"))
		}
	},
}

// verify is a receiver's check, written from the specification and not from the sink.
func verify(secret string, header http.Header, body []byte, now time.Time) error {
	seconds, err := strconv.ParseInt(header.Get("webhook-timestamp"), 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return fmt.Errorf("timestamp %q", header.Get("webhook-timestamp"))
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	h := hmac.New(sha256.New, key)
	if _, err := fmt.Fprintf(h, "%s.%d.%s", header.Get("webhook-id"), seconds, body); err != nil {
		return err
	}
	for signature := range strings.SplitSeq(header.Get("webhook-signature"), " ") {
		version, text, _ := strings.Cut(signature, ",")
		if got, err := base64.StdEncoding.DecodeString(text); version == "v1" && err == nil && hmac.Equal(got, h.Sum(nil)) {
			return nil
		}
	}
	return errors.New("no signature fits")
}

// The published vector.
func TestWebhookVector(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, webhookPrefix))
	if err != nil {
		t.Fatal(err)
	}
	got := sign(key, "msg_1", "1700000000", []byte(`{"type":"alert.fired","timestamp":"2026-11-24T02:45:00Z","data":{"id":"al_1"}}`))
	if want := "v1,G4m6koj+vQO2Ojul66xCjqTK7nU30Zk5DYYDvsOIbEU="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// While a secret is rotated, both sign; the file is written anew while the program runs.
func TestWebhookRotation(t *testing.T) {
	const next = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	file := writeSecret(t, webhookSecret)
	sink, err := Settings{Kind: "webhook", URL: r.URL, SecretFile: file, AllowPrivate: true}.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.(io.Closer).Close()
	for _, c := range []struct {
		lines    []string
		old, new bool
	}{{[]string{webhookSecret}, true, false}, {[]string{"# both, until the receiver has the new one", next, "", webhookSecret}, true, true}, {[]string{next}, false, true}} {
		rewrite(t, file, c.lines...)
		if _, err := send(t, sink, &Notification{Record: alert("inc_1", 1, firing)}); err != nil {
			t.Fatal(err)
		}
		got := r.deliveries()
		last := got[len(got)-1]
		if old := verify(webhookSecret, last.header, last.body, testNow) == nil; old != c.old {
			t.Errorf("%q: the old secret verifies: %v", c.lines, old)
		}
		if fits := verify(next, last.header, last.body, testNow) == nil; fits != c.new {
			t.Errorf("%q: the new secret verifies: %v", c.lines, fits)
		}
	}
	if got := r.deliveries(); !bytes.Equal(got[0].body, got[2].body) {
		t.Error("attempts at one revision differ in the body")
	}
}

// A list that is longer than the sink's limit is cut there, with its length and a link beside it.
func TestWebhookCutsUsers(t *testing.T) {
	var users []string
	for i := range 5000 {
		users = append(users, fmt.Sprintf("user-%d", i))
	}
	r := alert("inc_1", 1, firing, func(r *incident.Record) {
		r.Scope, r.Links = incident.UsersScope(users, "device"), map[string]string{"incident": "https://war.example.org/incidents/inc_1"}
	})
	body, err := (&webhook{}).body(&Notification{Record: r, Now: testNow})
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Data struct {
			Scope struct {
				Users []string
				Total int    `json:"users_total"`
				Link  string `json:"users_link"`
			}
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	s := m.Data.Scope
	if len(body) >= webhookLimit || len(s.Users) < 300 || !slices.Equal(s.Users, users[:len(s.Users)]) || s.Total != 5000 || s.Link != r.Links["incident"] {
		t.Errorf("%d bytes with %d of %d users, %q", len(body), len(s.Users), s.Total, s.Link)
	}
}

// Settings that cannot work are refused at the start, in a line that shows no secret.
func TestSecretsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		s    Settings
		want string
	}{
		{"no file", Settings{Kind: "webhook", URL: "https://x.example", SecretFile: "/nowhere/s"}, "read secret /nowhere/s: no such file or directory; write it there"},
		{"an empty file", Settings{Kind: "pagerduty", RoutingKeyFile: writeSecret(t, "", "# comment")}, "is empty; write the secret there"},
		{"two keys", Settings{Kind: "pagerduty", RoutingKeyFile: writeSecret(t, "hunter2-a", "hunter2-b")}, "holds 2 lines where one belongs"},
		{"no base64", Settings{Kind: "webhook", URL: "https://x.example", SecretFile: writeSecret(t, "whsec_hunter2!")}, "line 1 is no secret of a webhook; write whsec_"},
		{"no address", Settings{Kind: "slack", URLFile: writeSecret(t, "hunter2")}, "is no web address"},
		{"not encrypted", Settings{Kind: "slack", URLFile: writeSecret(t, "http://hooks.example.org/hunter2")}, "is not encrypted or leads to a private address"},
		{"inside", Settings{Kind: "slack", URLFile: writeSecret(t, "https://10.0.0.1/hunter2")}, "is not encrypted or leads to a private address"},
		{"a large file", Settings{Kind: "slack", URLFile: writeSecret(t, strings.Repeat("hunter2", 5000))}, "larger than 16 KiB"},
		{"no kind", Settings{Kind: "pigeon"}, `"pigeon" is no kind of sink; use one of alertmanager, pagerduty, slack, smtp, stdout, webhook`},
	} {
		c.s.Name = "a"
		_, err := c.s.Open(io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// A name that leads inside is refused when it is dialled, whatever it was when it was looked up before.
func TestPrivateAddressesAreRefusedWhenDialled(t *testing.T) {
	inner := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	_, port, err := net.SplitHostPort(inner.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	names := fakeDNS(t, net.IPv4(127, 0, 0, 1))
	for _, c := range []struct {
		allow bool
		want  string
	}{{false, "127.0.0.1 is a private address; set allow_private: true"}, {true, ""}} {
		d := dialer(c.allow)
		d.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", names)
		}}
		client := newClient(c.allow)
		client.http.Transport.(*http.Transport).DialContext = d.DialContext
		_, err := client.post(t.Context(), "http://hooks.example.org:"+port+"/", nil, []byte("{}"), testNow)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("allowed %v: %v", c.allow, err)
		}
		_ = client.Close()
	}
	if n := len(inner.deliveries()); n != 1 {
		t.Errorf("%d requests arrived inside, want the one that was allowed", n)
	}
}

// fakeDNS answers every question for an IPv4 address with ip, and all others with nothing.
func fakeDNS(t *testing.T, ip net.IP) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			end := 12 // of the question: labels, a zero, type and class
			for end < n && buf[end] != 0 {
				end += int(buf[end]) + 1
			}
			end += 5
			question := buf[12:end]
			address := binary.BigEndian.Uint16(question[len(question)-4:]) == 1
			answer := append([]byte{buf[0], buf[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			if address {
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, ip.To4()...)
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return conn.LocalAddr().String()
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0": 0, "-5": 0, "1e9": 0, "1000000000": maxRetryAfter, "99999999999999999999999": maxRetryAfter, "soon": 0,
		testNow.Add(time.Minute).Format(http.TimeFormat): time.Minute, testNow.Add(-time.Minute).Format(http.TimeFormat): 0,
		"Fri, 31 Dec 9999 23:59:59 GMT": maxRetryAfter,
	} {
		if got := retryAfter(text, testNow); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestInert(t *testing.T) {
	for text, want := range map[string]string{
		"pro in eu-west-1 charged 12x since 14:00Z: 33 users, 3.43 credits (94% sure)": "pro in eu-west-1 charged 12x since 14:00Z: 33 users, 3.43 credits (94% sure)",
		"alice@example.org": "alice@example.org", "@channel": `\x40channel`, "<!channel>": `\x3c!channel\x3e`, "\x1b[1m": `\x1b\x5b1m`,
		"[a](https://b)": `\x5ba\x5d(https:\x2f/b)`, "a\nb": `a\x0ab`, "\u202e": `\u202e`, "é日本": "é日本", "": "", "a|b": `a\x7cb`,
	} {
		if got := inert(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if again := inert(want); again != want {
			t.Errorf("%q changes again to %q", want, again)
		}
	}
}

// Escapes in JSON change no value.
func TestJSONTextKeepsValues(t *testing.T) {
	for _, text := range append(hostile, "\U000e0041", "日本 é", "\u2028") {
		body, err := jsonText(text)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(body, &got); err != nil || got != strings.ToValidUTF8(text, "\ufffd") {
			t.Errorf("%q came back as %q (%v) from %s", text, got, err, body)
		}
	}
}
