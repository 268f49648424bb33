package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// probes is the listener for machines: /healthz, /readyz and /metrics.
type probes struct {
	server *http.Server
	addr   string
	done   chan struct{}
}

// newRegistry returns a registry with what every Go process tells, and the build.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	b := buildInfo()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "drainwatch_build_info", Help: "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit},
	})
	build.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return r
}

// startProbes listens on addr, which key configures, until close. ready says why the program is not ready, nil if
// it is. rest, if not nil, answers for every other path.
func startProbes(addr, key string, registry *prometheus.Registry, ready func() error, rest http.Handler) (*probes, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return nil, fmt.Errorf("listen on %s: %w; free the port or choose another with %s", addr, err, key)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	if rest != nil {
		mux.Handle("/", rest)
	}
	p := &probes{
		addr: l.Addr().String(), done: make(chan struct{}),
		server: &http.Server{
			Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
			WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		},
	}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(l) // returns when it is closed
	}()
	return p, nil
}

// say answers with one line of plain text.
func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, neutral(text)+"\n")
}

// close gives open requests a moment and stops listening.
func (p *probes) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		_ = p.server.Close()
	}
	<-p.done
}
