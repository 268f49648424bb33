package notify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rs/zerolog"
)

const (
	journalName  = "outbox.journal"
	journalSlack = 4 << 20 // bytes of outdated lines that are not worth a rewrite
)

// ErrHeld is what opening a journal fails with that another process has.
var ErrHeld = errors.New("another process has it; stop that one, or give this one a state.path of its own")

// Journal is a Store in a directory: a file to which changes are appended, a line each with a checksum, and which is written
// anew when most of it is outdated. A line that was being written when the machine stopped is cut off; one that is damaged
// elsewhere is left out and said.
type Journal struct {
	dir  string
	log  zerolog.Logger
	lock *os.File
	file *os.File
	size int64            // of the file
	live map[string]int64 // bytes of each key's last line
	held int64            // and of all of them
}

// journalLine is what stands behind the checksum.
type journalLine struct {
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v,omitempty"` // absent: removed
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenJournal opens or makes the journal in dir. One process at a time can hold it.
func OpenJournal(dir string, log zerolog.Logger) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open outbox %s: %w; name a directory that this program can write with state.path", dir, errors.Unwrap(err))
	}
	j := &Journal{dir: dir, log: log, live: map[string]int64{}}
	var err error
	if j.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	if j.file, err = os.OpenFile(filepath.Join(dir, journalName), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		_ = j.lock.Close()
		return nil, fmt.Errorf("open outbox %s: %w; name a directory that this program can write with state.path", dir, errors.Unwrap(err))
	}
	return j, syncDir(dir)
}

// Load implements Store.
func (j *Journal) Load(each func(key string, value []byte) error) error {
	values := map[string][]byte{}
	good, damaged, err := readJournal(j.file, func(l journalLine, n int64) {
		j.note(l, n)
		if l.Value == nil {
			delete(values, l.Key)
			return
		}
		values[l.Key] = l.Value
	})
	if err != nil {
		return fmt.Errorf("read outbox %s: %w", j.dir, err)
	}
	if damaged > 0 {
		j.log.Error().Int("lines", damaged).Str("outbox", j.dir).Msg("notify: the outbox has damaged lines, which are left out; look at the disk")
	}
	if err := j.file.Truncate(good); err != nil {
		return fmt.Errorf("mend outbox %s: %w", j.dir, err)
	}
	if _, err := j.file.Seek(good, io.SeekStart); err != nil {
		return fmt.Errorf("read outbox %s: %w", j.dir, err)
	}
	j.size = good
	for key, value := range values {
		if err := each(key, value); err != nil {
			return err
		}
	}
	return nil
}

// readJournal passes every sound line with its length, and returns where the last of them ends. Damage is what is not sound
// and has a sound line after it; what has none was being written.
func readJournal(r io.Reader, each func(l journalLine, n int64)) (good int64, damaged int, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	at, suspect := int64(0), 0
	for {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, damaged, nil
		}
		if err != nil {
			return 0, 0, err
		}
		at += int64(len(text))
		var l journalLine
		if len(text) < 10 || text[8] != ' ' || !sound(text) || json.Unmarshal(text[9:], &l) != nil {
			suspect++
			continue
		}
		damaged += suspect
		good, suspect = at, 0
		each(l, int64(len(text)))
	}
}

func sound(text []byte) bool {
	sum, err := strconv.ParseUint(string(text[:8]), 16, 32)
	return err == nil && uint32(sum) == crc32.Checksum(bytes.TrimSuffix(text[9:], []byte("\n")), castagnoli)
}

// note counts what of the file is still needed.
func (j *Journal) note(l journalLine, n int64) {
	j.held -= j.live[l.Key]
	delete(j.live, l.Key)
	if l.Value != nil {
		j.live[l.Key] = n
		j.held += n
	}
}

// Write implements Store.
func (j *Journal) Write(changes []Change) error {
	var buf bytes.Buffer
	for _, c := range changes {
		line := journalLine{Key: c.Key, Value: c.Value}
		before := buf.Len()
		if err := appendLine(&buf, line); err != nil {
			return err
		}
		j.note(line, int64(buf.Len()-before))
	}
	_, err := j.file.Write(buf.Bytes())
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		_ = j.file.Truncate(j.size) // half a line would be taken for damage later
		_, _ = j.file.Seek(j.size, io.SeekStart)
		return fmt.Errorf("write outbox %s: %w", j.dir, err)
	}
	j.size += int64(buf.Len())
	if j.size > 2*j.held+journalSlack {
		return j.rewrite()
	}
	return nil
}

func appendLine(buf *bytes.Buffer, l journalLine) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write outbox: key %q: %w", l.Key, err)
	}
	fmt.Fprintf(buf, "%08x ", crc32.Checksum(text, castagnoli))
	buf.Write(text)
	buf.WriteByte('\n')
	return nil
}

// rewrite writes what is still needed to a new file and puts it in the old one's place.
func (j *Journal) rewrite() error {
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewrite outbox %s: %w", j.dir, err)
	}
	values := map[string]json.RawMessage{}
	var order []string
	_, _, err := readJournal(j.file, func(l journalLine, _ int64) {
		if l.Value == nil {
			delete(values, l.Key)
			return
		}
		if _, known := values[l.Key]; !known {
			order = append(order, l.Key)
		}
		values[l.Key] = l.Value
	})
	if err == nil {
		_, err = j.file.Seek(j.size, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("rewrite outbox %s: %w", j.dir, err)
	}
	name := filepath.Join(j.dir, journalName)
	next, err := os.OpenFile(name+".tmp", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("rewrite outbox %s: %w", j.dir, err)
	}
	var buf bytes.Buffer
	size, live, held := int64(0), map[string]int64{}, int64(0)
	for _, key := range order {
		value, ok := values[key]
		if !ok || live[key] > 0 {
			continue
		}
		buf.Reset()
		if err = appendLine(&buf, journalLine{key, value}); err != nil {
			break
		}
		if _, err = next.Write(buf.Bytes()); err != nil {
			break
		}
		live[key] = int64(buf.Len())
		size, held = size+live[key], held+live[key]
	}
	if err == nil {
		err = next.Sync()
	}
	if err == nil {
		err = os.Rename(name+".tmp", name)
	}
	if err != nil {
		_ = next.Close()
		_ = os.Remove(name + ".tmp")
		return fmt.Errorf("rewrite outbox %s: %w", j.dir, err)
	}
	_ = j.file.Close()
	j.file, j.size, j.live, j.held = next, size, live, held
	return syncDir(j.dir)
}

// Close implements Store.
func (j *Journal) Close() error { return errors.Join(j.file.Close(), j.lock.Close()) }

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open outbox %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync outbox %s: %w", dir, err)
	}
	return nil
}
