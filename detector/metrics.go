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

	// By plan, and pool, as the configuration names them.
	planUsers, planDry, planUsual *prometheus.GaugeVec
	planBurn, poolGone            *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		rows:   f.NewCounter(prometheus.CounterOpts{Name: "drainwatch_rows_total", Help: "Records folded, good and bad."}),
		dead:   f.NewCounterVec(prometheus.CounterOpts{Name: "drainwatch_dead_letters_total", Help: "Records that could not be used."}, []string{"reason"}),
		alerts: f.NewCounterVec(prometheus.CounterOpts{Name: "drainwatch_alert_revisions_total", Help: "Alert revisions written."}, []string{"class", "cause", "severity", "status"}),
		head:   f.NewGauge(prometheus.GaugeOpts{Name: "drainwatch_head_seconds", Help: "Greatest event time read, in Unix seconds."}),
		open:   f.NewGauge(prometheus.GaugeOpts{Name: "drainwatch_incidents_open", Help: "Incidents that fire."}),

		planUsers: f.NewGaugeVec(prometheus.GaugeOpts{Name: "drainwatch_plan_window_users", Help: "Users with a five-hour window that has not ended, as of the last full hour."}, []string{"plan"}),
		planDry:   f.NewGaugeVec(prometheus.GaugeOpts{Name: "drainwatch_plan_dry_ratio", Help: "Share of the last hour's active users whose window is being used up before it ends."}, []string{"plan"}),
		planUsual: f.NewGaugeVec(prometheus.GaugeOpts{Name: "drainwatch_plan_dry_usual_ratio", Help: "The same in like hours of the days before."}, []string{"plan"}),
		planBurn:  f.NewGaugeVec(prometheus.GaugeOpts{Name: "drainwatch_plan_burn_credits_per_hour", Help: "Credits an hour that a plan's users draw: pace of the last hour, and since their windows began."}, []string{"plan", "over"}),
		poolGone:  f.NewGaugeVec(prometheus.GaugeOpts{Name: "drainwatch_pool_exhausted_users", Help: "Users whose balance on top of their plan is gone within the time, at the pace of the last day."}, []string{"plan", "pool", "within"}),
	}
}

// plans publishes how plans stand.
func (m *metrics) plans(states []PlanState) {
	for i := range states {
		p := &states[i]
		m.planUsers.WithLabelValues(p.Plan).Set(float64(p.Users))
		m.planDry.WithLabelValues(p.Plan).Set(p.Share)
		if p.UsualShare != nil {
			m.planUsual.WithLabelValues(p.Plan).Set(*p.UsualShare)
		}
		m.planBurn.WithLabelValues(p.Plan, "hour").Set(p.FastBurn.Float64())
		m.planBurn.WithLabelValues(p.Plan, "window").Set(p.SlowBurn.Float64())
		for _, x := range p.Pools {
			m.poolGone.WithLabelValues(p.Plan, x.Pool, "5h").Set(float64(x.Within5h))
			m.poolGone.WithLabelValues(p.Plan, x.Pool, "24h").Set(float64(x.Within24h))
		}
	}
}
