package notify

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"
)

// Heartbeat is a dead man's switch: as long as all is well it calls an address, as services such as healthchecks.io wait for it,
// and keeps an alert firing at Alertmanagers, as Prometheus' Watchdog does. Whoever waits there rings when it stops: also when
// this program is dead, or cannot reach anybody.
type Heartbeat struct {
	URL          string // or:
	URLFile      string // the address is a secret: whoever knows it can pretend that all is well
	AllowPrivate bool
	Sinks        []Settings        // of kind alertmanager
	Labels       map[string]string // of the alert there, to tell one installation from another
	Every        time.Duration

	Well       func() error // nil while all is well
	Log        zerolog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil is time.Now
}

const beatTimeout = 10 * time.Second

// beat is one receiver of heartbeats.
type beat struct {
	name string
	send func(ctx context.Context, now time.Time) error
}

// Open checks the settings, and returns what beats until its context is done.
func (h Heartbeat) Open() (run func(context.Context), err error) {
	if h.Now == nil {
		h.Now = time.Now
	}
	var beats []beat
	var clients []*client
	if h.URL != "" || h.URLFile != "" {
		if _, err := h.address(); err != nil {
			return nil, fmt.Errorf("open heartbeat: %w", err)
		}
		c := newClient(h.AllowPrivate)
		clients = append(clients, c)
		beats = append(beats, beat{"url", func(ctx context.Context, now time.Time) error { return h.call(ctx, c, now) }})
	}
	began := h.Now()
	for _, s := range h.Sinks {
		sink, err := newAlertmanager(s, nil)
		if err != nil {
			return nil, fmt.Errorf("open heartbeat: sink %s: %w", s.Name, err)
		}
		a := sink.(*alertmanager)
		clients = append(clients, a.client)
		beats = append(beats, beat{s.Name, func(ctx context.Context, now time.Time) error { return a.watchdog(ctx, h.Labels, began, now, h.Every) }})
	}
	f := promauto.With(h.Registerer)
	sent := f.NewCounterVec(prometheus.CounterOpts{Name: "drainwatch_heartbeats_total", Help: "Heartbeats that were taken, by receiver: url, or the sink."}, []string{"to"})
	failed := f.NewCounterVec(prometheus.CounterOpts{Name: "drainwatch_heartbeat_failures_total", Help: "Heartbeats that were not taken, by receiver."}, []string{"to"})
	for _, b := range beats {
		sent.WithLabelValues(b.name)
		failed.WithLabelValues(b.name)
	}
	return func(ctx context.Context) {
		var all sync.WaitGroup
		for _, b := range beats { // one that hangs must not stop the others
			all.Go(func() { h.run(ctx, b, sent.WithLabelValues(b.name), failed.WithLabelValues(b.name)) })
		}
		all.Wait()
		for _, c := range clients {
			_ = c.Close() // idle connections
		}
	}, nil
}

// run beats until ctx is done, and again sooner after a beat that failed. It looks whether all is well before each.
func (h *Heartbeat) run(ctx context.Context, b beat, sent, failed prometheus.Counter) {
	well, works := true, true
	for {
		wait := h.Every
		if err := h.Well(); err != nil {
			if well {
				h.Log.Warn().Str("to", b.name).Str("reason", err.Error()).Msg("notify: no heartbeat is sent until all is well")
			}
			well = false
		} else {
			well = true
			timeout, cancel := context.WithTimeout(ctx, beatTimeout)
			err := b.send(timeout, h.Now())
			cancel()
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				failed.Inc()
				wait = h.Every / 4
				if works {
					h.Log.Warn().Str("to", b.name).Str("error", inert(err.Error())).Msg("notify: a heartbeat was not taken; it is tried again")
				}
			default:
				sent.Inc()
			}
			works = err == nil
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

func (h *Heartbeat) address() (string, error) {
	if h.URL != "" {
		return h.URL, nil // checked with the configuration
	}
	return secretFile(h.URLFile).link(h.AllowPrivate, "the one that the service gave for this check")
}

func (h *Heartbeat) call(ctx context.Context, c *client, now time.Time) error {
	link, err := h.address()
	if err != nil {
		return err
	}
	r, err := c.do(ctx, http.MethodGet, link, nil, nil, now, linkSecrets(link)...)
	if err != nil {
		return err
	}
	return r.judge(nil)
}

// watchdogHolds is how many intervals an Alertmanager takes the watchdog for firing without hearing of it.
const watchdogHolds = 4

// watchdog says once more that all is well. An Alertmanager that hears nothing resolves it by itself.
func (a *alertmanager) watchdog(ctx context.Context, labels map[string]string, began, now time.Time, every time.Duration) error {
	all := map[string]string{"alertname": "DrainwatchWatchdog", "severity": "none"}
	for name, value := range labels {
		all[name] = cut(inert(value), amLabel)
	}
	body, err := jsonText([]amAlert{{
		Labels: all,
		Annotations: map[string]string{
			"summary":     "drainwatch sees everything and can tell",
			"description": "This alert fires as long as all is well. Route it to something that rings when it stops.",
		},
		StartsAt: began.UTC(), EndsAt: now.UTC().Add(watchdogHolds * every),
	}})
	if err != nil {
		return err
	}
	_, err = a.send(ctx, body, now)
	return err
}
