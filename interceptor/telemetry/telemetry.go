package telemetry

import (
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// scope is the name of the instrumentation.
const scope = "github.com/usher-auth/usher/interceptor/telemetry"

// Config says where telemetry goes.
type Config struct {
	// MeterProvider takes the metrics. Optional. Default: the global one.
	MeterProvider metric.MeterProvider
	// Audit takes the audit records. Optional. Default: there are none.
	Audit *slog.Logger
	// GrantSampling is how many grants there are to one that is recorded; denials
	// are all recorded. Optional. Default 1, every grant; negative is an error.
	GrantSampling int
}

// Telemetry is the observers of all packages. It is made by [New].
type Telemetry struct {
	// Credentials is for credentials.Config.
	Credentials credentials.Observer
	// Verify is for the configurations of verifiers.
	Verify verify.Observer
	// Authz is for authz.Config.
	Authz authz.Observer
	// Interceptor is for interceptor.Config.
	Interceptor interceptor.Observer
}

// New makes the instruments and the observers that feed them.
func New(cfg Config) (*Telemetry, error) {
	if cfg.GrantSampling < 0 {
		return nil, fmt.Errorf("telemetry: Config.GrantSampling is %d, below zero", cfg.GrantSampling)
	}
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	m, err := newInstruments(cfg.MeterProvider.Meter(scope))
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	a := newAudit(cfg.Audit, max(cfg.GrantSampling, 1))

	return &Telemetry{
		Credentials: m.credentialsObserver(),
		Verify:      m.verifyObserver(),
		Authz:       authzObserver(m, a),
		Interceptor: interceptorObserver(m, a),
	}, nil
}

// making collects the faults of many constructors.
type making struct{ faults []error }

func made[T any](m *making, instrument T, err error) T {
	m.faults = append(m.faults, err)

	return instrument
}

func (m *making) err() error { return errors.Join(m.faults...) }
