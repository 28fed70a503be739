package projections

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// metrics are a runner's, each with the label projection.
type metrics struct {
	lagEvents, lagSeconds *prometheus.GaugeVec
	events                *prometheus.CounterVec
	quarantined           *prometheus.CounterVec
	batchSeconds          prometheus.Histogram
	retries               *prometheus.CounterVec
	fenced                prometheus.Counter
	conflicts             prometheus.Counter
	duplicates            prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer, definition Definition, health *Health) *metrics {
	if registerer == nil {
		registerer = prometheus.NewRegistry()
	}
	place := []string{"topic", "partition"}
	m := &metrics{
		lagEvents: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tributary_projection_lag_events", Help: "Offsets of a partition that are in the log and not yet in the projection.",
		}, place),
		lagSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tributary_projection_lag_seconds", Help: "Age of the last committed record of a partition that has lag; 0 without lag.",
		}, place),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tributary_projection_events_total", Help: "Valid events committed, duplicates among them.",
		}, []string{"type"}),
		quarantined: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tributary_quarantined_total", Help: "Invalid records met, by reason; the quarantine projection keeps them.",
		}, []string{"reason"}),
		batchSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tributary_projection_batch_seconds", Help: "Time to commit a batch, retries among it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16), //nolint:mnd // A millisecond to half a minute.
		}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tributary_projection_retries_total", Help: "Failed tries, by what was tried.",
		}, []string{"kind"}),
		fenced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tributary_projection_fenced_total", Help: "Commits that the store refused because another owner had taken over.",
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tributary_projection_conflicts_total", Help: "Events that came under an id which has another content.",
		}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tributary_projection_duplicates_total", Help: "Events that were in already.",
		}),
	}
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"projection": definition.Name}, registerer)
	labelled.MustRegister(m.lagEvents, m.lagSeconds, m.events, m.batchSeconds, m.retries,
		m.fenced, m.conflicts, m.duplicates, readiness(health))
	if definition.Rejections {
		registerer.MustRegister(m.quarantined)
	}
	m.beginAtZero()
	return m
}

// beginAtZero makes the counters that alerts watch known before they count: of one that begins with 1 nobody sees the increase.
func (m *metrics) beginAtZero() {
	for _, kind := range []string{"acquire", "prepare", "commit", "fetch", "brokers", "session", "log_lost"} {
		m.retries.WithLabelValues(kind)
	}
	for _, reason := range ledger.Codes() {
		m.quarantined.WithLabelValues(string(reason))
	}
}

// readiness is /readyz for those who watch many processes by their metrics.
func readiness(health *Health) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tributary_projection_ready", Help: "1 while the projector does its work, as /readyz says; else 0.",
	}, func() float64 {
		if health.Ready() != nil {
			return 0
		}
		return 1
	})
}

func (m *metrics) observe(batch Batch, committed Committed, took time.Duration) {
	types, reasons := map[ledger.Type]int{}, map[ledger.Code]int{}
	for i := range batch.Records {
		switch record := &batch.Records[i]; {
		case record.Event != nil:
			types[record.Event.Type]++
		case record.Rejected != nil:
			reasons[record.Rejected.Invalid.Code]++
		}
	}
	for eventType, n := range types {
		m.events.WithLabelValues(string(eventType)).Add(float64(n))
	}
	for reason, n := range reasons {
		m.quarantined.WithLabelValues(string(reason)).Add(float64(n))
	}
	m.conflicts.Add(float64(committed.Conflicts))
	m.duplicates.Add(float64(committed.Duplicates))
	m.batchSeconds.Observe(took.Seconds())
}

func (m *metrics) lag(p eventlog.TopicPartition, lag Lag) {
	partition := strconv.Itoa(int(p.Partition))
	m.lagEvents.WithLabelValues(p.Topic, partition).Set(float64(lag.Events))
	m.lagSeconds.WithLabelValues(p.Topic, partition).Set(lag.Time.Seconds())
}

func (m *metrics) forget(p eventlog.TopicPartition) {
	partition := strconv.Itoa(int(p.Partition))
	m.lagEvents.DeleteLabelValues(p.Topic, partition)
	m.lagSeconds.DeleteLabelValues(p.Topic, partition)
}
