package main

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// checker holds the rules that go beyond the type of a value.
type checker struct {
	*decoder
	*Config
	warnings *[]string
}

// refuse notes a fault at the key, or at the nearest group around it that stands somewhere.
func (c *checker) refuse(key, format string, args ...any) {
	at := key
	for {
		if p, ok := c.places[at]; ok {
			c.faults = append(c.faults, fault{p.String(), p.line, key, fmt.Sprintf(format, args...)})
			return
		}
		at = at[:max(strings.LastIndexAny(at, ".["), 0)]
	}
}

// refuseText is refuse for a text of several lines: what begins with "line 2: " is laid at that line of the file.
func (c *checker) refuseText(key, what string) {
	c.refuse(key, "%s", what)
	f, p, line := &c.faults[len(c.faults)-1], c.places[key], 0
	if n, _ := fmt.Sscanf(what, "line %d:", &line); n == 0 || p.line == 0 || !p.block && line > 1 {
		return
	}
	if !p.block {
		line--
	}
	f.line = p.line + line
	f.where = place{source: p.source, line: f.line}.String()
	_, f.what, _ = strings.Cut(what, ": ")
}

func (c *checker) warn(key, format string, args ...any) {
	*c.warnings = append(*c.warnings, key+": "+fmt.Sprintf(format, args...))
}

func (c *checker) check() {
	c.checkIngest()
	c.checkKafkaSecurity()
	c.checkState()
	c.checkListen()
	c.checkDetection()
	c.checkThresholds()
	for i := range c.RateCard {
		c.checkRate(i)
	}
	c.checkPlans()
	for i := range c.Calendar {
		c.checkPlanned(i)
	}
	c.checkSinks()
	c.checkRoutes()
	c.checkHeartbeat()
}

// kafkaName is what Kafka takes as the name of a topic.
var kafkaName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// formats are the record formats of the contract; the first two have a decoder.
var formats = []string{"auto", "native", "cloudevents", "otel", "litellm", "openai", "anthropic"}

func (c *checker) checkIngest() {
	in := &c.Ingest
	if len(in.Brokers) == 0 {
		c.refuse("ingest.brokers", "names no broker; write at least one as host:port")
	}
	for i, b := range in.Brokers {
		c.checkAddress(fmt.Sprintf("ingest.brokers[%d]", i), b)
	}
	prefix := c.Topics.Prefix
	switch {
	case !kafkaName.MatchString(in.Topic) || in.Topic == "." || in.Topic == "..":
		c.refuse("ingest.topic", "%q is no topic name; use letters, digits, dots, dashes and underscores, at most 249", in.Topic)
	case in.Topic == prefix+"alerts", in.Topic == prefix+"dlq", strings.HasPrefix(in.Topic, prefix+"internal."):
		c.refuse("ingest.topic", "%q is a topic that this program writes; name the topic that carries the charges", in.Topic)
	}
	if prefix != "" && !kafkaName.MatchString(prefix+"internal.installation") {
		c.refuse("topics.prefix", "%q cannot begin a topic name; use letters, digits, dots, dashes and underscores", prefix)
	}
	if in.Group == "" {
		c.refuse("ingest.group", "is empty; name the consumer group, such as drainwatch")
	}
	switch at := slices.Index(formats, in.Format); {
	case at < 0:
		c.refuse("ingest.format", "%q is no format; %s", in.Format, suggest(in.Format, formats))
	case at > 1:
		c.refuse("ingest.format", "%s has no adapter in this version; send the native format and use auto", in.Format)
	}
	if _, _, err := parseStart(in.Start); err != nil {
		c.refuse("ingest.start", "%q %v", in.Start, err)
	}
	c.between("ingest.lateness", in.Lateness, time.Second, 24*time.Hour)
	c.between("ingest.dedupe", in.Dedupe, time.Minute, 7*24*time.Hour)
	if in.Dedupe < in.Lateness {
		c.refuse("ingest.dedupe", "%v is shorter than the lateness of %v, so that a late repeat would be charged twice; make it at least as long", in.Dedupe, in.Lateness)
	}
	if in.DedupeMemory < 1<<20 {
		c.refuse("ingest.dedupe_memory", "%d bytes hold no window; give at least 1MiB", in.DedupeMemory)
	}
}

// parseStart reads ingest.start: earliest, latest, or the time from which to read.
func parseStart(text string) (mode string, at time.Time, err error) {
	if text == "earliest" || text == "latest" {
		return text, time.Time{}, nil
	}
	var m moment
	if m.parse(text) != nil {
		return "", time.Time{}, fmt.Errorf("is no place to start; use earliest, latest or an RFC 3339 time")
	}
	return "time", m.Time, nil
}

func (c *checker) between(key string, d span, least, most time.Duration) {
	if time.Duration(d) < least || time.Duration(d) > most {
		c.refuse(key, "%v is out of range; give a length between %v and %v", d, span(least), span(most))
	}
}

