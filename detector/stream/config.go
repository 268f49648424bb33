package stream

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SASL mechanisms that Config accepts.
const (
	PLAIN       = "PLAIN"
	SCRAMSHA256 = "SCRAM-SHA-256"
	SCRAMSHA512 = "SCRAM-SHA-512"
)

// Config says which cluster, which topic and as whom. The zero value of every field but Brokers means its default.
type Config struct {
	Brokers  []string // host:port, any of the cluster
	Topic    string   // the source
	Group    string
	ClientID string // default DefaultClientID
	TLS      TLS
	SASL     SASL
	Start    Start // where a partition without a committed offset begins
}

// DefaultClientID is what brokers see in their logs and quotas.
const DefaultClientID = "drainwatch"

// TLS configures encryption. The client certificate is read again at each handshake, so it can be rotated.
type TLS struct {
	Enabled           bool
	CAFile            string // PEM; default: the system's roots
	CertFile, KeyFile string // PEM, both or none
}

// SASL configures authentication; no mechanism means none. A password file is read again at each connection, so
// it can be rotated.
type SASL struct {
	Mechanism    string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Username     string
	Password     string
	PasswordFile string
}

// String leaves the password out.
func (s SASL) String() string {
	if s.Mechanism == "" {
		return "none"
	}
	return s.Mechanism + " as " + s.Username
}

// GoString leaves the password out.
func (s SASL) GoString() string { return s.String() }

// Start says where reading begins: the zero value at the earliest record, otherwise at the next one to come or
// at the first whose timestamp is not before Time.
type Start struct {
	Latest bool
	Time   time.Time
}

// ParseStart understands `earliest` (or nothing), `latest` and an RFC 3339 time.
func ParseStart(s string) (Start, error) {
	switch s {
	case "", "earliest":
		return Start{}, nil
	case "latest":
		return Start{Latest: true}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return Start{}, fmt.Errorf("start %q: want earliest, latest or a time such as 2026-06-25T14:00:00Z", s)
	}
	return Start{Time: at}, nil
}

// String is the form that ParseStart understands.
func (s Start) String() string {
	switch {
	case s.Latest:
		return "latest"
	case !s.Time.IsZero():
		return s.Time.UTC().Format(time.RFC3339Nano)
	}
	return "earliest"
}

// Validate reports every impossible setting, one line each.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Brokers) > 0, "brokers: none given: name at least one host:port")
	for _, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		n, perr := strconv.Atoi(port)
		check(err == nil && perr == nil && host != "" && n > 0 && n < 65536, "brokers: %q: want host:port", b)
	}
	if c.Topic != "" {
		check(validName(c.Topic), "topic %q: want 1 to 249 of letters, digits, '.', '_' and '-'", c.Topic)
	}
	check(!c.Start.Latest || c.Start.Time.IsZero(), "start: latest and a time exclude each other")
	check((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "tls: cert_file and key_file belong together: give both or none")
	check(c.TLS.Enabled || c.TLS.CAFile == "" && c.TLS.CertFile == "", "tls: files are given but enabled is false")
	s := c.SASL
	if s.Mechanism == "" {
		check(s.Username == "" && s.Password == "" && s.PasswordFile == "",
			"sasl: a username or password is given but no mechanism: want %s, %s or %s", PLAIN, SCRAMSHA256, SCRAMSHA512)
		return errors.Join(errs...)
	}
	check(slices.Contains([]string{PLAIN, SCRAMSHA256, SCRAMSHA512}, s.Mechanism),
		"sasl: mechanism %q: want %s, %s or %s", s.Mechanism, PLAIN, SCRAMSHA256, SCRAMSHA512)
	check(s.Username != "", "sasl: username is missing")
	check((s.Password == "") != (s.PasswordFile == ""), "sasl: want either a password or password_file")
	return errors.Join(errs...)
}

func validName(topic string) bool {
	if topic == "." || topic == ".." || len(topic) > 249 {
		return false
	}
	return strings.IndexFunc(topic, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}) < 0
}

// ApplyEnv sets what the usual Kafka variables say: KAFKA_BROKERS, KAFKA_TLS_ENABLED, KAFKA_TLS_CAFILEPATH,
// KAFKA_TLS_CERTFILEPATH, KAFKA_TLS_KEYFILEPATH, KAFKA_SASL_ENABLED, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and
// KAFKA_SASL_PASSWORD. Variables that lookup does not know or that are empty change nothing.
func (c *Config) ApplyEnv(lookup func(string) (string, bool)) error {
	get := func(name string, to *string) {
		if v, _ := lookup(name); v != "" {
			*to = v
		}
	}
	var brokers, useTLS, useSASL string
	get("KAFKA_BROKERS", &brokers)
	if brokers != "" {
		c.Brokers = nil
		for b := range strings.SplitSeq(brokers, ",") {
			if b = strings.TrimSpace(b); b != "" {
				c.Brokers = append(c.Brokers, b)
			}
		}
	}
	get("KAFKA_TLS_ENABLED", &useTLS)
	get("KAFKA_SASL_ENABLED", &useSASL)
	tls, err := envBool("KAFKA_TLS_ENABLED", useTLS, c.TLS.Enabled)
	if err != nil {
		return err
	}
	sasl, err := envBool("KAFKA_SASL_ENABLED", useSASL, c.SASL.Mechanism != "")
	if err != nil {
		return err
	}
	if c.TLS.Enabled = tls; tls {
		get("KAFKA_TLS_CAFILEPATH", &c.TLS.CAFile)
		get("KAFKA_TLS_CERTFILEPATH", &c.TLS.CertFile)
		get("KAFKA_TLS_KEYFILEPATH", &c.TLS.KeyFile)
	} else {
		c.TLS = TLS{}
	}
	if !sasl {
		c.SASL = SASL{}
		return nil
	}
	if c.SASL.Mechanism == "" {
		c.SASL.Mechanism = PLAIN // what the clients that coined these variables assume
	}
	get("KAFKA_SASL_MECHANISM", &c.SASL.Mechanism)
	get("KAFKA_SASL_USERNAME", &c.SASL.Username)
	if v, _ := lookup("KAFKA_SASL_PASSWORD"); v != "" {
		c.SASL.Password, c.SASL.PasswordFile = v, ""
	}
	return nil
}

func envBool(name, value string, otherwise bool) (bool, error) {
	if value == "" {
		return otherwise, nil
	}
	v, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s %q: want true or false", name, value)
	}
	return v, nil
}
