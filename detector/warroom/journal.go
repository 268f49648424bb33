package warroom

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Bounds of a Journal.
const (
	maxEntries = 100_000 // lines of the file, so that it stays below some hundred megabytes
	maxNotes   = 200     // of one incident
)

// Journal keeps what people say of incidents, in a file that is only ever appended to: a line each, on disk before it counts.
// It is safe for concurrent use, also by several processes on one file system that appends whole lines.
type Journal struct {
	path string

	writing sync.Mutex // held while the file is written
	lines   int
	broken  error // the file could not be brought back to whole lines

	mu sync.RWMutex
	by map[string]*remarks
}

// remarks are what people said of one incident.
type remarks struct {
	ack   *remark
	label *remark // the latest counts
	notes []remark
}

// remark is a line of the journal.
type remark struct {
	V        int       `json:"v"`
	At       time.Time `json:"at"`
	Incident string    `json:"incident"`
	Kind     string    `json:"kind"`         // ack, label or note
	By       string    `json:"by,omitempty"` // as they call themselves: nobody is authenticated
	Class    string    `json:"class,omitempty"`
	Cause    string    `json:"cause,omitempty"`
	Text     string    `json:"text,omitempty"`
}

// OpenJournal reads a journal; a file that is missing is made by the first remark. What a crash left of a last line is left out:
// it was never answered.
func OpenJournal(path string, log zerolog.Logger) (*Journal, error) {
	j := &Journal{path: path, by: map[string]*remarks{}}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal %s: %w; make it readable, or name another state.path", path, reason(err))
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				log.Warn().Str("journal", path).Int("bytes", len(line)).Msg("api: the last line of the journal is not whole, so it is left out")
			}
			return j, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read journal %s: %w; check the disk", path, reason(err))
		}
		var r remark
		if err := json.Unmarshal(line, &r); err != nil || r.V != 1 || r.Incident == "" {
			return nil, fmt.Errorf("read journal %s:%d: no remark of this version; repair the line, or move the file away to start without", path, j.lines+1)
		}
		j.lines++
		j.apply(r)
	}
}

func (j *Journal) apply(r remark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	x := j.by[r.Incident]
	if x == nil {
		x = &remarks{}
		j.by[r.Incident] = x
	}
	switch r.Kind {
	case "ack":
		if x.ack == nil {
			x.ack = &r
		}
	case "label":
		x.label = &r
	case "note":
		x.notes = append(x.notes, r)
	}
}

// of returns what was said of an incident.
func (j *Journal) of(id string) remarks {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if x := j.by[id]; x != nil {
		return remarks{x.ack, x.label, slices.Clone(x.notes)}
	}
	return remarks{}
}

// write keeps a remark. A second acknowledgement changes nothing: the first stands.
func (j *Journal) write(r remark) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	was := j.of(r.Incident)
	switch {
	case r.Kind == "ack" && was.ack != nil:
		return nil
	case r.Kind == "note" && len(was.notes) >= maxNotes:
		return newProblem(507, fmt.Sprintf("the incident has %d notes, as many as are kept; write elsewhere and link to it", maxNotes))
	case j.lines >= maxEntries:
		return newProblem(507, fmt.Sprintf("the journal holds %d remarks, as many as are kept; move %s away to start anew", j.lines, j.path))
	case j.broken != nil:
		return j.broken
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if err := j.append(line); err != nil {
		return fmt.Errorf("write journal %s: %w; free space or make state.path writable", j.path, reason(err))
	}
	j.lines++
	j.apply(r)
	return nil
}

// append adds a whole line to the file and has it on disk, or leaves the file as it was.
func (j *Journal) append(line []byte) (err error) {
	dir := filepath.Dir(j.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if err := cutTorn(f); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err = f.Write(line); err == nil {
		err = f.Sync()
	}
	if err != nil {
		if terr := f.Truncate(info.Size()); terr != nil {
			j.broken = fmt.Errorf("journal %s ends in half a line: %w", j.path, reason(terr))
		}
		return err
	}
	if info.Size() > 0 {
		return nil
	}
	d, err := os.Open(dir) // the name of a new file must be on disk, too
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// cutTorn removes what a crash left of a last line.
func cutTorn(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	const longest = 2*maxText + 4*maxName + 1024 // of a line; escapes may double a text, and more is not whole anyway
	tail := make([]byte, min(info.Size(), 6*longest))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return err
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	switch {
	case end == len(tail):
		return nil
	case end == 0 && int64(len(tail)) < info.Size():
		return errors.New("its last line is longer than any that this program writes")
	}
	return f.Truncate(info.Size() - int64(len(tail)-end))
}

// reason is what the system said, without the path, which the message has.
func reason(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}
