package spicedb

import (
	"errors"
	"time"

	"github.com/usher-auth/usher/authz/internal/adapter"
)

// defaultBatchSize is far below SpiceDB's limit of 10,000, so that one large batch
// is spread over its nodes.
const defaultBatchSize = 1000

// Config configures an [Engine].
type Config struct {
	// Client is the connection to SpiceDB, such as
	// v1.NewPermissionsServiceClient(conn). Its methods must return when their context
	// ends, and so must the connection's interceptors and credentials: authz may call
	// them in the goroutine of the call that is decided, see [authz.ContextHonorer].
	// Required.
	Client Client

	// SchemaClient is the connection for [Engine.ReadSchema], such as
	// v1.NewSchemaServiceClient(conn). No check uses it. Optional. Default: Client, if it
	// has these methods too, as authzed-go's Client does.
	SchemaClient SchemaClient

	// EncodeIDs encodes every object and subject id by [EncodeID], so that ids
	// outside SpiceDB's grammar can be asked about. The relationships must have
	// been written with encoded ids too: an id that holds "=" or a dot is a
	// different id with this setting than without. Choose it once, before the first
	// relationship is written. Optional.
	EncodeIDs bool

	// BatchSize is how many checks one CheckBulkPermissions holds. Optional.
	// Default 1000; negative, or more than 10,000, which is SpiceDB's own limit, is
	// an error.
	BatchSize int
	// Parallelism is how many requests of one batch run at once. Optional. Default
	// 4; more than 64, or negative, is an error.
	Parallelism int
	// Timeout bounds each request to SpiceDB, in addition to the caller's own
	// deadline. Optional. Default 3 s; negative is an error.
	Timeout time.Duration
}

// limits returns the limits with their defaults, and an error that joins all faults
// of the configuration.
func (c *Config) limits() (adapter.Limits, error) {
	limits := adapter.Limits{BatchSize: c.BatchSize, Parallelism: c.Parallelism, Timeout: c.Timeout}
	var missing error
	if c.Client == nil {
		missing = errors.New("spicedb: Client is required")
	}

	return limits, errors.Join(missing, limits.Check("spicedb", defaultBatchSize))
}
