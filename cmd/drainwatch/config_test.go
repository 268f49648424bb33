package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/event"
)

var zerologNop = zerolog.Nop()

// mustParse reads a configuration that is right.
func mustParse(t *testing.T, text string, environ ...string) loaded {
	t.Helper()
	c, err := parseConfig("test.yaml", []byte(text), environ, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each file holds one kind of mistake. What has to be said about a line stands behind "# want: " on that line;
// several wants on a line are separated by " && ".
func TestConfigMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for i, line := range strings.Split(string(text), "\n") {
				if _, wants, ok := strings.Cut(line, "# want: "); ok {
					for w := range strings.SplitSeq(wants, " && ") {
						want = append(want, "f.yaml:"+strconv.Itoa(i+1)+": "+w)
					}
				}
			}
			_, err = parseConfig("f.yaml", text, nil, nil, nil)
			var found faults
			if !errors.As(err, &found) {
				t.Fatalf("accepted; %v", err)
			}
			if exitCode(err) != exitUsage {
				t.Errorf("exit code %d", exitCode(err))
			}
			for _, f := range found {
				got = append(got, f.Error())
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}

// The example of the public contract is right as it stands.
func TestConfigContractExample(t *testing.T) {
	text, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, string(text))
	o := c.engineOptions(zerologNop)
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(o.RateCard) != 2 || o.RateCard[0].Cached != 125_000_000 || o.RateCard[0].Round != 1_000 || o.RateCard[1].Where[event.Plan] != "business" {
		t.Errorf("rate card %+v", o.RateCard)
	}
	pro := o.Plans["pro"]
	if pro.FiveHour != 40*event.Credit || pro.Weekly != 300*event.Credit || pro.Pools["supplementary"] != 40*event.Credit || len(pro.Pools) != 1 {
		t.Errorf("plan %+v", pro)
	}
	if len(o.Calendar) != 1 || o.Calendar[0].Expect["requests"] != 2 || o.Calendar[0].Where[event.Plan] != "pro" {
		t.Errorf("calendar %+v", o.Calendar)
	}
	if o.Lateness != 2*time.Minute || o.DedupeWindow != 24*time.Hour || len(o.Dimensions) != int(event.NumDims) {
		t.Errorf("options %+v", o)
	}
}

// A price that gives no discount for cached input may leave it out; that must not make cached input free.
func TestConfigCachedPriceDefaultsToInput(t *testing.T) {
	c := mustParse(t, "rate_card: [{model: m, input: 1.25, output: 10}]")
	e := c.engineOptions(zerologNop).RateCard[0]
	if e.Cached != e.Input || e.CacheWrite != e.Input || e.Input != 1_250_000_000 {
		t.Errorf("%+v", e)
	}
}

func TestConfigLayers(t *testing.T) {
	const file = "ingest: {topic: from-file, group: from-file, brokers: [file:1]}"
	bindings := []binding{{"topic", "ingest.topic"}, {"brokers", "ingest.brokers"}}
	for _, tc := range []struct {
		name                 string
		env                  []string
		flags                map[string]string
		topic, group, broker string
	}{
		{"file", nil, nil, "from-file", "from-file", "file:1"},
		{"Kafka's variables over the file", []string{"KAFKA_BROKERS=kafka:1,kafka:2"}, nil, "from-file", "from-file", "kafka:1 kafka:2"},
		{"own variables over Kafka's", []string{"DRAINWATCH_INGEST_BROKERS=own:1", "KAFKA_BROKERS=kafka:1"}, nil, "from-file", "from-file", "own:1"},
		{"flags over variables", []string{"DRAINWATCH_INGEST_TOPIC=from-env", "DRAINWATCH_INGEST_GROUP=from-env"}, map[string]string{"topic": "from-flag", "brokers": "flag:1, flag:2"}, "from-flag", "from-env", "flag:1 flag:2"},
		{"an empty variable says nothing", []string{"DRAINWATCH_INGEST_TOPIC="}, nil, "from-file", "from-file", "file:1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := parseConfig("f.yaml", []byte(file), tc.env, bindings, tc.flags)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(c.Ingest.Brokers, " "); c.Ingest.Topic != tc.topic || c.Ingest.Group != tc.group || got != tc.broker {
				t.Errorf("topic %s, group %s, brokers %s", c.Ingest.Topic, c.Ingest.Group, got)
			}
		})
	}
}

