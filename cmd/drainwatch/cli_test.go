package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// run executes a command line in this process.
func run(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Execute(context.Background(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

// Every command explains itself, with an example.
func TestHelp(t *testing.T) {
	var visit func(cmd *cobra.Command, path []string)
	var b strings.Builder
	visit = func(cmd *cobra.Command, path []string) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		code, out, errs := run(t, "", append(path, "--help")...)
		if code != exitDone || errs != "" {
			t.Errorf("%v --help: exit code %d, %s", path, code, errs)
		}
		if !strings.Contains(out, "Examples:\n") {
			t.Errorf("%v --help has no example", path)
		}
		fmt.Fprintf(&b, "$ drainwatch %s\n%s\n", strings.Join(append(path, "--help"), " "), out)
		for _, c := range cmd.Commands() {
			visit(c, append(append([]string(nil), path...), c.Name()))
		}
	}
	visit(newRootCmd(), nil)
	golden(t, "help.golden", b.String())
}

// Errors are one line that says what failed, on what, and what to do next; the exit code says whose fault it is.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	rows := writeFile(t, "rows.jsonl", []byte(rows(0, 1)))
	bad := writeFile(t, "bad.yaml", []byte("ingest: {topc: x}\nlisten: {api: nowhere}\n"))
	for _, tc := range []struct {
		name string
		args []string
		want string // with $DIR, $ROWS and $BAD for the files above
	}{
		{"unknown command", []string{"replya"}, `drainwatch: read command line: unknown command "replya" for "drainwatch" Did you mean this? replay; see drainwatch --help`},
		{"unknown subcommand", []string{"config", "chekc"}, `drainwatch: read command line: unknown command "chekc" for "drainwatch config"; see drainwatch --help`},
		{"unknown flag", []string{"replay", "--inptu", "x"}, `drainwatch: read command line: unknown flag: --inptu; see drainwatch --help`},
		{"flag without a value", []string{"replay", "--input"}, `drainwatch: read command line: flag needs an argument: --input; see drainwatch --help`},
		{"surplus argument", []string{"version", "now"}, `drainwatch: read command line: unknown command "now" for "drainwatch version"; see drainwatch --help`},
		{"log level", []string{"version", "--log-level", "loud"}, `drainwatch: read command line: --log-level "loud": unknown level; use debug, info, warn, error or off`},
		{"log format", []string{"version", "--log-format", "xml"}, `drainwatch: read command line: --log-format "xml": unknown format; use json, text or auto`},
		{"no input", []string{"replay"}, `drainwatch: read command line: no input; name a file with --input, or - for standard input`},
		{"missing input", []string{"replay", "--input", "$DIR/none"}, `drainwatch: read input $DIR/none: no such file or directory; name a readable file with --input, or - for standard input`},
		{"notify", []string{"replay", "--input", "$ROWS", "--notify"}, `drainwatch: read command line: --notify: no sinks are configured; name some under sinks: in the file of --config, or leave it out`},
		{"two outputs on standard output", []string{"replay", "--input", "$ROWS", "--alerts", "-", "--ledger", "-"}, `drainwatch: read command line: --ledger and --alerts both name -; give one of them another file`},
		{"two outputs in one file", []string{"replay", "--input", "$ROWS", "--alerts", "$DIR/a", "--summary", "$DIR/./a"}, `drainwatch: read command line: --summary and --alerts both name $DIR/./a; give one of them another file`},
		{"output over the input", []string{"replay", "--input", "$ROWS", "--alerts", "$ROWS"}, `drainwatch: read command line: --alerts and --input both name $ROWS; give one of them another file`},
		{"output in a directory that is not there", []string{"replay", "--input", "$ROWS", "--ledger", "$DIR/none/owed.csv"}, `drainwatch: write $DIR/none/owed.csv: no such file or directory; name a writable file with --ledger`},
		{"output is a directory", []string{"replay", "--input", "$ROWS", "--summary", "$DIR"}, `drainwatch: write $DIR: is a directory; name a file with --summary`},
		{"format", []string{"replay", "--input", "$ROWS", "--format", "litellm"}, `drainwatch: check configuration: --format: ingest.format: litellm has no adapter in this version; send the native format and use auto`},
		{"missing configuration", []string{"replay", "--input", "$ROWS", "--config", "$DIR/none.yaml"}, `drainwatch: read configuration $DIR/none.yaml: no such file or directory; name a readable file with --config`},
		{"configuration is a directory", []string{"config", "check", "--config", "$DIR"}, `drainwatch: read configuration $DIR: is a directory; name a readable file with --config`},
		{"every fault has a line", []string{"config", "check", "--config", "$BAD"}, "drainwatch: check configuration: $BAD:1: ingest.topc: unknown key; did you mean topic?\n" +
			`drainwatch: check configuration: $BAD:2: listen.api: "nowhere" is no address; write host:port, such as 127.0.0.1:9092`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fill := strings.NewReplacer("$DIR", dir, "$ROWS", rows, "$BAD", bad)
			args := make([]string, len(tc.args))
			for i, a := range tc.args {
				args[i] = fill.Replace(a)
			}
			code, out, errs := run(t, "", args...)
			if want := fill.Replace(tc.want) + "\n"; code != exitUsage || out != "" || errs != want {
				t.Errorf("exit code %d, output %q, errors\n%swant\n%s", code, out, errs, want)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	code, out, errs := run(t, "", "version")
	lines := strings.Split(out, "\n")
	if code != exitDone || errs != "" || len(lines) != 5 || !strings.HasPrefix(lines[0], "drainwatch ") ||
		lines[2] != "go         "+runtime.Version() || lines[3] != "platform   "+runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestConfigCheck(t *testing.T) {
	t.Setenv("DRAINWATCH_INGEST_TOPIC", "charges")
	t.Setenv("DRAINWATCH_CONFIG", "testdata/contract.yaml")
	code, out, errs := run(t, "", "config", "check")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	golden(t, "configcheck.golden", out)
	// The secret files of the example are not on this machine, which may be right on another.
	for _, want := range []string{"secret_file: /run/secrets/team", "routing_key_file: /run/secrets/pd", "url_file: /run/secrets/slack"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no warning of %s in\n%s", want, errs)
		}
	}
}
