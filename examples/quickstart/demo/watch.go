package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor/telemetry"
)

// watch is what an operator sees: metrics, and a record of each decision. One
// process has one; its observers go to every part.
type watch struct {
	*telemetry.Telemetry

	metrics *sdkmetric.ManualReader // a service in production has a PeriodicReader and an exporter
	records *records
}

func newWatch() (*watch, error) {
	w := &watch{metrics: sdkmetric.NewManualReader(), records: &records{}}
	tel, err := telemetry.New(telemetry.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.metrics)),
		Audit:         slog.New(slog.NewJSONHandler(w.records, nil)),
	})
	if err != nil {
		return nil, err
	}
	w.Telemetry = tel
	return w, nil
}

// authzBeside is the watch's observer of package authz with another one beside
// it, which only knows decisions and the engine's requests.
func (w *watch) authzBeside(other authz.Observer) authz.Observer {
	both := w.Authz
	both.Decided = func(ctx context.Context, decision *authz.Decision) {
		w.Authz.Decided(ctx, decision)
		other.Decided(ctx, decision)
	}
	both.Asked = func(ctx context.Context, asked authz.EngineAsked) {
		w.Authz.Asked(ctx, asked)
		other.Asked(ctx, asked)
	}
	return both
}

// printMetrics prints every metric: its name, its labels, and its value. Of a
// histogram it prints how many there were and their sum.
func (w *watch) printMetrics(ctx context.Context, out io.Writer) error {
	var all metricdata.ResourceMetrics
	if err := w.metrics.Collect(ctx, &all); err != nil {
		return err
	}
	var lines []string
	add := func(name string, labels attribute.Set, format string, values ...any) {
		lines = append(lines, fmt.Sprintf("%-32s %s  ", name, labels.Encoded(attribute.DefaultEncoder()))+fmt.Sprintf(format, values...))
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, "count %d, sum %.6f %s", p.Count, p.Sum, m.Unit)
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, "%d", p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, "%d", p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, "%.6f %s", p.Value, m.Unit)
				}
			default:
				return fmt.Errorf("%s: %T isn't printed", m.Name, m.Data)
			}
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return nil
}
