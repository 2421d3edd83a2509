package bot

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/shipmate/shipmate/pipeline"
)

// Metrics are the numbers an operator watches.
type Metrics struct {
	Registry *prometheus.Registry

	acks    *prometheus.HistogramVec
	jobs    *prometheus.HistogramVec
	waits   *prometheus.HistogramVec
	runs    *prometheus.HistogramVec
	steps   *prometheus.HistogramVec
	calls   *prometheus.CounterVec
	budgets *prometheus.GaugeVec
	refused *prometheus.CounterVec
}

var (
	fast = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3, 10}
	slow = []float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400}
)

// NewMetrics registers everything. stats is asked at each scrape.
func NewMetrics(stats func(ctx context.Context) (pipeline.Stats, error)) *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		acks:     histogram("shipmate_webhook_ack_seconds", "Time from a request of a platform to its answer.", fast, "source", "status"),
		jobs:     histogram("shipmate_job_seconds", "Time a job's handler took.", fast, "kind", "result"),
		waits:    histogram("shipmate_job_tries", "Failed tries of a job before this one.", []float64{0, 1, 2, 4, 8, 12}, "kind"),
		runs:     histogram("shipmate_run_seconds", "Time from a run's creation to its end; dry runs are not counted.", slow, "pipeline", "environment", "state"),
		steps:    histogram("shipmate_step_seconds", "Time of a step's last attempt.", slow, "uses", "state"),
		calls:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shipmate_api_calls_total", Help: "Calls of a platform's API."}, []string{"api", "status"}),
		budgets:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "shipmate_api_budget_remaining", Help: "What is left of a GitHub installation's hourly budget."}, []string{"installation"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shipmate_requests_refused_total", Help: "Requests of a platform that were refused for their signature."}, []string{"source"}),
	}
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.acks, m.jobs, m.waits, m.runs, m.steps, m.calls, m.budgets, m.refused, queueCollector{stats})
	return m
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Acked counts an answer to a platform's request.
func (m *Metrics) Acked(source, status string, took time.Duration) {
	m.acks.WithLabelValues(source, status).Observe(took.Seconds())
}

// Called counts a call of a platform's API.
func (m *Metrics) Called(api, status string) { m.calls.WithLabelValues(api, status).Inc() }

// Budget notes what GitHub says is left for an installation.
func (m *Metrics) Budget(installation int64, remaining int) {
	m.budgets.WithLabelValues(strconv.FormatInt(installation, 10)).Set(float64(remaining))
}

// Refused counts a request whose signature is wrong; it is Arrivals' Refused.
func (m *Metrics) Refused(source string) { m.refused.WithLabelValues(strings.ToLower(source)).Inc() }

// Job counts a job; it is a Worker's Observe.
func (m *Metrics) Job(l *pipeline.Lease, took time.Duration, err error) {
	result := "done"
	switch {
	case pipeline.IsTemporary(err):
		result = "retried"
	case pipeline.AsRefused(err) != nil:
		result = "blocked"
	case err != nil:
		result = "buried"
	}
	m.jobs.WithLabelValues(l.Kind, result).Observe(took.Seconds())
	m.waits.WithLabelValues(l.Kind).Observe(float64(l.Tries))
}

// Observer counts runs and steps, but for dry runs: what is counted was done.
func (m *Metrics) Observer() pipeline.Observer {
	return pipeline.Observer{
		RunEnded: func(r *pipeline.Run) {
			if r.DryRun {
				return
			}
			m.runs.WithLabelValues(r.Pipeline.Name, r.EnvironmentName(), string(r.State)).Observe(r.Ended.Sub(r.Created).Seconds())
		},
		StepEnded: func(r *pipeline.Run, s *pipeline.StepRun) {
			if def, ok := r.Pipeline.Step(s.Name); ok && !s.Started.IsZero() && !r.DryRun {
				m.steps.WithLabelValues(def.Runner(), string(s.State)).Observe(s.Ended.Sub(s.Started).Seconds())
			}
		},
	}
}

// queueCollector reads the queue when it is asked, so that an idle bot sends
// nothing to Redis for it.
type queueCollector struct {
	stats func(ctx context.Context) (pipeline.Stats, error)
}

var (
	depthDesc = prometheus.NewDesc("shipmate_queue_depth", "Jobs that are ready or in hand.", []string{"pool"}, nil)
	ageDesc   = prometheus.NewDesc("shipmate_queue_age_seconds", "Age of the oldest job that is ready.", []string{"pool"}, nil)
	laterDesc = prometheus.NewDesc("shipmate_queue_delayed", "Jobs that wait for their time: soon, which are tried again or wait for a budget, or later, among them blocked ones.", []string{"due"}, nil)
	openDesc  = prometheus.NewDesc("shipmate_runs_open", "Runs that have not ended.", nil, nil)
	stopDesc  = prometheus.NewDesc("shipmate_queue_blocked", "Jobs that GitHub or Slack refuses for now, most of them reports. The log says why.", nil, nil)
	deadDesc  = prometheus.NewDesc("shipmate_queue_dead", "Jobs given up, for an operator to look at.", nil, nil)
)

func (c queueCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{depthDesc, ageDesc, laterDesc, openDesc, stopDesc, deadDesc} {
		ch <- d
	}
}

func (c queueCollector) Collect(ch chan<- prometheus.Metric) {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stats, err := c.stats(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(depthDesc, err)
		return
	}
	depth, age := map[pipeline.Pool]int64{}, map[pipeline.Pool]time.Duration{}
	for _, q := range stats.Queues {
		depth[q.Pool] += q.Ready + q.Leased
		age[q.Pool] = max(age[q.Pool], q.Oldest)
	}
	for pool := range depth {
		ch <- prometheus.MustNewConstMetric(depthDesc, prometheus.GaugeValue, float64(depth[pool]), string(pool))
		ch <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, age[pool].Seconds(), string(pool))
	}
	ch <- prometheus.MustNewConstMetric(laterDesc, prometheus.GaugeValue, float64(stats.Soon), "soon")
	ch <- prometheus.MustNewConstMetric(laterDesc, prometheus.GaugeValue, float64(stats.Delayed-stats.Soon), "later")
	ch <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(stats.Open))
	ch <- prometheus.MustNewConstMetric(stopDesc, prometheus.GaugeValue, float64(stats.Blocked))
	ch <- prometheus.MustNewConstMetric(deadDesc, prometheus.GaugeValue, float64(stats.Dead))
}
