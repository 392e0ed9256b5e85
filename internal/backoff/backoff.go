// Package backoff spreads and spaces attempts.
package backoff

import (
	"math/rand/v2"
	"time"
)

// maxShift keeps the doubling from overflowing: no limit is reached later.
const maxShift = 16

// Doubled returns base doubled n times, at most limit. A negative n counts as
// none. Base must be under a day, so that nothing overflows.
func Doubled(base time.Duration, n int, limit time.Duration) time.Duration {
	return min(base<<min(max(n, 0), maxShift), limit)
}

// Jitter returns a random duration from zero to d, both included, so that many
// clients that met one fault don't come back as one. A d that isn't positive
// gives zero.
func Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d + 1) //nolint:gosec // G404: spreads load, guards nothing
}
