package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/drainwatch/drainwatch/detector"
)

const (
	rawBytes = 256 << 10 // of one read from a file
	// maxZstdWindow is what the zstd tool itself accepts without being told; it bounds the memory of a hostile file.
	maxZstdWindow = 128 << 20
	// markEvery is how many bytes of text lie between two places from which an uncompressed input can be read again.
	markEvery = 4 << 20
)

// inputs are the rows of a replay: files, or what was piped in, in the order given, as one sequence of lines.
// It is a detector.History: what was read can be read again, also while reading goes on, because every file
// stays open, is read no further than its size at the start, and a pipe is kept on disk.
type inputs struct {
	files []*input
	read  atomic.Int64 // bytes taken from the files, before decompression

	mu    sync.Mutex
	marks []mark // ascending by line
}

// input is one of them.
type input struct {
	name  string
	flag  string // that named it
	file  *os.File
	size  int64     // of a regular file when it was opened
	pipe  io.Reader // what to read and keep in file, for anything else
	kept  atomic.Int64
	first atomic.Int64 // index of its first line; -1 before it was reached
}

// mark is a place from which lines can be read.
type mark struct {
	file      int
	pos, line int64
}

// openInputs opens every file before anything is read, so that a wrong name costs no work.
func openInputs(names []string, stdin io.Reader) (*inputs, error) {
	return openNamed("input", names, stdin)
}

// openNamed opens the files that a flag named.
func openNamed(flag string, names []string, stdin io.Reader) (_ *inputs, err error) {
	in := &inputs{}
	defer func() {
		if err != nil {
			in.Close()
		}
	}()
	for i, name := range names {
		f := &input{name: name, flag: flag}
		f.first.Store(-1)
		if name == "-" {
			f.name, f.pipe = "standard input", stdin
			if slices.Contains(names[:i], "-") {
				return nil, usagef("read input -: standard input can be read once; give --%s - once", flag)
			}
		} else if err := f.open(); err != nil {
			return nil, err
		}
		if f.pipe != nil {
			if err := f.spool(); err != nil {
				return nil, err
			}
		}
		in.files = append(in.files, f)
	}
	return in, nil
}

func (f *input) open() error {
	file, err := os.Open(f.name)
	if err != nil {
		return usagef("read input %s: %w; name a readable file with --%s, or - for standard input", f.name, errors.Unwrap(err), f.flag)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		file.Close()
		return usagef("read input %s: %w; name a readable file with --%s", f.name, errors.Unwrap(err), f.flag)
	case info.IsDir():
		file.Close()
		return usagef("read input %s: is a directory; name the files in it, each with --%s", f.name, f.flag)
	case info.Mode().IsRegular():
		f.file, f.size = file, info.Size()
	default:
		f.pipe = file
	}
	return nil
}

// spool prepares the file that keeps what comes through the pipe. It has no name where the system allows that,
// so nothing is left behind however the program ends.
func (f *input) spool() error {
	file, err := os.CreateTemp("", "drainwatch-input-*")
	if err != nil {
		return fmt.Errorf("keep %s: %w; free space there or point TMPDIR elsewhere", f.name, err)
	}
	_ = os.Remove(file.Name())
	f.file = file
	return nil
}

// Close closes the files and removes what was kept of a pipe.
func (in *inputs) Close() {
	for _, f := range in.files {
		if f.file != nil {
			f.file.Close()
			if f.pipe != nil {
				_ = os.Remove(f.file.Name()) // a system that could not remove it while it was open
			}
		}
		if c, ok := f.pipe.(*os.File); ok && f.name != "standard input" {
			c.Close()
		}
	}
}

// size is the number of bytes to read in all, or -1 where a pipe does not say.
func (in *inputs) size() int64 {
	var sum int64
	for _, f := range in.files {
		if f.pipe != nil {
			return -1
		}
		sum += f.size
	}
	return sum
}

