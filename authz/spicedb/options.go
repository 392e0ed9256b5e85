package spicedb

import (
	"fmt"
	"time"
)

const (
	// defaultBatchSize is far under SpiceDB's limit of 10,000, so that one large
	// batch is spread over its nodes.
	defaultBatchSize = 1000
	maxBatchSize     = 10_000
	// defaultParallelism keeps one decision from taking the whole cluster.
	defaultParallelism = 4
	maxParallelism     = 64
	// defaultTimeout bounds one request; a check that takes longer than this has
	// met a graph that it shouldn't.
	defaultTimeout = 3 * time.Second
)

type options struct {
	batchSize   int
	parallelism int
	timeout     time.Duration
	encode      bool
}

func defaults() options {
	return options{batchSize: defaultBatchSize, parallelism: defaultParallelism, timeout: defaultTimeout}
}

// Option changes a default of [New].
type Option interface{ apply(o *options) error }

type option func(*options) error

func (f option) apply(o *options) error { return f(o) }

// WithBatchSize sets how many checks one CheckBulkPermissions holds. Default
// 1000; 1 to 10,000, which is SpiceDB's own limit.
func WithBatchSize(n int) Option {
	return option(func(o *options) error {
		if n < 1 || n > maxBatchSize {
			return fmt.Errorf("spicedb: batch size %d is not within 1 and %d", n, maxBatchSize)
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
			return fmt.Errorf("spicedb: parallelism %d is not within 1 and %d", n, maxParallelism)
		}
		o.parallelism = n

		return nil
	})
}

// WithTimeout bounds each request to SpiceDB. Default 3 s. The caller's own
// deadline holds besides.
func WithTimeout(d time.Duration) Option {
	return option(func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("spicedb: timeout %v is not positive", d)
		}
		o.timeout = d

		return nil
	})
}

// WithEncodedIDs sends every object and subject id through [EncodeID], so that
// ids outside SpiceDB's grammar can be asked about. The relationships must have
// been written with encoded ids too: an id that holds "=" or a dot is another one
// with this option than without. Choose it once, before the first relationship.
func WithEncodedIDs() Option {
	return option(func(o *options) error {
		o.encode = true

		return nil
	})
}
