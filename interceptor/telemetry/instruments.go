package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The names of labels, and their values where those are fixed.
const (
	labelOutcome  = "outcome"
	labelKind     = "kind"
	labelSource   = "source"
	labelIssuer   = "issuer"
	labelReason   = "reason"
	labelOccasion = "occasion"
	labelMethod   = "rpc.method"
	labelEffect   = "effect"
	labelCached   = "cached"
	labelWhere    = "where"

	outcomeOK          = "ok"
	outcomeRefused     = "refused"
	outcomeUnavailable = "unavailable"
	outcomeFault       = "fault"
	outcomeCanceled    = "canceled"

	// otherMethod is the label of every method without a rule: the caller chooses
	// the name of such a method.
	otherMethod = "other"
)

// latencyBuckets are in seconds, from a cache hit to an engine's timeout.
var latencyBuckets = []float64{
	0.000_001, 0.000_01, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
}

// instruments are the metrics.
type instruments struct {
	verified     metric.Float64Histogram
	keyFetches   metric.Int64Counter
	introspected metric.Float64Histogram
	decided      metric.Float64Histogram
	asked        metric.Float64Histogram
	combined     metric.Int64Counter
	checks       metric.Int64Counter
	breaker      metric.Int64Gauge
	fetched      metric.Float64Histogram
	invalidated  metric.Int64Counter
	abandoned    metric.Int64UpDownCounter
	panics       metric.Int64Counter

	mu       sync.Mutex
	loadedAt map[string]time.Time // by issuer: when its keys were last loaded
}

func newInstruments(meter metric.Meter) (*instruments, error) {
	var m making
	duration := func(name, description string) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(latencyBuckets...))

		return made(&m, h, err)
	}
	counter := func(name, description string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithDescription(description))

		return made(&m, c, err)
	}
	i := &instruments{
		verified:     duration("usher.verify.duration", "Verifications of access tokens."),
		keyFetches:   counter("usher.verify.keys.fetches", "Fetches of issuers' keys."),
		introspected: duration("usher.verify.introspect.duration", "Requests to introspection endpoints."),
		decided:      duration("usher.decision.duration", "Decisions about calls, verification included."),
		asked:        duration("usher.authz.engine.duration", "Requests to engines, by the kind of their queries."),
		combined:     counter("usher.authz.engine.combined", "Queries that were asked together with those of other calls."),
		checks:       counter("usher.authz.checks", "Queries, by kind, by effect and by whether the cache knew."),
		fetched:      duration("usher.credentials.fetch.duration", "Fetches of service tokens."),
		invalidated:  counter("usher.credentials.invalidations", "Service tokens found bad before their expiry."),
		panics:       counter("usher.panics", "Contained panics of handlers and hooks."),
		loadedAt:     map[string]time.Time{},
	}
	abandoned, err := meter.Int64UpDownCounter("usher.handlers.abandoned",
		metric.WithDescription("Stream handlers that run on after their call has ended."))
	i.abandoned = made(&m, abandoned, err)
	breaker, err := meter.Int64Gauge("usher.authz.breaker.open", metric.WithDescription("1 while the circuit breaker before an engine is open, by the kind of its queries."))
	i.breaker = made(&m, breaker, err)
	_, err = meter.Float64ObservableGauge("usher.verify.keys.age", metric.WithUnit("s"),
		metric.WithDescription("Time since an issuer's keys were last loaded."), metric.WithFloat64Callback(i.observeAges))
	made(&m, struct{}{}, err)

	return i, m.err()
}

func (i *instruments) observeAges(_ context.Context, observer metric.Float64Observer) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for issuer, at := range i.loadedAt {
		observer.Observe(time.Since(at).Seconds(), labels(attribute.String(labelIssuer, issuer)))
	}

	return nil
}

func (i *instruments) keysLoaded(issuer string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.loadedAt[issuer] = time.Now()
}

func labels(attributes ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attributes...))
}
