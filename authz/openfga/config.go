package openfga

import (
	"errors"
	"fmt"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

// defaultBatchSize is the server's default maxChecksPerBatchCheck.
const defaultBatchSize = 50

// Config says which store to ask and how.
type Config struct {
	// Client is the connection to OpenFGA, such as
	// openfgav1.NewOpenFGAServiceClient(conn), or [Embedded]. Required.
	Client Client
	// StoreID is the store's id, a ULID. Required.
	StoreID string
	// ModelID pins the authorization model, a ULID. Optional but recommended:
	// without it the store's newest model is read at the first check, so two
	// replicas that start around a model change may decide by different models.
	ModelID string

	// ContextualTuples adds tuples to a query that the store doesn't hold. They
	// are trusted like stored ones. The function must depend on the query alone,
	// never on who asks: decisions are cached and shared by query. Its error makes
	// the query unanswerable. OpenFGA takes at most 100 for each check. Optional.
	// Safe for concurrent use.
	ContextualTuples func(authz.Query) ([]*openfgav1.TupleKey, error)

	// BatchSize is how many checks one BatchCheck holds. Optional. Default 50,
	// which is the server's own default limit (OPENFGA_MAX_CHECKS_PER_BATCH_CHECK);
	// a larger one must be configured there too. At most 10,000.
	BatchSize int
	// Parallelism is how many requests of one batch run side by side. Optional.
	// Default 4; at most 64.
	Parallelism int
	// Timeout bounds each request to OpenFGA. The caller's own deadline holds
	// besides. Optional. Default 3 s.
	Timeout time.Duration
}

func (c *Config) limits() (adapter.Limits, error) {
	limits := adapter.Limits{BatchSize: c.BatchSize, Parallelism: c.Parallelism, Timeout: c.Timeout}
	switch {
	case c.Client == nil:
		return limits, errors.New("openfga: no client")
	case !isULID(c.StoreID):
		return limits, fmt.Errorf("openfga: store id %q is not a ULID (26 characters)", c.StoreID)
	case c.ModelID != "" && !isULID(c.ModelID):
		return limits, fmt.Errorf("openfga: model id %q is not a ULID (26 characters)", c.ModelID)
	}

	return limits, limits.Check("openfga", defaultBatchSize)
}
