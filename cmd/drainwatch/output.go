package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// output is a result of a command: standard output, or a file that appears whole or not at all. The zero path
// is "not asked for": it takes what is written and keeps nothing.
type output struct {
	flag, path string
	buf        *bufio.Writer
	file       *os.File // what is written to; nil for standard output
	temporary  string   // its name until it is done; "" where path is a device or a pipe
}

// outputSet are the results of one command.
type outputSet struct{ all []*output }

// openOutputs opens every output before any work is done. Outputs must differ from each other and from the inputs.
func openOutputs(stdout io.Writer, inputs []string, outputs ...*output) (_ *outputSet, err error) {
	set := &outputSet{outputs}
	defer func() {
		if err != nil {
			set.discard()
		}
	}()
	taken := map[string]string{}
	for _, name := range inputs {
		if name != "-" {
			taken[canonical(name)] = "--input"
		}
	}
	for _, o := range outputs {
		if o.path == "" {
			o.buf = bufio.NewWriter(io.Discard)
			continue
		}
		where := o.path
		if where != "-" {
			where = canonical(where)
		}
		if other, ok := taken[where]; ok {
			return nil, usagef("read command line: --%s and %s both name %s; give one of them another file", o.flag, other, o.path)
		}
		taken[where] = "--" + o.flag
		if err := o.open(stdout); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// canonical returns one name for all the names of a file, as far as it exists.
func canonical(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
		return filepath.Join(dir, filepath.Base(name))
	}
	return name
}

func (o *output) open(stdout io.Writer) error {
	if o.path == "-" {
		o.buf = bufio.NewWriterSize(stdout, 64<<10)
		return nil
	}
	name, flags := o.path, os.O_WRONLY
	info, err := os.Stat(o.path)
	switch {
	case err == nil && info.IsDir():
		return usagef("write %s: is a directory; name a file with --%s", o.path, o.flag)
	case err == nil && !info.Mode().IsRegular(): // a device or a pipe cannot be replaced
	default:
		// Beside the target, since only a rename within one file system is atomic.
		o.temporary = canonical(o.path) + ".tmp-" + strconv.Itoa(os.Getpid())
		name, flags = o.temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC
	}
	if o.file, err = os.OpenFile(name, flags, 0o666); err != nil {
		o.temporary = ""
		return usagef("write %s: %w; name a writable file with --%s", o.path, errors.Unwrap(err), o.flag)
	}
	if o.temporary != "" && info != nil {
		_ = o.file.Chmod(info.Mode().Perm()) // a replaced file keeps who may read it
	}
	o.buf = bufio.NewWriterSize(o.file, 64<<10)
	return nil
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.buf.Write(p)
	if err != nil {
		err = o.fail(err)
	}
	return n, err
}

func (o *output) fail(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("write %s: %w; free space or name another place with --%s", o.path, err, o.flag)
}

// commit makes all outputs appear. Whatever fails, files that are not complete never bear their name.
func (s *outputSet) commit() error {
	for _, o := range s.all {
		if err := o.buf.Flush(); err != nil {
			s.discard()
			return o.fail(err)
		}
		if o.temporary != "" {
			if err := o.file.Sync(); err != nil {
				s.discard()
				return o.fail(err)
			}
		}
	}
	for _, o := range s.all {
		if o.file == nil {
			continue
		}
		err := o.file.Close()
		if err == nil && o.temporary != "" {
			err = os.Rename(o.temporary, canonical(o.path))
		}
		o.file = nil
		if err != nil {
			s.discard()
			return o.fail(err)
		}
		o.temporary = ""
	}
	return nil
}

// discard closes what is open and removes what is not complete. It is safe after commit.
func (s *outputSet) discard() {
	for _, o := range s.all {
		if o.file != nil {
			o.file.Close()
			o.file = nil
		}
		if o.temporary != "" {
			_ = os.Remove(o.temporary)
			o.temporary = ""
		}
	}
}