// What a variable or flag says wrongly is laid at its door, not at the file's.
func TestConfigFaultsNameTheirSource(t *testing.T) {
	for _, tc := range []struct {
		name  string
		file  string
		env   []string
		flags map[string]string
		want  string
	}{
		{"variable", "", []string{"DRAINWATCH_INGEST_LATENESS=soon"}, nil, `DRAINWATCH_INGEST_LATENESS: ingest.lateness: "soon" is not a length of time; write a number and a unit, such as 90s, 2m, 24h or 7d`},
		{"Kafka's variable", "", []string{"KAFKA_BROKERS=a:1,b"}, nil, `KAFKA_BROKERS: ingest.brokers[1]: "b" is no address; write host:port, such as 127.0.0.1:9092`},
		{"flag", "ingest: {topic: fine}", nil, map[string]string{"topic": "not fine"}, `--topic: ingest.topic: "not fine" is no topic name; use letters, digits, dots, dashes and underscores, at most 249`},
		{"list in a variable", "", []string{"DRAINWATCH_RATE_CARD=[{model: m, input: x, output: 1}]"}, nil, `DRAINWATCH_RATE_CARD: rate_card[0].input: "x" is not an amount of credits; write a decimal number with at most nine places, such as 1.25`},
		{"broken YAML in a variable", "", []string{"DRAINWATCH_RATE_CARD=[{"}, nil, "DRAINWATCH_RATE_CARD: rate_card: is not YAML; write the value as it would stand in the file"},
		{"group of the wrong kind under a variable", "ingest: 5", []string{"DRAINWATCH_INGEST_TOPIC=t"}, nil, "f.yaml:1: ingest: is not a group of keys; write it as key: value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parseConfig("f.yaml", []byte(tc.file), tc.env, []binding{{"topic", "ingest.topic"}}, tc.flags)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

// Kubernetes puts DRAINWATCH_PORT and the like into the pods beside a service of that name: no reason to stop.
func TestConfigUnknownVariableWarns(t *testing.T) {
	c := mustParse(t, "", "DRAINWATCH_PORT=tcp://10.0.0.1:80", "DRAINWATCH_CONFIG=x", "OTHER=1")
	if len(c.warnings) != 1 || !strings.HasPrefix(c.warnings[0], "DRAINWATCH_PORT: ") {
		t.Errorf("warnings %q", c.warnings)
	}
}

// An anchor that a variable overrides in one place keeps its meaning in the other.
func TestConfigAnchors(t *testing.T) {
	c := mustParse(t, "plans:\n  pro: &p {weekly: 300}\n  plus: *p\nsinks: &none []\nroutes: *none\n")
	if c.Plans["plus"]["weekly"] != amount(300*event.Credit) {
		t.Errorf("plans %v", c.Plans)
	}
}

func TestConfigSecrets(t *testing.T) {
	dir := t.TempDir()
	open, closed := filepath.Join(dir, "open"), filepath.Join(dir, "closed")
	for file, mode := range map[string]os.FileMode{open: 0o644, closed: 0o600} {
		if err := os.WriteFile(file, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	hook := "sinks: [{name: a, kind: webhook, url: 'https://hooks.example.org/x?token=hunter2', secret_file: "
	if c := mustParse(t, hook+closed+"}]"); len(c.warnings) != 0 {
		t.Errorf("warnings %q", c.warnings)
	}
	for file, want := range map[string]string{open: "can be read by everybody", filepath.Join(dir, "none"): "cannot be read here"} {
		if c := mustParse(t, hook+file+"}]"); len(c.warnings) != 1 || !strings.Contains(c.warnings[0], want) {
			t.Errorf("warnings %q, want %s", c.warnings, want)
		}
	}
	c := mustParse(t, hook+closed+"}]\ningest: {sasl: {mechanism: SCRAM-SHA-512, username: u}}", "KAFKA_SASL_PASSWORD=hunter2")
	text, err := c.effective()
	if err != nil || strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), masked) {
		t.Errorf("%v\n%s", err, text)
	}
	if c.kafkaPassword != "hunter2" {
		t.Error("the password did not arrive")
	}
}

// What config check prints is a configuration that means the same.
func TestConfigEffectiveIsReadBack(t *testing.T) {
	text, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", string(text), "ingest: {dedupe_memory: 2000001, lateness: 90s}\nseverity: {material_credits: 0.000000001}", "thresholds: {volume: 43.25, farm: 1e6}", "heartbeat: {url: 'https://hc.example.org/5ec4e7?x=5ec4e7', every: 90s}"} {
		first := mustParse(t, text)
		printed, err := first.effective()
		if err != nil {
			t.Fatal(err)
		}
		second := mustParse(t, string(printed))
		again, err := second.effective()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(printed), "5ec4e7") {
			t.Errorf("shows a secret:\n%s", printed)
		}
		if string(again) != string(printed) || first.version() != second.version() {
			t.Errorf("printed\n%s\nread back as\n%s", printed, again)
		}
	}
}

// The version names the rules, so that a replay elsewhere says the same; where rows come from is no rule.
func TestConfigVersion(t *testing.T) {
	base := mustParse(t, "").version()
	for text, same := range map[string]bool{
		"ingest: {brokers: [elsewhere:9092], topic: t}": true,
		"listen: {api: 127.0.0.1:1}":                    true,
		"ingest: {lateness: 120s}":                      true,
		"ingest: {lateness: 3m}":                        false,
		"severity: {min_users: 6}":                      false,
		"thresholds: {volume: 52}":                      true,
		"thresholds: {volume: 53}":                      false,
		"rate_card: [{model: m, input: 1, output: 2}]":  false,
		"plans: {pro: {weekly: 1}}":                     false,
		"dimensions: [plan]":                            false,
		"calendar: [{from: 2026-06-28T00:00:00Z, to: 2026-06-29T00:00:00Z, what: w}]": false,
	} {
		if got := mustParse(t, text).version(); (got == base) != same {
			t.Errorf("%s: version %s, without it %s", text, got, base)
		}
	}
}

func FuzzConfig(f *testing.F) {
	files, _ := filepath.Glob("testdata/config/*.yaml")
	for _, file := range append(files, "testdata/contract.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig("f.yaml", text, nil, nil, nil)
		if err != nil {
			if exitCode(err) != exitUsage || err.Error() == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		o := c.engineOptions(zerologNop)
		if err := o.Validate(); err != nil {
			t.Fatalf("the detector refuses what was found right: %v", err)
		}
		if _, err := c.effective(); err != nil {
			t.Fatal(err)
		}
	})
}
