package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
)

// readLines runs a lineReader to its end.
func readLines(t *testing.T, r io.Reader) ([]detector.Record, *lineReader) {
	t.Helper()
	l := newLineReader(r, 0, 0)
	var out []detector.Record
	for {
		records, err := l.next()
		if errors.Is(err, io.EOF) {
			return out, l
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			t.Fatal("a block without records")
		}
		out = append(out, records...)
	}
}

// wantLines is the slow, obvious reading of the same text.
func wantLines(text string) []detector.Record {
	var out []detector.Record
	text = strings.TrimPrefix(text, "\ufeff")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if len(line) > event.MaxRecord+1 {
			line = line[:event.MaxRecord+1]
		}
		if line != "" {
			out = append(out, detector.Record{Offset: int64(i), Value: line})
		}
	}
	return out
}

func sameRecords(t *testing.T, got, want []detector.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if len(w.Value) > event.MaxRecord { // a line that is refused may keep more than shows it, but not less
			g.Value = g.Value[:min(len(g.Value), len(w.Value))]
		}
		if g != w {
			t.Fatalf("record %d is line %d, %d bytes %.40q; want line %d, %d bytes %.40q", i, g.Offset, len(g.Value), g.Value, w.Offset, len(w.Value), w.Value)
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", event.MaxRecord)
	for name, text := range map[string]string{
		"nothing":                         "",
		"one line":                        "a\n",
		"no newline at the end":           "a\nb",
		"carriage returns":                "a\r\nb\r\n\r\nc\r",
		"empty lines count":               "\n\na\n\nb\n",
		"byte order mark":                 "\ufeffa\nb\n",
		"nothing but a mark":              "\ufeff",
		"two bytes":                       "\xef\xbb",
		"longest line that is read":       long + "\nb\n",
		"longest line, carriage return":   long + "\r\nb\n",
		"one byte too long":               long + "y\nb\n",
		"too long without an end":         "a\n" + long + long + long,
		"too long, then a line":           long + long + "z\nb\nc",
		"two in a row that are too long":  long + long + "\n" + long + long + "\nb\n",
		"too long, then nothing but ends": long + long + "\n\n\n",
		"block boundaries":                strings.Repeat(strings.Repeat("r", 300)+"\n", 4000),
		"a line that ends with the block": strings.Repeat("r", blockBytes-1) + "\n" + strings.Repeat("s", blockBytes) + "\nt",
	} {
		for reader, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
		} {
			t.Run(name+"/"+reader, func(t *testing.T) {
				got, l := readLines(t, wrap(strings.NewReader(text)))
				sameRecords(t, got, wantLines(text))
				if l.pos != int64(len(text)) {
					t.Errorf("stands at byte %d of %d", l.pos, len(text))
				}
			})
		}
	}
}

// Random texts whose lines straddle blocks in every way, against the obvious reading.
func TestLinesRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		var text strings.Builder
		for text.Len() < 3*blockBytes {
			n := rng.IntN(500)
			if rng.IntN(200) == 0 {
				n = rng.IntN(2 * event.MaxRecord)
			}
			text.WriteString(strings.Repeat(string(rune('a'+rng.IntN(26))), n))
			text.WriteString([]string{"\n", "\r\n", "\n\n"}[rng.IntN(3)])
		}
		text.WriteString("end")
		got, _ := readLines(t, strings.NewReader(text.String()))
		sameRecords(t, got, wantLines(text.String()))
	}
}

// A line of a gigabyte must not need one.
func TestLinesBoundMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	endless := io.MultiReader(io.LimitReader(filler{}, 128<<20), strings.NewReader("\nb\n"))
	got, _ := readLines(t, endless)
	runtime.ReadMemStats(&after)
	if len(got) != 2 || got[1] != (detector.Record{Offset: 1, Value: "b"}) {
		t.Fatalf("%d records", len(got))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("allocated %d MiB", used>>20)
	}
}

type filler struct{}

func (filler) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

func zstded(text string) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll([]byte(text), nil)
}

