package notify

import (
	"context"
	"fmt"
	"io"
	"time"
)

// stdout writes the alert record as a line of JSON, for whatever collects what a program prints.
type stdout struct {
	out   io.Writer
	words wording
}

func newStdout(s Settings, out io.Writer) (Sink, error) {
	words, err := s.words(nil)
	return stdout{out, words}, err
}

// Policy implements Sink.
func (stdout) Policy() Policy {
	return Policy{Timeout: 10 * time.Second, Waits: []time.Duration{time.Second}, Tries: 5}
}

// Send implements Sink.
func (s stdout) Send(_ context.Context, n *Notification) (string, error) {
	line, err := jsonText(s.words.readable(n))
	if err != nil {
		return "", refusef("write alert: %w", err)
	}
	if _, err := s.out.Write(append(line, '\n')); err != nil {
		return "", fmt.Errorf("write to standard output: %w", err)
	}
	return "written", nil
}
