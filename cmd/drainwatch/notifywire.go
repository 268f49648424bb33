package main

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/notify"
)

const (
	retryEvery = 5 * time.Second // between looks for requests to send dead letters again
	drainFor   = 2 * time.Minute // that a command which ends waits for retries
)

// What a dispatcher tells of: a label of its metrics.
const (
	ofIncidents = "incidents"
	ofTroubles  = "troubles"
)

// notifier opens the configured sinks, to tell of something. more holds what depends on the command.
func (c *Config) notifier(log zerolog.Logger, registry prometheus.Registerer, out io.Writer, of string, more notify.Options) (*notify.Dispatcher, error) {
	o := more
	o.Sinks, o.Out, o.Log = c.Sinks, out, log
	if registry != nil {
		o.Registerer = prometheus.WrapRegistererWith(prometheus.Labels{"of": of}, registry)
	}
	for _, r := range c.Routes {
		o.Routes = append(o.Routes, notify.Route{Match: r.Match, Sinks: r.Sinks})
	}
	d, err := notify.New(o)
	if err != nil {
		if o.Store != nil {
			_ = o.Store.Close() // nothing was written
		}
		return nil, usageError{err}
	}
	log.Info().Int("sinks", len(c.Sinks)).Int("routes", len(c.Routes)).Str("of", of).Msg("notify: sinks are told")
	return d, nil
}

// together is a writer for several who write at once.
type together struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (t *together) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(p)
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