// checkAddress refuses what is not host:port.
func (c *checker) checkAddress(key, address string) bool {
	host, port, err := net.SplitHostPort(address)
	n, perr := strconv.Atoi(port)
	if err != nil || host == "" || strings.ContainsAny(host, "/ @") || perr != nil || n < 0 || n > 65535 {
		c.refuse(key, "%q is no address; write host:port, such as 127.0.0.1:9092", address)
		return false
	}
	return true
}

func (c *checker) checkKafkaSecurity() {
	t, s := c.Ingest.TLS, c.Ingest.SASL
	if !t.Enabled && (t.CAFile != "" || t.CertFile != "" || t.KeyFile != "") {
		c.refuse("ingest.tls", "names files while it is off; set enabled: true or drop the files")
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		c.refuse("ingest.tls", "a client certificate takes both cert_file and key_file; give both or neither")
	}
	mechanisms := []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	switch {
	case s.Mechanism == "" && s.Username == "" && s.PasswordFile == "":
	case !slices.Contains(mechanisms, s.Mechanism):
		c.refuse("ingest.sasl.mechanism", "%q is not supported; use %s", s.Mechanism, strings.Join(mechanisms, ", "))
	case s.Username == "":
		c.refuse("ingest.sasl.username", "is missing; name the account")
	case s.PasswordFile == "" && c.kafkaPassword == "":
		c.refuse("ingest.sasl.password_file", "is missing; name the file that holds the password")
	case s.Mechanism == "PLAIN" && !t.Enabled:
		c.warn("ingest.sasl", "PLAIN without TLS sends the password readable over the network; set tls.enabled")
	}
	for _, f := range []struct{ key, file string }{
		{"ingest.tls.ca_file", t.CAFile}, {"ingest.tls.cert_file", t.CertFile},
	} {
		if _, err := os.Stat(f.file); f.file != "" && err != nil {
			c.warn(f.key, "%s cannot be read here", f.file)
		}
	}
	c.checkSecretFile("ingest.tls.key_file", t.KeyFile)
	c.checkSecretFile("ingest.sasl.password_file", s.PasswordFile)
}

// checkSecretFile warns of a secret that is missing here, which may be right on another machine, or that others can read.
func (c *checker) checkSecretFile(key, file string) {
	if file == "" {
		return
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		c.warn(key, "%s cannot be read here", file)
	case info.Mode().Perm()&0o004 != 0:
		c.warn(key, "%s can be read by everybody on this machine; chmod o-r it", file)
	}
}

func (c *checker) checkState() {
	switch c.State.Store {
	case "dir":
		if c.State.Path == "" {
			c.refuse("state.path", "is empty; name the directory that keeps the state")
		}
	case "kafka":
	default:
		c.refuse("state.store", "%q is no store; use dir or kafka", c.State.Store)
	}
	c.between("state.every", c.State.Every, time.Second, time.Hour)
}

func (c *checker) checkListen() {
	api := c.checkAddress("listen.api", c.Listen.API)
	probes := c.checkAddress("listen.probes", c.Listen.Probes)
	if api && probes && c.Listen.API == c.Listen.Probes && !strings.HasSuffix(c.Listen.API, ":0") {
		c.refuse("listen.probes", "is the address of listen.api; give the probes a port of their own")
	}
	if api && !c.Listen.Open && !loopback(c.Listen.API) {
		c.refuse("listen.api", "%s can be reached from other machines, and nobody is authenticated there; use 127.0.0.1 behind a proxy that asks who it is, or set listen.open: true to accept that", c.Listen.API)
	}
	if c.Listen.URL != "" {
		c.checkLink("listen.url", c.Listen.URL)
	}
	if c.Runbook != "" {
		c.checkLink("runbook", c.Runbook)
	}
}

func (c *checker) checkDetection() {
	if len(c.Dimensions) == 0 {
		c.refuse("dimensions", "is empty; name at least one, or leave the key out for all")
	}
	for i, name := range c.Dimensions {
		key := fmt.Sprintf("dimensions[%d]", i)
		if _, ok := event.ParseDim(name); !ok {
			c.refuse(key, "%q is no dimension; %s", name, suggest(name, defaultConfig().Dimensions))
		} else if slices.Index(c.Dimensions, name) < i {
			c.refuse(key, "%s stands here twice; keep one", name)
		}
	}
	if c.Severity.PageFactor <= 1 {
		c.refuse("severity.page_factor", "%v would page for everything; give a multiple above 1, such as 1.5", c.Severity.PageFactor)
	}
	if c.Severity.MinUsers < 1 {
		c.refuse("severity.min_users", "%d is out of range; give at least 1", c.Severity.MinUsers)
	}
	if c.Severity.MaterialCredits <= 0 {
		c.refuse("severity.material_credits", "is out of range; give a positive amount of credits")
	}
}

// checkWhere refuses conditions on what is not a dimension.
func (c *checker) checkWhere(key string, where map[string]string) {
	for _, name := range sortedKeys(where) {
		if _, ok := event.ParseDim(name); !ok {
			c.refuse(join(key, name), "is no dimension; %s", suggest(name, defaultConfig().Dimensions))
		} else if len(where[name]) > 128 {
			c.refuse(join(key, name), "is longer than the 128 bytes that an event can carry; shorten it")
		}
	}
}
