package spicedb

import (
	"errors"
	"time"

	"github.com/usher-auth/usher/authz/internal/adapter"
)

// defaultBatchSize is far under SpiceDB's limit of 10,000, so that one large
// batch is spread over its nodes.
const defaultBatchSize = 1000

// Config says which SpiceDB to ask and how.
type Config struct {
	// Client is the connection to SpiceDB, such as
	// v1.NewPermissionsServiceClient(conn). Required.
	Client Client

	// EncodeIDs sends every object and subject id through [EncodeID], so that ids
	// outside SpiceDB's grammar can be asked about. The relationships must have
	// been written with encoded ids too: an id that holds "=" or a dot is another
	// one with this setting than without. Choose it once, before the first
	// relationship. Optional.
	EncodeIDs bool

	// BatchSize is how many checks one CheckBulkPermissions holds. Optional.
	// Default 1000; at most 10,000, which is SpiceDB's own limit.
	BatchSize int
	// Parallelism is how many requests of one batch run side by side. Optional.
	// Default 4; at most 64.
	Parallelism int
	// Timeout bounds each request to SpiceDB. The caller's own deadline holds
	// besides. Optional. Default 3 s.
	Timeout time.Duration
}

func (c *Config) limits() (adapter.Limits, error) {
	limits := adapter.Limits{BatchSize: c.BatchSize, Parallelism: c.Parallelism, Timeout: c.Timeout}
	if c.Client == nil {
		return limits, errors.New("spicedb: no client")
	}

	return limits, limits.Check("spicedb", defaultBatchSize)
}