// rows returns n lines that differ.
func rows(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"n":%d,"pad":"%s"}`+"\n", from+i, strings.Repeat("p", 200))
	}
	return b.String()
}

func writeFile(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func readAll(t *testing.T, in *inputs) []detector.Record {
	t.Helper()
	var out []detector.Record
	if err := in.Batches(context.Background(), func(r []detector.Record) error { out = append(out, r...); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// Files of every kind and a pipe make one sequence of lines, and any part of it can be read again.
func TestInputs(t *testing.T) {
	const n = 45_000 // ~10 MB a part: several marks in each plain one
	parts := []string{rows(0, n), rows(n, n), rows(2*n, n), strings.TrimSuffix(rows(3*n, n), "\n")}
	names := []string{
		writeFile(t, "a.jsonl", []byte(parts[0])),
		writeFile(t, "b.jsonl.gz", append(gzipped(parts[1][:1000]), gzipped(parts[1][1000:])...)), // two members
		writeFile(t, "named-wrongly.txt", zstded(parts[2])),
		"-",
	}
	in, err := openInputs(names, strings.NewReader(parts[3]))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	all := readAll(t, in)
	sameRecords(t, all, wantLines(strings.Join(parts, "")))
	if len(in.marks) < 8 {
		t.Errorf("%d marks", len(in.marks))
	}

	for _, r := range [][2]int64{{0, 1}, {0, 4 * n}, {n - 1, n + 1}, {n, 2 * n}, {2*n + 7, 3*n + 1}, {4*n - 1, 5 * n}, {30_000, 30_001}, {5, 5}, {5 * n, 6 * n}} {
		var again []detector.Record
		if err := in.Read(context.Background(), 0, r[0], r[1], func(rec detector.Record) error { again = append(again, rec); return nil }); err != nil {
			t.Fatal(err)
		}
		sameRecords(t, again, all[min(r[0], 4*n):min(r[1], 4*n)])
	}
	for _, tc := range []struct {
		offset int64
		name   string
		line   int64
	}{{0, names[0], 1}, {n - 1, names[0], n}, {n, names[1], 1}, {3*n + 4, "standard input", 5}} {
		if name, line := in.line(tc.offset); name != tc.name || line != tc.line {
			t.Errorf("offset %d is %s line %d, want %s line %d", tc.offset, name, line, tc.name, tc.line)
		}
	}
	if in.size() != -1 || in.read.Load() == 0 {
		t.Errorf("size %d, read %d", in.size(), in.read.Load())
	}
}

// Booking reads what came through a pipe while the rest is still coming.
func TestInputsReadWhileReading(t *testing.T) {
	for name, text := range map[string]string{"plain": rows(0, 20_000), "gzip": string(gzipped(rows(0, 20_000))), "zstd": string(zstded(rows(0, 20_000)))} {
		t.Run(name, func(t *testing.T) {
			in, err := openInputs([]string{"-"}, strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var all []detector.Record
			err = in.Batches(context.Background(), func(records []detector.Record) error {
				all = append(all, records...)
				var again []detector.Record
				from := int64(len(all) / 2)
				err := in.Read(context.Background(), 0, from, int64(len(all)), func(r detector.Record) error { again = append(again, r); return nil })
				if err == nil {
					sameRecords(t, again, all[from:])
				}
				return err
			})
			if err != nil || len(all) != 20_000 {
				t.Fatalf("%d records, %v", len(all), err)
			}
		})
	}
}

func TestInputsErrors(t *testing.T) {
	whole := gzipped(rows(0, 5000))
	broken := slices.Clone(whole)
	broken[len(broken)-3] ^= 0xff // the length at the end
	dir := t.TempDir()
	for _, tc := range []struct {
		name string
		file string
		code int
		want string
	}{
		{"missing", filepath.Join(dir, "none.jsonl"), exitUsage, "no such file or directory; name a readable file with --input, or - for standard input"},
		{"directory", dir, exitUsage, "is a directory; name the files in it, each with --input"},
		{"cut gzip", writeFile(t, "cut.gz", whole[:len(whole)-100]), exitFailed, "the compressed stream ends too early, after "},
		{"cut gzip header", writeFile(t, "head.gz", whole[:5]), exitFailed, "the compressed stream ends too early, after 0 lines"},
		{"cut zstd", writeFile(t, "cut.zst", zstded(rows(0, 5000))[:300]), exitFailed, "the compressed stream ends too early, after "},
		{"gzip with a wrong length", writeFile(t, "sum.gz", broken), exitFailed, "gzip: invalid checksum, after "},
		{"xz", writeFile(t, "a.xz", []byte("\xfd7zXZ\x00....")), exitUsage, "is a xz file; unpack it, or pipe it into --input -"},
		{"Parquet", writeFile(t, "a.parquet", []byte("PAR1....")), exitUsage, "is a Parquet file;"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in, err := openInputs([]string{tc.file}, nil)
			if err == nil {
				defer in.Close()
				err = in.Batches(context.Background(), func([]detector.Record) error { return nil })
			}
			if err == nil || !strings.HasPrefix(err.Error(), "read input "+tc.file+": ") || !strings.Contains(err.Error(), tc.want) || exitCode(err) != tc.code {
				t.Errorf("%v, exit code %d", err, exitCode(err))
			}
		})
	}
	if _, err := openInputs([]string{"-", "-"}, strings.NewReader("")); exitCode(err) != exitUsage {
		t.Errorf("standard input twice: %v", err)
	}
}

// A file is read as it was when it was opened: rows appended since belong to the next replay.
func TestInputsChangeUnderway(t *testing.T) {
	file := writeFile(t, "live.jsonl", []byte(rows(0, 10)+`{"half`))
	in, err := openInputs([]string{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, ` of it"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, in); len(got) != 11 || got[10].Value != `{"half` {
		t.Fatalf("%d records, the last %q", len(got), got[len(got)-1].Value)
	}
	if err := f.Truncate(100); err != nil {
		t.Fatal(err)
	}
	err = in.Batches(context.Background(), func([]detector.Record) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "it shrank from ") {
		t.Errorf("after truncation: %v", err)
	}
}

// Interrupting a replay does not wait for a pipe that says nothing, and leaves no file behind.
func TestInputsInterrupt(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r, w := io.Pipe()
	defer w.Close()
	in, err := openInputs([]string{"-"}, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err = in.Batches(ctx, func([]detector.Record) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "standard input: interrupted") {
		t.Errorf("%v", err)
	}
	in.Close()
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What the receiver of the rows says ends the reading, unchanged.
func TestInputsStopOnError(t *testing.T) {
	in, err := openInputs([]string{"-"}, strings.NewReader(rows(0, 10_000)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	enough := errors.New("full")
	if err := in.Batches(context.Background(), func([]detector.Record) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
}

func BenchmarkLines(b *testing.B) {
	text := rows(0, 100_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		l := newLineReader(strings.NewReader(text), 0, 0)
		for {
			if _, err := l.next(); err != nil {
				break
			}
		}
	}
}
