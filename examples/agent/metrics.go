package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

type decision struct{ effect, severity string }

// Every series that can rise is there from the start, at zero: a rate needs a value before the
// first event, and no series at all then means that telemetry is missing.
var decisions = []decision{{"allow", "info"}, {"deny", "policy"}, {"deny", "safety"}}

// Metrics counts what the agent answered, and, in the place of a decision point, what was allowed.
type Metrics struct {
	mu         sync.Mutex
	requests   map[int]uint64
	durations  []uint64 // by bucket, the last is +Inf; not cumulative
	seconds    float64
	decisions  map[decision]uint64
	violations map[string]uint64
	heartbeat  time.Time
}

func newMetrics() *Metrics {
	m := &Metrics{
		requests:   map[int]uint64{200: 0, 500: 0},
		durations:  make([]uint64, len(buckets)+1),
		decisions:  map[decision]uint64{},
		violations: map[string]uint64{},
	}
	for _, each := range decisions {
		m.decisions[each] = 0
	}
	for _, each := range severities {
		m.violations[each] = 0
	}
	return m
}

// Answered counts one answer to GET /.
func (m *Metrics) Answered(code int, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[code]++
	m.seconds += took.Seconds()
	at, _ := slices.BinarySearch(buckets, took.Seconds())
	m.durations[at]++
}

// Allowed counts one decision that let the agent act.
func (m *Metrics) Allowed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.decisions[decision{"allow", "info"}]++
}

// Denied counts one decision that refused an act, which is a violation of this severity.
func (m *Metrics) Denied(severity string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.decisions[decision{"deny", severity}]++
	m.violations[severity]++
}

// Beat says that the decision log was written just now.
func (m *Metrics) Beat() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heartbeat = time.Now()
}

// Write writes the Prometheus text format 0.0.4.
func (m *Metrics) Write(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	head(w, "http_requests_total", "counter", "Answers to GET /, by status code.")
	for _, code := range slices.Sorted(maps.Keys(m.requests)) {
		fmt.Fprintf(w, "http_requests_total{code=\"%d\"} %d\n", code, m.requests[code])
	}
	m.writeDurations(w)
	head(w, "interlock_decisions_total", "counter", "Decisions about the agent's acts.")
	for _, each := range decisions {
		fmt.Fprintf(w, "interlock_decisions_total{effect=%q,severity=%q} %d\n",
			each.effect, each.severity, m.decisions[each])
	}
	head(w, "interlock_violations_total", "counter", "Acts against policy, by severity.")
	for _, each := range severities {
		fmt.Fprintf(w, "interlock_violations_total{severity=%q} %d\n", each, m.violations[each])
	}
	const beat = "interlock_decision_log_heartbeat_timestamp_seconds"
	head(w, beat, "gauge", "When the decision log was last written.")
	fmt.Fprintf(w, "%s %.3f\n", beat, stamp(m.heartbeat))
}

func (m *Metrics) writeDurations(w io.Writer) {
	const name = "http_request_duration_seconds"
	head(w, name, "histogram", "How long answers to GET / took.")
	var total uint64
	for at, count := range m.durations {
		total += count
		bound := "+Inf"
		if at < len(buckets) {
			bound = strconv.FormatFloat(buckets[at], 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket{le=%q} %d\n", name, bound, total)
	}
	fmt.Fprintf(w, "%s_sum %g\n%s_count %d\n", name, m.seconds, name, total)
}

func head(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// stamp is 0 for never, which is a long time ago.
func stamp(when time.Time) float64 {
	if when.IsZero() {
		return 0
	}
	return float64(when.UnixMilli()) / 1000
}
