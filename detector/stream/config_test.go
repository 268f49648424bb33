package stream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/stream"
)

func TestValidate(t *testing.T) {
	brokers := []string{"127.0.0.1:9092"}
	for name, tc := range map[string]struct {
		c    stream.Config
		want string // "": valid
	}{
		"least":             {stream.Config{Brokers: brokers}, ""},
		"all":               {stream.Config{Brokers: []string{"a:1", "[::1]:9092"}, Topic: "usage.v1_x-y", Group: "g", TLS: stream.TLS{Enabled: true, CAFile: "ca", CertFile: "c", KeyFile: "k"}, SASL: stream.SASL{Mechanism: stream.SCRAMSHA512, Username: "u", PasswordFile: "f"}, Start: stream.Start{Latest: true}}, ""},
		"no brokers":        {stream.Config{}, "brokers: none given"},
		"no port":           {stream.Config{Brokers: []string{"kafka"}}, `brokers: "kafka": want host:port`},
		"a URL":             {stream.Config{Brokers: []string{"http://kafka:9092"}}, "want host:port"},
		"port of text":      {stream.Config{Brokers: []string{"kafka:http"}}, "want host:port"},
		"port too large":    {stream.Config{Brokers: []string{"kafka:65536"}}, "want host:port"},
		"topic":             {stream.Config{Brokers: brokers, Topic: "us/age"}, `topic "us/age"`},
		"topic of a dot":    {stream.Config{Brokers: brokers, Topic: "."}, `topic "."`},
		"two starts":        {stream.Config{Brokers: brokers, Start: stream.Start{Latest: true, Time: time.Unix(1, 0)}}, "exclude each other"},
		"half a key pair":   {stream.Config{Brokers: brokers, TLS: stream.TLS{Enabled: true, CertFile: "c"}}, "cert_file and key_file"},
		"TLS off":           {stream.Config{Brokers: brokers, TLS: stream.TLS{CAFile: "c"}}, "enabled is false"},
		"unknown mechanism": {stream.Config{Brokers: brokers, SASL: stream.SASL{Mechanism: "OAUTHBEARER", Username: "u", Password: "p"}}, "want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"},
		"no mechanism":      {stream.Config{Brokers: brokers, SASL: stream.SASL{Username: "u"}}, "no mechanism"},
		"no user":           {stream.Config{Brokers: brokers, SASL: stream.SASL{Mechanism: stream.PLAIN, Password: "p"}}, "username is missing"},
		"no password":       {stream.Config{Brokers: brokers, SASL: stream.SASL{Mechanism: stream.PLAIN, Username: "u"}}, "either a password or password_file"},
		"two passwords":     {stream.Config{Brokers: brokers, SASL: stream.SASL{Mechanism: stream.PLAIN, Username: "u", Password: "p", PasswordFile: "f"}}, "either a password or password_file"},
	} {
		err := tc.c.Validate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	err := stream.Config{Topic: "a b", SASL: stream.SASL{Mechanism: "X"}}.Validate()
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 5 {
		t.Errorf("%d faults reported at once, want 5: %v", n, err)
	}
}

func TestParseStart(t *testing.T) {
	at := time.Date(2026, 6, 25, 14, 0, 0, 0, time.UTC)
	for in, want := range map[string]stream.Start{
		"": {}, "earliest": {}, "latest": {Latest: true}, "2026-06-25T14:00:00Z": {Time: at},
	} {
		got, err := stream.ParseStart(in)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
		if again, err := stream.ParseStart(got.String()); err != nil || again != got {
			t.Errorf("%q became %q", in, got)
		}
	}
	if _, err := stream.ParseStart("yesterday"); err == nil || !strings.Contains(err.Error(), "want earliest, latest or a time") {
		t.Error(err)
	}
}

func TestApplyEnv(t *testing.T) {
	file := stream.Config{
		Brokers: []string{"file:1"}, TLS: stream.TLS{Enabled: true, CAFile: "file-ca"},
		SASL: stream.SASL{Mechanism: stream.SCRAMSHA256, Username: "file-user", PasswordFile: "file-password"},
	}
	for name, tc := range map[string]struct {
		env  map[string]string
		in   stream.Config
		want stream.Config
		err  string
	}{
		"nothing":      {nil, file, file, ""},
		"empty values": {map[string]string{"KAFKA_BROKERS": "", "KAFKA_TLS_ENABLED": ""}, file, file, ""},
		"brokers":      {map[string]string{"KAFKA_BROKERS": " a:1, b:2 ,"}, stream.Config{}, stream.Config{Brokers: []string{"a:1", "b:2"}}, ""},
		"everything": {map[string]string{
			"KAFKA_BROKERS": "a:1", "KAFKA_TLS_ENABLED": "true", "KAFKA_TLS_CAFILEPATH": "ca", "KAFKA_TLS_CERTFILEPATH": "c",
			"KAFKA_TLS_KEYFILEPATH": "k", "KAFKA_SASL_ENABLED": "1", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
			"KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p",
		}, file, stream.Config{
			Brokers: []string{"a:1"}, TLS: stream.TLS{Enabled: true, CAFile: "ca", CertFile: "c", KeyFile: "k"},
			SASL: stream.SASL{Mechanism: stream.SCRAMSHA512, Username: "u", Password: "p"},
		}, ""},
		"switched off":      {map[string]string{"KAFKA_TLS_ENABLED": "false", "KAFKA_SASL_ENABLED": "false"}, file, stream.Config{Brokers: file.Brokers}, ""},
		"default mechanism": {map[string]string{"KAFKA_SASL_ENABLED": "true", "KAFKA_SASL_USERNAME": "u"}, stream.Config{}, stream.Config{SASL: stream.SASL{Mechanism: stream.PLAIN, Username: "u"}}, ""},
		"not a bool":        {map[string]string{"KAFKA_TLS_ENABLED": "yes please"}, file, file, "KAFKA_TLS_ENABLED"},
	} {
		got := tc.in
		err := got.ApplyEnv(func(k string) (string, bool) { v, ok := tc.env[k]; return v, ok })
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tc.want)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	c := stream.Config{SASL: stream.SASL{Mechanism: stream.PLAIN, Username: "u", Password: "hunter2"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, c); strings.Contains(s, "hunter2") {
			t.Errorf("%s prints the password: %s", verb, s)
		}
	}
}

func TestNewReadsFiles(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for name, tc := range map[string]struct {
		c    stream.Config
		want string
	}{
		"CA missing":       {stream.Config{TLS: stream.TLS{Enabled: true, CAFile: missing}}, "ca_file"},
		"CA junk":          {stream.Config{TLS: stream.TLS{Enabled: true, CAFile: junk}}, "holds no PEM certificate"},
		"cert junk":        {stream.Config{TLS: stream.TLS{Enabled: true, CertFile: junk, KeyFile: junk}}, "cert_file"},
		"password missing": {stream.Config{SASL: stream.SASL{Mechanism: stream.PLAIN, Username: "u", PasswordFile: missing}}, "password_file"},
	} {
		tc.c.Brokers = []string{"127.0.0.1:1"}
		if _, err := stream.New(stream.Options{Config: tc.c}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
