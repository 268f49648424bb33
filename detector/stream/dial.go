package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

const dialTimeout = 10 * time.Second // TCP, TLS, versions and SASL together

// errTooOld says that a broker lacks a version of the protocol that is needed.
var errTooOld = errors.New("broker is older than Kafka 2.4, which is the oldest supported")

// dialer opens authenticated connections to brokers.
type dialer struct {
	clientID  string
	tls       *tls.Config
	mechanism sasl.Mechanism
	patience  time.Duration // of its connections
}

func newDialer(c Config, patience time.Duration) (*dialer, error) {
	d := &dialer{clientID: c.ClientID, patience: patience}
	if c.TLS.Enabled {
		conf, err := c.TLS.config()
		if err != nil {
			return nil, err
		}
		d.tls = conf
	}
	if c.SASL.Mechanism != "" {
		if _, err := c.SASL.password(); err != nil {
			return nil, err
		}
		d.mechanism = credentials(c.SASL)
	}
	return d, nil
}

func (t TLS) config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls: ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: ca_file %s: holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("tls: cert_file %s: %w", t.CertFile, err)
			}
			return &cert, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return conf, nil
}

func (s SASL) password() (string, error) {
	if s.PasswordFile == "" {
		return s.Password, nil
	}
	b, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("sasl: password_file: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// credentials is a sasl.Mechanism that reads the password when a connection is made.
type credentials SASL

// Name implements sasl.Mechanism.
func (c credentials) Name() string { return c.Mechanism }

// Start implements sasl.Mechanism.
func (c credentials) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	password, err := SASL(c).password()
	if err != nil {
		return nil, nil, err
	}
	if c.Mechanism == PLAIN {
		return plain.Mechanism{Username: c.Username, Password: password}.Start(ctx)
	}
	algorithm := scram.SHA256
	if c.Mechanism == SCRAMSHA512 {
		algorithm = scram.SHA512
	}
	m, err := scram.Mechanism(algorithm, c.Username, password)
	if err != nil {
		return nil, nil, fmt.Errorf("sasl: %s: %w", c.Mechanism, err)
	}
	return m.Start(ctx)
}

// dial connects to a broker, agrees on versions and authenticates.
func (d *dialer) dial(ctx context.Context, addr string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	l, err := d.greet(ctx, nc, addr)
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return l, nil
}

func (d *dialer) greet(ctx context.Context, nc net.Conn, addr string) (*link, error) {
	if d.tls != nil {
		conf := d.tls.Clone()
		conf.ServerName, _, _ = net.SplitHostPort(addr)
		tc := tls.Client(nc, conf)
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		nc = tc
	}
	l := &link{addr: addr, nc: nc, pc: protocol.NewConn(nc, d.clientID), clientID: d.clientID, patience: d.patience}
	done := l.guard(ctx, dialTimeout)
	defer done()
	res, err := l.pc.RoundTrip(&apiversions.Request{})
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the broker hung up: does this port want TLS? (%w)", err)
	}
	if err != nil {
		return nil, err
	}
	l.versions = make(map[protocol.ApiKey]int16)
	for _, k := range res.(*apiversions.Response).ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		l.versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
	}
	if l.versions[protocol.Fetch] < fetchVersion {
		return nil, errTooOld
	}
	l.pc.SetVersions(l.versions)
	if d.mechanism != nil {
		if err := authenticate(ctx, l.pc, d.mechanism); err != nil {
			return nil, fmt.Errorf("sasl %s: %w", d.mechanism.Name(), err)
		}
	}
	return l, nil
}

func authenticate(ctx context.Context, pc *protocol.Conn, m sasl.Mechanism) error {
	res, err := pc.RoundTrip(&saslhandshake.Request{Mechanism: m.Name()})
	if err != nil {
		return err
	}
	hand := res.(*saslhandshake.Response)
	if err := codeError(hand.ErrorCode); err != nil {
		return fmt.Errorf("the broker offers %s: %w", strings.Join(hand.Mechanisms, ", "), err)
	}
	state, answer, err := m.Start(ctx)
	for done := false; err == nil && !done; {
		res, err = pc.RoundTrip(&saslauthenticate.Request{AuthBytes: answer})
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return kafka.SASLAuthenticationFailed // some brokers only hang up
		}
		if err != nil {
			return err
		}
		auth := res.(*saslauthenticate.Response)
		if err := codeError(auth.ErrorCode); err != nil {
			return err
		}
		done, answer, err = state.Next(ctx, auth.AuthBytes)
	}
	return err
}
