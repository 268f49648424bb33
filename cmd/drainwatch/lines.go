package main

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
)

// blockBytes is how much text one string holds. Lines are cut out of it without copying, so it is also what
// a single retained name keeps alive; below 128 KiB the strings themselves become the cost.
const blockBytes = 256 << 10

// lineReader cuts a stream into lines, a block at a time. Memory is bounded by a block and one record, however
// long a line is: of a line above event.MaxRecord only as much is kept as shows that it is too large.
type lineReader struct {
	r      io.Reader
	buf    []byte
	n      int   // bytes in buf
	pos    int64 // of buf[0] in the stream
	line   int64 // index of the next line
	skip   bool  // inside the rest of a line that was too long
	ended  bool
	opened bool
}

func newLineReader(r io.Reader, pos, line int64) *lineReader {
	return &lineReader{r: r, buf: make([]byte, event.MaxRecord+2+blockBytes), pos: pos, line: line, opened: pos > 0}
}

// next returns the lines of the next block as records of their own memory, empty lines left out but counted,
// or io.EOF. After any other error, line is the number of whole lines that came before it.
func (l *lineReader) next() ([]detector.Record, error) {
	for {
		err := l.fill()
		if err != nil && !errors.Is(err, io.EOF) {
			l.line += int64(bytes.Count(l.buf[:l.n], []byte{'\n'}))
			return nil, err
		}
		l.ended = errors.Is(err, io.EOF)
		end := bytes.LastIndexByte(l.buf[:l.n], '\n') + 1
		switch {
		case l.skip:
			if !l.dropRest() {
				return nil, io.EOF
			}
			continue
		case end > 0:
		case l.n > event.MaxRecord+1: // room for a carriage return
			return l.cutLong(), nil
		case l.ended && l.n > 0:
			end = l.n
		case l.ended:
			return nil, io.EOF
		default:
			continue
		}
		if records := l.cut(end); len(records) > 0 {
			return records, nil
		}
	}
}

// fill reads until there is a block more than before, the buffer is full, or the stream ends.
func (l *lineReader) fill() error {
	if l.ended {
		return io.EOF
	}
	want := min(l.n+blockBytes, len(l.buf))
	for l.n < want {
		n, err := l.r.Read(l.buf[l.n:want])
		l.n += n
		if !l.opened && l.n >= len(byteOrderMark) {
			l.opened = true
			if bytes.HasPrefix(l.buf[:l.n], []byte(byteOrderMark)) {
				l.drop(len(byteOrderMark))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// byteOrderMark is what some editors write before UTF-8 text.
const byteOrderMark = "\ufeff"

// cut turns the first n bytes of the buffer, whole lines, into records.
func (l *lineReader) cut(n int) []detector.Record {
	block := string(l.buf[:n])
	l.drop(n)
	records := make([]detector.Record, 0, strings.Count(block, "\n")+1)
	for block != "" {
		line := block
		if i := strings.IndexByte(block, '\n'); i >= 0 {
			line, block = block[:i], block[i+1:]
		} else {
			block = ""
		}
		if k := len(line) - 1; k >= 0 && line[k] == '\r' {
			line = line[:k]
		}
		if line != "" {
			records = append(records, detector.Record{Offset: l.line, Value: line})
		}
		l.line++
	}
	return records
}

// cutLong returns the beginning of a line that is too long, enough for the decoder to refuse it, and drops the rest.
func (l *lineReader) cutLong() []detector.Record {
	record := detector.Record{Offset: l.line, Value: string(l.buf[:event.MaxRecord+1])}
	l.skip = true
	return []detector.Record{record}
}

// dropRest drops buffered bytes up to the end of the long line; false is the end of the stream.
func (l *lineReader) dropRest() bool {
	i := bytes.IndexByte(l.buf[:l.n], '\n')
	if i >= 0 || l.ended {
		l.skip = false
		l.line++
	}
	if i < 0 {
		i = l.n - 1
	}
	l.drop(i + 1)
	return l.skip || !l.ended || l.n > 0
}

func (l *lineReader) drop(n int) {
	l.n = copy(l.buf, l.buf[n:l.n])
	l.pos += int64(n)
}
