package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

const (
	smtpTimeout  = 15 * time.Second
	smtpReading  = 256 << 10 // bytes that a server may say in one delivery
	smtpSubject  = 200
	smtpBodyLine = 4 << 10
)

// mailer sends plain text over SMTP, a thread an incident. smtps:// is encrypted from the start, smtp:// must become so by
// STARTTLS, unless allow_private says that the relay is inside: then it is encrypted where the relay can.
type mailer struct {
	host         string
	port         int
	implicitTLS  bool
	allowPrivate bool
	from         *mail.Address
	to           []string
	username     string
	password     secretFile
	domain       string        // of the sender; ids of messages end in it
	patience     time.Duration // for an answer
	words        wording
}

func newSMTP(s Settings, _ io.Writer) (Sink, error) {
	m, err := parseSMTP(s)
	if err == nil && m.username != "" {
		_, err = m.password.one()
	}
	if err == nil {
		m.words, err = s.words(nil)
	}
	return m, err
}

func checkSMTP(s Settings) error {
	_, err := parseSMTP(s)
	return err
}

// parseSMTP reads the settings; the error is a *SettingError.
func parseSMTP(s Settings) (*mailer, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return nil, &SettingError{"url", "is no mail server; write smtps://host:465, or smtp://host:587 for STARTTLS"}
	}
	if u.User != nil {
		return nil, &SettingError{"url", "carries a user name or password; name them in username and password_file"}
	}
	m := &mailer{
		host: u.Hostname(), implicitTLS: u.Scheme == "smtps", allowPrivate: s.AllowPrivate,
		username: s.Username, password: secretFile(s.PasswordFile), to: s.To, patience: smtpTimeout,
	}
	port := cmp.Or(u.Port(), map[bool]string{true: "465", false: "587"}[m.implicitTLS])
	if m.port, err = strconv.Atoi(port); err != nil || m.port > 65535 {
		return nil, &SettingError{"url", fmt.Sprintf("%q is no port", port)}
	}
	if !s.AllowPrivate && PrivateHost(m.host) {
		return nil, &SettingError{"url", m.host + " is a private address; use a public one, or set allow_private: true for a relay inside your own network"}
	}
	if m.from, err = mail.ParseAddress(s.From); err != nil {
		return nil, &SettingError{"from", fmt.Sprintf("%q is no mail address; write one such as alerts@example.org", s.From)}
	}
	_, m.domain, _ = strings.Cut(m.from.Address, "@")
	for _, to := range s.To {
		if _, err := mail.ParseAddress(to); err != nil {
			return nil, &SettingError{"to", fmt.Sprintf("%q is no mail address; write one such as oncall@example.org", to)}
		}
	}
	if (s.Username == "") != (s.PasswordFile == "") {
		return nil, &SettingError{"password_file", "belongs together with username; give both or neither"}
	}
	return m, nil
}

// Policy implements Sink.
func (m *mailer) Policy() Policy {
	return Policy{
		Timeout: 2 * smtpTimeout, Within: 72 * time.Hour, OnlyChanges: true,
		Waits: []time.Duration{15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute},
	}
}

// Send implements Sink.
func (m *mailer) Send(ctx context.Context, n *Notification) (string, error) {
	msg, err := m.message(n)
	if err != nil {
		return "", refusef("write mail: %w", err)
	}
	options := []gomail.Option{
		gomail.WithPort(m.port), gomail.WithTimeout(m.patience), gomail.WithTLSConfig(m.tls()),
		gomail.WithDialContextFunc(m.dial), gomail.WithoutNoop(),
	}
	switch {
	case m.implicitTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS)) // it is encrypted already
	case m.allowPrivate:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	secret := ""
	if m.username != "" {
		if secret, err = m.password.one(); err != nil {
			return "", err
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(m.username), gomail.WithPassword(secret))
	}
	c, err := gomail.NewClient(m.host, options...)
	if err != nil {
		return "", refusef("mail server %s: %w", m.host, err)
	}
	if err := c.DialWithContext(ctx); err != nil {
		return "", m.failure("reach", err, secret)
	}
	defer func() { _ = c.Close() }() // the mail has been taken by then, or not: a lost farewell changes nothing
	if err := c.Send(msg); err != nil {
		return "", m.failure("send by", err, secret)
	}
	return "taken by " + m.host + " as " + msg.GetMessageID(), nil
}

// failure says what follows: a 5xx to the mail itself is for good.
func (m *mailer) failure(doing string, err error, secret string) error {
	said := errors.New(maskAll(inert(strings.Join(strings.Fields(err.Error()), " ")), secret))
	f := &Failure{Err: fmt.Errorf("%s %s: %w", doing, m.host, said)}
	if s, ok := errors.AsType[*gomail.SendError](err); ok && s.ErrorCode()/100 == 5 {
		f.Outcome = Refused
	}
	return f
}

func (m *mailer) message(n *Notification) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := msg.From(m.from.String()); err != nil {
		return nil, err
	}
	if err := msg.To(m.to...); err != nil {
		return nil, err
	}
	// Mail programs tie a thread by its references, some also by its subject: so it stays as it was said first.
	thread := *n
	if n.First != nil {
		thread.Record = *n.First
	}
	subject := cut(m.words.titleOf(&thread, thread.title()), smtpSubject) + " (" + inert(n.Record.Incident) + ")"
	if n.First != nil {
		subject = "Re: " + subject
	}
	msg.Subject(subject)
	msg.SetDateWithValue(n.Now)
	msg.SetMessageIDWithValue(n.Key() + "@" + m.domain)
	root := "<" + n.Record.Incident + "@" + m.domain + ">" // nobody has it: mail programs make a thread of those that refer to it
	msg.SetGenHeader(gomail.HeaderReferences, root)
	msg.SetGenHeader(gomail.HeaderInReplyTo, root)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if n.Record.Severity == "page" {
		msg.SetGenHeader(gomail.HeaderImportance, "high")
	}
	var b strings.Builder
	if text, ok := m.words.bodyOf(n); ok {
		fmt.Fprintf(&b, "%s\n", text)
	} else {
		fmt.Fprintf(&b, "%s\n\n", n.headline())
		for _, f := range n.facts() {
			fmt.Fprintf(&b, "%-9s %s\n", f.label, cut(f.text, smtpBodyLine))
		}
	}
	for _, l := range []struct{ label, href string }{{"see", n.Record.Links["incident"]}, {"runbook", n.Record.Runbook}} {
		if l.href != "" {
			fmt.Fprintf(&b, "%-9s %s\n", l.label, l.href)
		}
	}
	msg.SetBodyString(gomail.TypeTextPlain, b.String())
	return msg, nil
}

func (m *mailer) tls() *tls.Config {
	return &tls.Config{ServerName: m.host, MinVersion: tls.VersionTLS12}
}

// dial connects, with the address checked, and hangs up when ctx is done.
func (m *mailer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := dialer(m.allowPrivate).DialContext(ctx, network, address)
	if err != nil {
		return nil, plainError(ctx, err)
	}
	conn := net.Conn(&shortConn{Conn: raw, left: smtpReading})
	if !m.implicitTLS {
		return conn, nil
	}
	secure := tls.Client(conn, m.tls())
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// shortConn ends a server that talks without end.
type shortConn struct {
	net.Conn
	left int
}

// Read implements net.Conn.
func (c *shortConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("said more than %d KiB", smtpReading>>10)
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
