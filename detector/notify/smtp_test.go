package notify

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

func rewrite(t testing.TB, file string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mailServer speaks as much of RFC 5321 as a client needs. Replies override what it answers to a verb.
type mailServer struct {
	net.Listener
	replies map[string]string
	tls     *tls.Config // offers STARTTLS
	work    sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	got   []delivery
}

func newMailServer(t testing.TB, replies map[string]string, secure *tls.Config) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{Listener: l, replies: replies, tls: secure}
	s.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.work.Go(func() { defer conn.Close(); s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.work.Wait()
	})
	return s
}

func (s *mailServer) deliveries() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivery(nil), s.got...)
}

// set changes what is answered to a verb.
func (s *mailServer) set(verb, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replies == nil {
		s.replies = map[string]string{}
	}
	if s.replies[verb] = reply; reply == "" {
		delete(s.replies, verb)
	}
}

func (s *mailServer) serve(conn net.Conn) {
	in := textproto.NewReader(bufio.NewReader(conn))
	say := func(verb, otherwise string) bool {
		s.mu.Lock()
		text, ok := s.replies[verb]
		s.mu.Unlock()
		if !ok {
			text = otherwise
		}
		switch text {
		case "never":
			_, _ = io.Copy(io.Discard, conn)
			return false
		case "endless":
			for {
				if _, err := conn.Write([]byte("220-" + strings.Repeat("x", 1000) + "\r\n")); err != nil {
					return false
				}
			}
		}
		_, err := io.WriteString(conn, text+"\r\n")
		return err == nil
	}
	if !say("connect", "220 mail.example.org ESMTP") {
		return
	}
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "EHLO":
			features := "250-mail.example.org\r\n250-AUTH PLAIN\r\n250 8BITMIME"
			if _, secure := conn.(*tls.Conn); s.tls != nil && !secure {
				features = "250-mail.example.org\r\n250-STARTTLS\r\n250 8BITMIME"
			}
			say(verb, features)
		case "STARTTLS":
			say(verb, "220 go ahead")
			secure := tls.Server(conn, s.tls)
			if secure.Handshake() != nil {
				return
			}
			conn, in = secure, textproto.NewReader(bufio.NewReader(secure))
		case "DATA":
			if !say(verb, "354 go ahead") {
				return
			}
			body, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			s.mu.Lock()
			if verdict := s.replies["."]; verdict == "" || verdict == "never" { // taken, even where it does not say so
				s.got = append(s.got, delivery{body: body})
			}
			s.mu.Unlock()
			say(".", "250 queued")
		case "QUIT":
			say(verb, "221 bye")
			return
		case "AUTH":
			say(verb, "235 welcome")
		default:
			say(verb, "250 ok")
		}
	}
}

func mailSettings(s *mailServer) Settings {
	return Settings{Kind: "smtp", URL: "smtp://" + s.Addr().String(), From: "Drainwatch <alerts@example.org>", To: []string{"oncall@example.org", "Büro <buero@example.org>"}, AllowPrivate: true}
}

var smtpStand = stand{
	settings: func(t *testing.T, r *receiver) Settings {
		t.Helper()
		r.mail = newMailServer(t, nil, nil)
		return mailSettings(r.mail)
	},
	key: func(t *testing.T, d delivery) string { t.Helper(); return readMail(t, d).Header.Get("Message-Id") },
	schema: func(t *testing.T, d delivery) {
		t.Helper()
		m := readMail(t, d)
		for _, name := range []string{"From", "To", "Subject", "Date", "Message-Id", "References"} {
			if m.Header.Get(name) == "" {
				t.Errorf("no %s", name)
			}
		}
		if kind, _, err := mime.ParseMediaType(m.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
			t.Errorf("content type %q", m.Header.Get("Content-Type"))
		}
		if len(m.Header["Bcc"]) > 0 || len(m.Header["To"]) != 1 {
			t.Errorf("headers %v", m.Header)
		}
		for line := range bytes.Lines(d.body) {
			if len(line) > 998 { // RFC 5322, 2.1.1
				t.Errorf("a line of %d bytes", len(line))
			}
		}
	},
}

