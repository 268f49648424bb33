package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/notify"
)

// troubles tells the sinks what this instance is blind to, whoever delivers alerts. Its outbox is on the disk here: it may be Kafka that
// cannot be reached.
type troubles struct {
	*notify.Dispatcher
	dir string
}

const (
	retryFile    = "retry" // in the outbox: the sinks whose dead letters are to be sent again, a line each
	maxInstances = 100     // that may have one state.path
)

// troublesDirs are where instances that have this configuration keep what they tell of themselves.
func (c *Config) troublesDirs() (dirs []string) {
	for i := range maxInstances {
		dirs = append(dirs, filepath.Join(c.State.Path, "troubles", c.Topics.Prefix+"alerts", strconv.Itoa(i)))
	}
	return dirs
}

// troubles opens the sinks, with the first outbox that no other instance has: what its last owner had told, this one goes on with.
func (c *Config) troubles(log zerolog.Logger, registry prometheus.Registerer, out io.Writer) (*troubles, error) {
	for _, dir := range c.troublesDirs() {
		store, err := notify.OpenJournal(dir, log)
		if errors.Is(err, notify.ErrHeld) {
			continue
		}
		if err != nil {
			return nil, err
		}
		d, err := c.notifier(log, registry, out, ofTroubles, notify.Options{Store: store})
		if err != nil {
			return nil, err
		}
		d.Start()
		return &troubles{d, dir}, nil
	}
	return nil, fmt.Errorf("open outbox: %d instances have state.path %s; give this one another", maxInstances, c.State.Path)
}

// sinkStates returns how the sinks do, of all that this instance tells, and for how long an outbox cannot be written.
func (s *service) sinkStates() (sinks []notify.SinkState, outbox time.Duration) {
	if s.notifier != nil {
		return s.notifier.SinkStates()
	}
	if s.troubles == nil {
		return nil, 0
	}
	sinks, outbox = s.troubles.SinkStates()
	others, failing := s.delivering.states()
	for i, o := range others { // in the order of the configuration, as these are
		if o.Failing > sinks[i].Failing || o.Gone {
			sinks[i] = o
		}
	}
	return sinks, max(outbox, failing)
}

// watchRetries sends dead letters again when notify retry asks for it, until ctx is done.
func (x *troubles) watchRetries(ctx context.Context, log zerolog.Logger) {
	every(ctx, retryEvery, func(time.Time) {
		names, err := takeRetries(x.dir)
		if err != nil {
			log.Warn().Err(err).Msg("notify: a request to retry dead letters cannot be read")
		}
		for _, name := range names {
			log.Info().Str("sink", name).Int("dead_letters", x.Retry(name)).Msg("notify: dead letters are sent again")
		}
	})
}

// takeRetries returns the requests and removes them. An empty name is all sinks.
func takeRetries(dir string) ([]string, error) {
	file := filepath.Join(dir, retryFile)
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err == nil {
		err = os.Remove(file)
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}

// askRetry leaves a request for the running service, or the next.
func askRetry(dir, sink string) error {
	f, err := os.OpenFile(filepath.Join(dir, retryFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, sink)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		return fmt.Errorf("ask for a retry: %w; is this the configuration and the user that run has?", err)
	}
	return nil
}
