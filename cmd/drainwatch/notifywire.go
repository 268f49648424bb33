package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/notify"
)

const (
	retryFile  = "retry"         // in the outbox: the sinks whose dead letters are to be sent again, a line each
	retryEvery = 5 * time.Second // between looks at it
	drainFor   = 2 * time.Minute // that a command which ends waits for retries
)

// outboxDir is where run keeps what is not delivered yet. It belongs to an alerts topic: where that is another, revisions count
// from one again, and would be taken for repeats.
func (c *Config) outboxDir() string {
	return filepath.Join(c.State.Path, "outbox", c.Topics.Prefix+"alerts")
}

// notifier opens the configured sinks; nil if there are none. A store is wanted by what goes on after a crash.
func (c *Config) notifier(log zerolog.Logger, registry prometheus.Registerer, out io.Writer, durable bool, mark string) (*notify.Dispatcher, error) {
	if len(c.Sinks) == 0 {
		return nil, nil
	}
	o := notify.Options{Sinks: c.Sinks, Out: out, Mark: mark, Log: log, Registerer: registry}
	for _, r := range c.Routes {
		o.Routes = append(o.Routes, notify.Route{Match: r.Match, Sinks: r.Sinks})
	}
	if durable {
		store, err := notify.OpenJournal(c.outboxDir(), log)
		if err != nil {
			return nil, err
		}
		o.Store = store
	}
	d, err := notify.New(o)
	if err != nil {
		if o.Store != nil {
			_ = o.Store.Close() // nothing was written
		}
		return nil, usageError{err}
	}
	log.Info().Int("sinks", len(c.Sinks)).Int("routes", len(c.Routes)).Msg("notify: alerts are delivered")
	return d, nil
}

// heartbeat opens the dead man's switch; nil if none is configured.
func (c *Config) heartbeat(well func() error, log zerolog.Logger, registry prometheus.Registerer) (run func(context.Context), err error) {
	h := notify.Heartbeat{
		URL: c.Heartbeat.URL, URLFile: c.Heartbeat.URLFile, AllowPrivate: c.Heartbeat.AllowPrivate, Every: time.Duration(c.Heartbeat.Every),
		Labels: map[string]string{"topic": c.Ingest.Topic, "group": c.Ingest.Group}, Well: well, Log: log, Registerer: registry,
	}
	for _, s := range c.Sinks {
		if slices.Contains(c.Heartbeat.Sinks, s.Name) {
			h.Sinks = append(h.Sinks, s)
		}
	}
	if h.URL == "" && h.URLFile == "" && len(h.Sinks) == 0 {
		return nil, nil
	}
	if run, err = h.Open(); err != nil {
		return nil, usageError{err}
	}
	return run, nil
}

// watchRetries sends dead letters again when notify retry asks for it, until ctx is done.
func watchRetries(ctx context.Context, d *notify.Dispatcher, dir string, log zerolog.Logger) {
	t := time.NewTicker(retryEvery)
	defer t.Stop()
	for {
		if names, err := takeRetries(dir); err != nil {
			log.Warn().Err(err).Msg("notify: a request to retry dead letters cannot be read")
		} else {
			for _, name := range names {
				log.Info().Str("sink", name).Int("dead_letters", d.Retry(name)).Msg("notify: dead letters are sent again")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
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
