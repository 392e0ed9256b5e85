package adapter

import (
	"errors"
	"fmt"
	"time"
)

const (
	// maxBatchSize is SpiceDB's own limit.
	maxBatchSize = 10_000
	// defaultParallelism keeps one decision from using all of an engine's servers.
	defaultParallelism = 4
	maxParallelism     = 64
	// defaultTimeout bounds one request. OpenFGA's own request timeout is 3 s by
	// default; a check that takes longer walks a graph that is too large.
	defaultTimeout = 3 * time.Second
)

// Limits bound the requests that a gRPC engine makes for one batch. They are the
// fields of its Config with these names. Zero is the default: 4 requests at once, 3 s
// each.
type Limits struct {
	BatchSize, Parallelism int
	Timeout                time.Duration
}

// Check fills in the defaults, with the engine's own batch size. It refuses values
// outside 1 to 10,000 queries and 1 to 64 requests, and a negative time, all at once.
func (l *Limits) Check(engine string, batchSize int) error {
	var faults []error
	if l.BatchSize < 0 || l.BatchSize > maxBatchSize {
		faults = append(faults, fmt.Errorf("%s: BatchSize %d is not within 1 and %d, nor 0 for the default", engine, l.BatchSize, maxBatchSize))
	}
	if l.Parallelism < 0 || l.Parallelism > maxParallelism {
		faults = append(faults, fmt.Errorf("%s: Parallelism %d is not within 1 and %d, nor 0 for the default", engine, l.Parallelism, maxParallelism))
	}
	if l.Timeout < 0 {
		faults = append(faults, fmt.Errorf("%s: Timeout %v is negative", engine, l.Timeout))
	}
	if l.BatchSize == 0 {
		l.BatchSize = batchSize
	}
	if l.Parallelism == 0 {
		l.Parallelism = defaultParallelism
	}
	if l.Timeout == 0 {
		l.Timeout = defaultTimeout
	}

	return errors.Join(faults...)
}