func readMail(t *testing.T, d delivery) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(d.body))
	if err != nil {
		t.Fatalf("%v in %.300s", err, d.body)
	}
	return m
}

func TestMailThread(t *testing.T) {
	sink, r := setUp(t, "smtp")
	first := alert("inc_1", 1, firing)
	if _, err := send(t, sink, &Notification{Record: first}); err != nil {
		t.Fatal(err)
	}
	over := alert("inc_1", 2, resolved)
	over.Title = "Metering bug: another title"
	if _, err := send(t, sink, &Notification{Record: over, First: slim(&first), Before: []*incident.Record{slim(&first)}}); err != nil {
		t.Fatal(err)
	}
	var mails []*mail.Message
	for _, d := range r.deliveries() {
		mails = append(mails, readMail(t, d))
	}
	a, b := mails[0].Header, mails[1].Header
	if a.Get("References") != "<inc_1@example.org>" || a.Get("References") != b.Get("References") || a.Get("Message-Id") == b.Get("Message-Id") || b.Get("Subject") != "Re: "+a.Get("Subject") {
		t.Errorf("not one thread:\n%v\n%v", a, b)
	}
	if a.Get("Importance") != "high" || a.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("headers %v", a)
	}
	if body, err := io.ReadAll(mails[1].Body); err != nil || !strings.HasPrefix(string(body), "RESOLVED  METERING BUG") {
		t.Errorf("%v: %.100s", err, body)
	}
}

func TestMailJudgesAnswers(t *testing.T) {
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.StartTLS()
	cert := unknown.TLS
	unknown.Close()
	for _, c := range []struct {
		name    string
		replies map[string]string
		secure  *tls.Config
		change  func(*Settings)
		want    string // outcome
		says    string
	}{
		{name: "taken", want: "done"},
		{name: "the farewell is lost", replies: map[string]string{"QUIT": "500 what"}, want: "done"},
		{name: "busy", replies: map[string]string{"connect": "421 try later"}, want: "retry"},
		{name: "full", replies: map[string]string{"RCPT": "452 mailbox full"}, want: "retry"},
		{name: "nobody there", replies: map[string]string{"RCPT": "550 no such user"}, want: "refused", says: "no such user"},
		{name: "no content", replies: map[string]string{".": "554 spam"}, want: "refused"},
		{name: "not now", replies: map[string]string{".": "451 greylisted"}, want: "retry"},
		{name: "silent", replies: map[string]string{"connect": "never"}, want: "retry"},
		{name: "silent later", replies: map[string]string{".": "never"}, want: "retry"},
		{name: "talks without end", replies: map[string]string{"connect": "endless"}, want: "retry"},
		{name: "no encryption", change: func(s *Settings) {
			s.AllowPrivate = false
			s.URL = strings.Replace(s.URL, "127.0.0.1", "mail.example.org", 1)
		}, want: "retry"},
		{name: "strange certificate", secure: cert, want: "retry", says: "certificate"},
		{name: "wrong password", replies: map[string]string{"AUTH": "535 no, not hunter2-secret"}, change: func(s *Settings) { s.Username, s.PasswordFile = "u", writeSecret(t, "hunter2-secret") }, want: "retry"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := newMailServer(t, c.replies, c.secure)
			s := mailSettings(server)
			if c.change != nil {
				c.change(&s)
			}
			sink, err := s.Open(nil)
			if err != nil {
				t.Fatal(err)
			}
			if m := sink.(*mailer); !m.allowPrivate { // resolves to the test's server, as a rebound name would
				m.host = "127.0.0.1"
			}
			n := &Notification{Record: alert("inc_1", 1, firing), Now: time.Now()}
			ctx := t.Context()
			if strings.Contains(c.name, "silent") {
				sink.(*mailer).patience = time.Second
			}
			_, err = sink.Send(ctx, n)
			got := "done"
			if err != nil {
				kind, _ := outcome(err)
				got = outcomeNames[kind]
			}
			if got != c.want || c.says != "" && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %s", got, err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2-secret") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%v", err)
			}
			if n := len(server.deliveries()); (n == 1) != (c.want == "done" || c.name == "silent later") {
				t.Errorf("%d mails", n)
			}
		})
	}
}
