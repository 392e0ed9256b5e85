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

// Config configures a [Telemetry].
type Config struct {
	// MeterProvider makes the instruments of the metrics. Optional. Default: the
	// global one.
	MeterProvider metric.MeterProvider
	// Audit receives the audit records. Optional. Default: none are written.
	Audit *slog.Logger
	// GrantSampling records one in this many grants, chosen at random; denials are
	// all recorded. Optional. Default 1, every grant; negative is an error.
	GrantSampling int
}

// Telemetry holds the observers of all packages. It is made by [New].
type Telemetry struct {
	// Credentials is for [credentials.Config].
	Credentials credentials.Observer
	// Verify is for the Config of each verifier.
	Verify verify.Observer
	// Authz is for [authz.Config].
	Authz authz.Observer
	// Interceptor is for [interceptor.Config].
	Interceptor interceptor.Observer
}

// New makes the instruments, and the observers that record to them. It returns an
// error if the configuration is invalid or an instrument can't be made.
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

// making collects the errors of several constructors.
type making struct{ faults []error }

func made[T any](m *making, instrument T, err error) T {
	m.faults = append(m.faults, err)

	return instrument
}

func (m *making) err() error { return errors.Join(m.faults...) }
