package openfga

import (
	"fmt"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz"
)

const (
	// defaultBatchSize is the server's default maxChecksPerBatchCheck.
	defaultBatchSize = 50
	// defaultParallelism keeps one decision from taking the whole server.
	defaultParallelism = 4
	maxBatchSize       = 10_000
	maxParallelism     = 64
)

type options struct {
	modelID     string
	batchSize   int
	parallelism int
	timeout     time.Duration
	contextual  func(authz.Query) ([]*openfgav1.TupleKey, error)
}

func defaults() options {
	return options{batchSize: defaultBatchSize, parallelism: defaultParallelism, timeout: defaultTimeout}
}

// Option changes a default of [New].
type Option interface{ apply(o *options) error }

type option func(*options) error

func (f option) apply(o *options) error { return f(o) }

// WithModel pins the authorization model, a ULID. Recommended: without it the
// store's newest model is read at the first check, so two replicas that start
// around a model change may decide by different models.
func WithModel(id string) Option {
	return option(func(o *options) error {
		if !isULID(id) {
			return fmt.Errorf("openfga: model id %q is not a ULID (26 characters)", id)
		}
		o.modelID = id

		return nil
	})
}

// WithBatchSize sets how many checks one BatchCheck holds. Default 50, which
// is the server's own default limit (OPENFGA_MAX_CHECKS_PER_BATCH_CHECK); a
// larger one must be configured there too. 1 to 10,000.
func WithBatchSize(n int) Option {
	return option(func(o *options) error {
		if n < 1 || n > maxBatchSize {
			return fmt.Errorf("openfga: batch size %d is not within 1 and %d", n, maxBatchSize)
		}
		o.batchSize = n

		return nil
	})
}

// WithParallelism sets how many requests of one batch run side by side.
// Default 4; 1 to 64.
func WithParallelism(n int) Option {
	return option(func(o *options) error {
		if n < 1 || n > maxParallelism {
			return fmt.Errorf("openfga: parallelism %d is not within 1 and %d", n, maxParallelism)
		}
		o.parallelism = n

		return nil
	})
}

// WithTimeout bounds each request to OpenFGA. Default 3 s. The caller's own
// deadline holds besides.
func WithTimeout(d time.Duration) Option {
	return option(func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("openfga: timeout %v is not positive", d)
		}
		o.timeout = d

		return nil
	})
}

// WithContextualTuples adds tuples to a query that the store doesn't hold. They
// are trusted like stored ones. The function must depend on the query alone,
// never on who asks: decisions are cached and shared by query. Its error makes
// the query unanswerable. OpenFGA takes at most 100 for each check. Safe for
// concurrent use.
func WithContextualTuples(f func(authz.Query) ([]*openfgav1.TupleKey, error)) Option {
	return option(func(o *options) error {
		o.contextual = f

		return nil
	})
}
