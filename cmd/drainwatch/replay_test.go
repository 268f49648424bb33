package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// usageRow is a row that nothing is wrong with.
func usageRow(user string, i int) string {
	at := time.Date(2026, 6, 25, 8, 0, i, 0, time.UTC).Format(time.RFC3339)
	return fmt.Sprintf(`{"id":"%s-%d","user":%q,"time":%q,"model":"m","plan":"pro","credits":"0.011250000","input_tokens":1000,"output_tokens":1000}`, user, i, user, at)
}

// usageRows are n such rows, of twenty users in turn.
func usageRows(n int) (lines []string) {
	for i := range n {
		lines = append(lines, usageRow(fmt.Sprintf("user-%d", i%20), i))
	}
	return lines
}

func TestReplayDeadLetters(t *testing.T) {
	input := strings.Join([]string{
		usageRow("a", 1),
		`{"id":"x"`,
		"",
		`{"id":"2","user":"b","time":"2026-06-25T08:00:00Z","credits":"1e400"}`,
		"\xff\xfe",
		"{" + strings.Repeat(" ", 3<<20) + "}",
		usageRow("b", 2) + "\r",
	}, "\n")
	file := writeFile(t, "in.jsonl", []byte(input))
	dead := filepath.Join(t.TempDir(), "dead.jsonl")
	code, out, errs := run(t, "", "replay", "--input", file, "--summary", "-", "--dead-letters", dead)
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var summary struct {
		Rows        int64
		Users       int
		DeadLetters map[string]int64 `json:"dead_letters"`
	}
	if err := json.Unmarshal([]byte(out), &summary); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if summary.Rows != 6 || summary.Users != 2 {
		t.Errorf("%+v", summary)
	}
	type letter struct {
		Reason, Detail, Source, Raw string
		Line                        int
		Base64                      string `json:"raw_base64"`
	}
	text, err := os.ReadFile(dead)
	if err != nil {
		t.Fatal(err)
	}
	var got []letter
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var l letter
		if err := d.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, l)
	}
	want := []struct {
		reason string
		line   int
		raw    string
	}{{"json", 2, `{"id":"x"`}, {"credits", 4, `{"id":"2","user":"b","time":"2026-06-25T08:00:00Z","credits":"1e400"}`}, {"utf8", 5, "\xff\xfe"}, {"too_large", 6, ""}}
	if len(got) != len(want) {
		t.Fatalf("%d dead letters: %s", len(got), text)
	}
	for i, w := range want {
		g := got[i]
		if decoded, err := base64.StdEncoding.DecodeString(g.Base64); err == nil && len(decoded) > 0 {
			g.Raw = string(decoded)
		}
		if g.Reason != w.reason || g.Line != w.line || g.Source != file || g.Detail == "" || w.raw != "" && g.Raw != w.raw {
			t.Errorf("%d: %.300s, want %+v", i, fmt.Sprintf("%+v", g), w)
		}
		if summary.DeadLetters[w.reason] != 1 {
			t.Errorf("the summary counts %d of %s", summary.DeadLetters[w.reason], w.reason)
		}
	}
}

// The same rows give the same bytes, however they are packed and cut.
func TestReplayInputsAreOneSequence(t *testing.T) {
	var all strings.Builder
	for i := range 500 {
		all.WriteString(usageRow(string(rune('a'+i%7)), i) + "\n")
	}
	text := all.String()
	half := strings.Index(text[len(text)/2:], "\n") + len(text)/2 + 1
	outputs := map[string]string{}
	for name, args := range map[string][]string{
		"file":     {"--input", writeFile(t, "a.jsonl", []byte(text))},
		"gzip":     {"--input", writeFile(t, "a.gz", gzipped(text))},
		"zstd":     {"--input", writeFile(t, "a.zst", zstded(text))},
		"stdin":    {"--input", "-"},
		"two":      {"--input", writeFile(t, "1.jsonl", []byte(text[:half])), "--input", writeFile(t, "2.gz", gzipped(text[half:]))},
		"carriage": {"--input", writeFile(t, "a.crlf", []byte(strings.ReplaceAll(text, "\n", "\r\n")))},
	} {
		code, out, errs := run(t, text, append([]string{"replay", "--summary", "-"}, args...)...)
		if code != exitDone {
			t.Fatalf("%s: exit code %d: %s", name, code, errs)
		}
		outputs[name] = out
	}
	for name, out := range outputs {
		if out != outputs["file"] {
			t.Errorf("%s says\n%s\nfile says\n%s", name, out, outputs["file"])
		}
	}
}

// A replay that fails leaves what was there before, and nothing else.
func TestReplayFailureLeavesNoOutput(t *testing.T) {
	dir := t.TempDir()
	cut := gzipped(rows(0, 5000))
	file := writeFile(t, "cut.gz", cut[:len(cut)-10])
	alerts, owed := filepath.Join(dir, "alerts.jsonl"), filepath.Join(dir, "owed.csv")
	if err := os.WriteFile(owed, []byte("of yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := run(t, "", "replay", "--input", file, "--alerts", alerts, "--ledger", owed)
	if code != exitFailed || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "drainwatch: read input "+file+": the compressed stream ends too early, after ") {
		t.Errorf("exit code %d, output %q, errors %s", code, out, errs)
	}
	left, err := os.ReadDir(dir)
	text, rerr := os.ReadFile(owed)
	if err != nil || rerr != nil || len(left) != 1 || string(text) != "of yesterday" {
		t.Errorf("left %v with %q, %v, %v", left, text, err, rerr)
	}

	// And one that succeeds replaces it, keeping who may read it.
	code, _, errs = run(t, usageRow("a", 1), "replay", "--input", "-", "--ledger", owed)
	info, err := os.Stat(owed)
	text, rerr = os.ReadFile(owed)
	if code != exitDone || err != nil || rerr != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(string(text), "incident,user,rows,") {
		t.Errorf("exit code %d, %v, %v, %v, %q: %s", code, info, err, rerr, text, errs)
	}
}

// A symbolic link is followed, not replaced; a device is written to.
func TestReplayOutputKinds(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(target, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, errs := run(t, usageRow("a", 1), "replay", "--input", "-", "--summary", link, "--alerts", os.DevNull)
	text, err := os.ReadFile(target)
	if code != exitDone || err != nil || !json.Valid(text) {
		t.Errorf("exit code %d: %s; %v %q", code, errs, err, text)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info, err)
	}
}

func TestReplayInterrupted(t *testing.T) {
	dir := t.TempDir()
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.WriteString(w, usageRow("a", 1)+"\n")
		cancel()
	}()
	var out, errs bytes.Buffer
	code := Execute(ctx, []string{"replay", "--input", "-", "--summary", filepath.Join(dir, "s")}, r, &out, &errs)
	left, _ := os.ReadDir(dir)
	if code != exitFailed || errs.String() != "drainwatch: read input standard input: interrupted, so that no output was written; start again to read it all\n" || len(left) != 0 {
		t.Errorf("exit code %d, left %v: %s", code, left, errs.String())
	}
}

// A disk that is full is an error of its own, not a short file.
func TestReplayFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	code, _, errs := run(t, usageRow("a", 1), "replay", "--input", "-", "--summary", "/dev/full")
	if code != exitFailed || errs != "drainwatch: write /dev/full: no space left on device; free space or name another place with --summary\n" {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestReplayNothing(t *testing.T) {
	code, out, errs := run(t, "", "replay", "--input", "-")
	if code != exitDone || out != "0 rows of 0 users read; 0 incidents\n" {
		t.Errorf("exit code %d, %q: %s", code, out, errs)
	}
}