// Batches reads everything for the first time and calls fn with the records, a block at a time. fn owns them.
func (in *inputs) Batches(ctx context.Context, fn func([]detector.Record) error) error {
	var line int64
	for i, f := range in.files {
		f.first.Store(line)
		next, err := in.scan(ctx, mark{file: i, line: line}, true, fn)
		if err != nil {
			return err
		}
		line = next
	}
	return nil
}

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// Read implements detector.History. Files have the one partition 0.
func (in *inputs) Read(ctx context.Context, _ int32, from, to int64, fn func(detector.Record) error) error {
	if from >= to {
		return nil
	}
	at := in.markBefore(from)
	for i := at.file; i < len(in.files); i++ {
		if i > at.file {
			at = mark{file: i, line: in.files[i].first.Load()}
			if at.line < 0 || at.line >= to {
				return nil
			}
		}
		_, err := in.scan(ctx, at, false, func(records []detector.Record) error {
			for _, r := range records {
				switch {
				case r.Offset >= to:
					return errEnough
				case r.Offset < from:
				default:
					if err := fn(r); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// markBefore returns the last place at or before a line from which it can be reached.
func (in *inputs) markBefore(line int64) mark {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := sort.Search(len(in.marks), func(i int) bool { return in.marks[i].line > line })
	if i == 0 {
		return mark{}
	}
	return in.marks[i-1]
}

func (in *inputs) addMark(m mark) {
	in.mu.Lock()
	in.marks = append(in.marks, m)
	in.mu.Unlock()
}

// scan reads one file from a mark on and returns the index of the line behind its last one.
func (in *inputs) scan(ctx context.Context, at mark, first bool, fn func([]detector.Record) error) (int64, error) {
	f := in.files[at.file]
	text, plain, closeText, err := f.text(at.pos, in.raw(ctx, f, at.pos, first))
	if err != nil {
		return at.line, f.fail(err, 0)
	}
	defer closeText()
	l := newLineReader(text, at.pos, at.line)
	if first {
		in.addMark(at)
	}
	for {
		if err := ctx.Err(); err != nil {
			return l.line, interrupted(f.name)
		}
		if first && plain && l.pos-at.pos >= markEvery && !l.skip {
			at = mark{at.file, l.pos, l.line}
			in.addMark(at)
		}
		records, err := l.next()
		if errors.Is(err, io.EOF) {
			if plain && f.pipe == nil && l.pos < f.size {
				return l.line, fmt.Errorf("read input %s: it shrank from %d to %d bytes while it was read; replay a file that nobody writes", f.name, f.size, l.pos)
			}
			return l.line, nil
		}
		if err != nil {
			return l.line, f.fail(err, l.line-f.first.Load())
		}
		if err := fn(records); err != nil {
			return l.line, err
		}
	}
}

func interrupted(name string) error {
	return fmt.Errorf("read input %s: interrupted, so that no output was written; start again to read it all", name)
}

// fail says what went wrong with the file, and how far it was read.
func (f *input) fail(err error, lines int64) error {
	var path *os.PathError
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return interrupted(f.name)
	case errors.Is(err, errSpool):
		return fmt.Errorf("read input %s: %w; free space in %s or point TMPDIR elsewhere", f.name, err, os.TempDir())
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("read input %s: the compressed stream ends too early, after %d lines; the file was cut short, so fetch it again", f.name, lines)
	case errors.As(err, &path):
		return fmt.Errorf("read input %s: %w, after %d lines; check the file and its disk", f.name, path.Err, lines)
	}
	return fmt.Errorf("read input %s: %w, after %d lines; the file is damaged, so fetch it again", f.name, err, lines)
}

// raw returns the bytes of the file from pos on: of a pipe, for the first time, while keeping them.
func (in *inputs) raw(ctx context.Context, f *input, pos int64, first bool) io.Reader {
	if !first {
		end := f.size
		if f.pipe != nil {
			end = f.kept.Load()
		}
		return io.NewSectionReader(f.file, pos, end-pos)
	}
	r := io.Reader(io.NewSectionReader(f.file, 0, f.size))
	if f.pipe != nil {
		r = &keeper{ctx, f}
	}
	return &counter{r, &in.read}
}

// errSpool marks that a pipe could not be kept.
var errSpool = errors.New("cannot keep it for booking")

// keeper reads a pipe and writes what it reads to the spool before anybody sees it. It gives up waiting for a
// silent pipe when ctx is done; the read itself then ends with the process.
type keeper struct {
	ctx context.Context
	f   *input
}

func (k *keeper) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	buf, done := make([]byte, len(p)), make(chan result, 1)
	go func() {
		n, err := k.f.pipe.Read(buf)
		done <- result{n, err}
	}()
	select {
	case <-k.ctx.Done():
		return 0, k.ctx.Err()
	case r := <-done:
		if _, err := k.f.file.WriteAt(buf[:r.n], k.f.kept.Load()); err != nil {
			return 0, fmt.Errorf("%w: %w", errSpool, err)
		}
		k.f.kept.Add(int64(r.n))
		return copy(p, buf[:r.n]), r.err
	}
}

type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// The first bytes of the formats that are read, and of those that are told apart from rows.
var magic = []struct{ name, bytes string }{
	{"gzip", "\x1f\x8b"},
	{"zstd", "\x28\xb5\x2f\xfd"},
	{"xz", "\xfd7zXZ\x00"},
	{"bzip2", "BZh"},
	{"zip", "PK\x03\x04"},
	{"lz4", "\x04\x22\x4d\x18"},
	{"Parquet", "PAR1"},
}

// text returns the uncompressed bytes of raw and whether they are the file's own.
func (f *input) text(pos int64, raw io.Reader) (_ io.Reader, plain bool, closeText func(), err error) {
	none := func() {}
	if pos > 0 {
		return raw, true, none, nil
	}
	r := bufio.NewReaderSize(raw, rawBytes)
	head, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, false, none, err
	}
	for _, m := range magic {
		if !bytes.HasPrefix(head, []byte(m.bytes)) {
			continue
		}
		switch m.name {
		case "gzip":
			z, err := gzip.NewReader(r)
			return z, false, none, err
		case "zstd":
			z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxZstdWindow))
			if err != nil {
				return nil, false, none, err
			}
			return z, false, z.Close, nil
		}
		return nil, false, none, usagef("read input %s: is a %s file; unpack it, or pipe it into --input -", f.name, m.name)
	}
	return r, true, none, nil
}

// line returns the file and the line, counted from one, of a record's offset.
func (in *inputs) line(offset int64) (name string, line int64) {
	i := sort.Search(len(in.files), func(i int) bool {
		first := in.files[i].first.Load()
		return first < 0 || first > offset
	})
	f := in.files[max(i-1, 0)]
	return f.name, offset - f.first.Load() + 1
}
