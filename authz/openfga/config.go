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

// Config configures an [Engine].
type Config struct {
	// Client is the connection to OpenFGA, such as
	// openfgav1.NewOpenFGAServiceClient(conn), or [Embedded]. Its methods must return
	// when their context ends, and so must the connection's interceptors and
	// credentials: authz may call them in the goroutine of the call that is decided, see
	// [authz.ContextHonorer]. Required.
	Client Client
	// StoreID is the store's id, a ULID. Required.
	StoreID string
	// ModelID pins the authorization model, a ULID. Optional but recommended:
	// without it the store's newest model is read at the first check, so two
	// replicas that start around a model change may decide by different models.
	ModelID string

	// ContextualTuples returns tuples that the store doesn't hold and that a query
	// adds. They are trusted like stored ones. The function must depend on the
	// query alone, never on the caller, since decisions are cached and shared by
	// query. If it returns an error, the query has no answer. OpenFGA takes at most
	// 100 tuples for each check. It must be safe for concurrent use. Optional.
	ContextualTuples func(authz.Query) ([]*openfgav1.TupleKey, error)

	// BatchSize is how many checks one BatchCheck holds. Optional. Default 50,
	// which is the server's own default limit (OPENFGA_MAX_CHECKS_PER_BATCH_CHECK);
	// a larger limit must be configured there too. More than 10,000, or negative,
	// is an error.
	BatchSize int
	// Parallelism is how many requests of one batch run at once. Optional. Default
	// 4; more than 64, or negative, is an error.
	Parallelism int
	// Timeout bounds each request to OpenFGA, in addition to the caller's own
	// deadline. Optional. Default 3 s; negative is an error.
	Timeout time.Duration
}

// limits returns the limits with their defaults, and an error that joins all faults
// of the configuration.
func (c *Config) limits() (adapter.Limits, error) {
	limits := adapter.Limits{BatchSize: c.BatchSize, Parallelism: c.Parallelism, Timeout: c.Timeout}
	var faults []error
	if c.Client == nil {
		faults = append(faults, errors.New("openfga: Client is required"))
	}
	switch {
	case c.StoreID == "":
		faults = append(faults, errors.New("openfga: StoreID is required"))
	case !isULID(c.StoreID):
		faults = append(faults, fmt.Errorf("openfga: StoreID %q is not a ULID (26 characters); a store's name is not its id", c.StoreID))
	}
	if c.ModelID != "" && !isULID(c.ModelID) {
		faults = append(faults, fmt.Errorf("openfga: ModelID %q is not a ULID (26 characters)", c.ModelID))
	}
	faults = append(faults, limits.Check("openfga", defaultBatchSize))

	return limits, errors.Join(faults...)
}
