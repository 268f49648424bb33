package stream

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are per topic, some per partition. Several clients of one process share them.
type metrics struct {
	records, bytes, control, aborted, below, refused *prometheus.CounterVec
	fetchErrors, rebalances, written, writeRetries   *prometheus.CounterVec
	lag                                              *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "drainwatch_stream_" + name, Help: help}, labels))
	}
	return &metrics{
		records:      counter("records_total", "Records handed on.", "topic"),
		bytes:        counter("bytes_total", "Bytes of record batches fetched, as stored.", "topic"),
		control:      counter("control_records_total", "Transaction markers met and not handed on.", "topic"),
		aborted:      counter("aborted_records_total", "Records of aborted transactions, not handed on.", "topic"),
		below:        counter("dropped_records_total", "Records below the offset asked for, which a batch brought along.", "topic"),
		refused:      counter("refused_batches_total", "Record batches that could not be read.", "topic"),
		fetchErrors:  counter("fetch_errors_total", "Fetches that failed and were tried again.", "topic"),
		rebalances:   counter("rebalances_total", "Group generations joined.", "topic"),
		written:      counter("written_records_total", "Records written and acknowledged.", "topic"),
		writeRetries: counter("write_retries_total", "Writes tried again, which may have written twice.", "topic"),
		lag: register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "drainwatch_stream_lag_records", Help: "Records between the reader and the log's end.",
		}, []string{"topic", "partition"})),
	}
}

// register registers c, or returns what an earlier client registered.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	var already prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &already) {
		if old, ok := already.ExistingCollector.(C); ok {
			return old
		}
	}
	return c
}

// topicMetrics are the counters of one topic, looked up once.
type topicMetrics struct {
	records, bytes, control, aborted, below, refused, fetchErrors prometheus.Counter
}

func (m *metrics) of(topic string) topicMetrics {
	return topicMetrics{
		records: m.records.WithLabelValues(topic), bytes: m.bytes.WithLabelValues(topic),
		control: m.control.WithLabelValues(topic), aborted: m.aborted.WithLabelValues(topic),
		below: m.below.WithLabelValues(topic), refused: m.refused.WithLabelValues(topic),
		fetchErrors: m.fetchErrors.WithLabelValues(topic),
	}
}

func partitionLabel(p int32) string { return strconv.Itoa(int(p)) }
