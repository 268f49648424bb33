package notify

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics tell how delivery goes, by sink.
type metrics struct {
	sent, skipped, dead, held *prometheus.CounterVec
	failures                  *prometheus.CounterVec
	took                      *prometheus.HistogramVec
	storeFailures             prometheus.Counter

	unregister func() // all of it: the next dispatcher of a process has metrics of the same names
}

// registered is a Registerer that knows what was registered through it. The zero value registers nowhere.
type registered struct {
	prometheus.Registerer
	all []prometheus.Collector
}

// MustRegister implements prometheus.Registerer.
func (r *registered) MustRegister(cs ...prometheus.Collector) {
	if r.Registerer != nil {
		r.Registerer.MustRegister(cs...)
		r.all = append(r.all, cs...)
	}
}

// outcomeNames are the values of the label that says what follows from a failure.
var outcomeNames = map[Outcome]string{Retry: "retry", Refused: "refused", Gone: "gone"}

func newMetrics(reg prometheus.Registerer, d *Dispatcher) *metrics {
	to := &registered{Registerer: reg}
	f := promauto.With(to)
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "drainwatch_notify_" + name + "_total", Help: help}, append([]string{"sink"}, labels...))
	}
	m := &metrics{
		sent:     vec("sent", "Notifications that the receiver took, repeats included."),
		skipped:  vec("skipped", "Revisions left out because a newer one came first or nothing that people read has changed."),
		dead:     vec("dead", "Notifications given up: refused by the receiver, or tried until the end."),
		held:     vec("held", "Revisions held back by the rate cap and counted in a digest."),
		failures: vec("failures", "Failed attempts, by what follows: retry, refused or gone.", "outcome"),
		took: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "drainwatch_notify_attempt_seconds", Help: "How long an attempt took.", Buckets: []float64{.01, .05, .1, .5, 1, 2, 5, 10, 20},
		}, []string{"sink"}),
		storeFailures: f.NewCounter(prometheus.CounterOpts{Name: "drainwatch_notify_outbox_failures_total", Help: "Writes of the outbox that failed."}),
	}
	m.unregister = func() {
		for _, c := range to.all {
			to.Unregister(c)
		}
	}
	for _, name := range d.names {
		l := d.lanes[name]
		for _, v := range []*prometheus.CounterVec{m.sent, m.skipped, m.dead, m.held} {
			v.WithLabelValues(name)
		}
		for _, o := range outcomeNames {
			m.failures.WithLabelValues(name, o)
		}
		for _, g := range []struct {
			name, help string
			value      func() float64
		}{
			{"pending", "Notifications that wait to be delivered.", func() float64 { return float64(l.pending()) }},
			{"dead_letters", "Notifications given up that can be retried.", func() float64 { return float64(len(l.dead)) }},
			{"oldest_pending_seconds", "For how long the oldest notification has been waiting.", l.oldest},
			{"resting", "1 while the receiver is left alone because it failed or asked for it, or is switched off.", l.resting},
		} {
			f.NewGaugeFunc(prometheus.GaugeOpts{Name: "drainwatch_notify_" + g.name, Help: g.help, ConstLabels: prometheus.Labels{"sink": name}}, func() float64 {
				d.mu.Lock()
				defer d.mu.Unlock()
				return g.value()
			})
		}
	}
	return m
}

func (m *metrics) failed(sink string, o Outcome) {
	m.failures.WithLabelValues(sink, outcomeNames[o]).Inc()
}

func (l *lane) oldest() (seconds float64) {
	now := l.d.opts.Now()
	for _, t := range l.threads {
		for _, e := range t.Queue {
			seconds = max(seconds, now.Sub(e.QueuedAt).Seconds())
		}
	}
	return seconds
}

func (l *lane) resting() float64 {
	if l.gone != "" || l.restUntil.After(l.d.opts.Now()) {
		return 1
	}
	return 0
}
