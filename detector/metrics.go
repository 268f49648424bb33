package detector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what the engine counts. Nothing chosen by users becomes a label.
type metrics struct {
	rows   prometheus.Counter
	dead   *prometheus.CounterVec
	alerts *prometheus.CounterVec
	head   prometheus.Gauge
	open   prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		rows:   f.NewCounter(prometheus.CounterOpts{Name: "drainwatch_rows_total", Help: "Records folded, good and bad."}),
		dead:   f.NewCounterVec(prometheus.CounterOpts{Name: "drainwatch_dead_letters_total", Help: "Records that could not be used."}, []string{"reason"}),
		alerts: f.NewCounterVec(prometheus.CounterOpts{Name: "drainwatch_alert_revisions_total", Help: "Alert revisions written."}, []string{"class", "cause", "severity", "status"}),
		head:   f.NewGauge(prometheus.GaugeOpts{Name: "drainwatch_head_seconds", Help: "Greatest event time read, in Unix seconds."}),
		open:   f.NewGauge(prometheus.GaugeOpts{Name: "drainwatch_incidents_open", Help: "Incidents that fire."}),
	}
}
