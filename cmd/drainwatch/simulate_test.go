package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/fixtures"
)

// small is a scenario of a few hundred rows.
const small = `story: three days of twenty people
start: 2026-06-08T00:00:00Z
until: 2026-06-11T00:00:00Z
population: {users: 20}
incidents:
  - {kind: price, factor: 12, from: 2d}
`

func simulate(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Execute(context.Background(), append([]string{"simulate"}, args...), strings.NewReader(""), &out, &errs); code != exitDone {
		t.Fatalf("simulate %v: exit %d: %s", args, code, errs.String())
	}
	return out.String()
}

func TestSimulateWritesRowsTruthAndConfig(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(file("small.yaml"), []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := simulate(t, "--scenario", file("small.yaml"), "--seed", "9")
	simulate(t, "--scenario", file("small.yaml"), "--seed", "9", "--out", file("rows.jsonl.gz"), "--truth", file("truth.json"), "--config-out", file("config.yaml"))
	simulate(t, "--scenario", file("small.yaml"), "--seed", "9", "--out", file("rows.jsonl.zst"))

	packed, err := os.Open(file("rows.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || string(text) != plain {
		t.Errorf("the .gz file holds %d bytes, standard output %d; %v", len(text), len(plain), err)
	}
	packed2, err := os.Open(file("rows.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed2.Close()
	d, err := zstd.NewReader(packed2)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if text, err := io.ReadAll(d); err != nil || string(text) != plain {
		t.Errorf("the .zst file holds %d bytes, standard output %d; %v", len(text), len(plain), err)
	}

	var truth fixtures.Truth
	text, err := os.ReadFile(file("truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &truth); err != nil {
		t.Fatal(err)
	}
	var charged event.Sum
	rows := strings.Split(strings.TrimSuffix(plain, "\n"), "\n")
	decoder, err := event.NewDecoder("auto")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range rows {
		var e event.Event
		if err := decoder.Decode(line, &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		charged.Add(e.Credits)
	}
	if truth.Rows != int64(len(rows)) || truth.Charged != charged || truth.Seed != 9 {
		t.Errorf("truth of %d rows and %v credits, the file has %d and %v", truth.Rows, truth.Charged, len(rows), charged)
	}
	if len(truth.Incidents) != 1 || truth.Incidents[0].Class != "metering_bug" || truth.Incidents[0].Scope.Where == nil {
		t.Errorf("incidents %+v", truth.Incidents)
	}
	var out, errs bytes.Buffer
	if code := Execute(context.Background(), []string{"config", "check", "--config", file("config.yaml")}, nil, &out, &errs); code != exitDone {
		t.Errorf("config check refuses what simulate wrote: %s", errs.String())
	}
}

// TestSimulateConfigsAreAccepted checks what the detector would be told of each built-in scenario.
func TestSimulateConfigsAreAccepted(t *testing.T) {
	for _, name := range fixtures.Names() {
		s, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), name+".yaml")
		if err := os.WriteFile(file, s.Config(), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if code := Execute(context.Background(), []string{"config", "check", "--config", file}, nil, &out, &errs); code != exitDone {
			t.Errorf("%s: %s", name, errs.String())
		}
	}
}

func TestSimulateList(t *testing.T) {
	list := simulate(t, "--list")
	for _, name := range fixtures.Names() {
		if !strings.Contains(list, name+" ") {
			t.Errorf("%s is not listed in\n%s", name, list)
		}
	}
}

func TestSimulateRefuses(t *testing.T) {
	mistake := filepath.Join(t.TempDir(), "mistake.yaml")
	if err := os.WriteFile(mistake, []byte(small+"colour: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--scenario", "nothing"}, `load scenario "nothing": no such scenario; use one of`},
		{[]string{"--scenario", mistake}, `mistake.yaml:7: colour: unknown key; known here:`},
		{[]string{"--rate", "-1"}, "--rate -1: must not be negative"},
		{[]string{"--truth", "-"}, "--out and --truth both go to standard output"},
		{[]string{"--out", filepath.Join(mistake, "x")}, "name a writable file with --out"},
		{[]string{"--servegen", t.TempDir()}, "no chunk-*-trace.csv.gz there"},
		{[]string{"--servegen", ".", "--scenario", "june"}, "leave --scenario and --config-out out"},
		{[]string{"leftover"}, "leftover"},
	} {
		var out, errs bytes.Buffer
		code := Execute(context.Background(), append([]string{"simulate"}, c.args...), nil, &out, &errs)
		text := strings.TrimSuffix(errs.String(), "\n")
		if code != exitUsage || !strings.Contains(text, c.want) || strings.Contains(text, "\n") {
			t.Errorf("simulate %v: exit %d: %s; want exit 2 and %s", c.args, code, text, c.want)
		}
	}
}

func TestSimulateInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	code := Execute(ctx, []string{"simulate", "--scenario", "quiet", "--rate", "10"}, nil, &out, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), "interrupted after 0 rows") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
