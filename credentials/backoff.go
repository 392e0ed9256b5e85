package credentials

import (
	"time"

	"github.com/usher-auth/usher/internal/backoff"
)

const (
	// backoffBase and backoffMax bound the pause after a fault that may pass by
	// itself.
	backoffBase = time.Second
	backoffMax  = time.Minute
	// starvedPause bounds that pause while calls fail for want of a token: what
	// comes back is found in time, by one request for the whole process.
	starvedPause = 2 * time.Second
	// startWait is how long a call waits for a server that was never reached.
	startWait = 10 * time.Second
	// invalidateWait is how long Token waits for the refresh that Invalidate
	// began before it returns the old token again.
	invalidateWait = 2 * time.Second
	// probeBase and probeMax bound the pause after a rejection. Someone has to
	// change something before the answer can differ, and servers lock out
	// clients that keep failing.
	probeBase = 30 * time.Second
	probeMax  = 5 * time.Minute
	// forcedInterval is the least time between refreshes that servers' refusals
	// force. It doubles, up to maxForcedInterval, while the tokens that these bring
	// are refused before it is over: a server that is wrong all day must not make
	// all its clients fetch all day.
	forcedInterval    = 30 * time.Second
	maxForcedInterval = 2 * time.Minute
	// urgencyDivisor is how many attempts fit at least into what is left of a
	// token's life.
	urgencyDivisor = 3
)

// pauseAfter is the pause after the nth failure in a row (n starts at 1): doubled
// each time up to the maximum, less up to a fifth so that many clients spread.
func pauseAfter(n int, slow bool) time.Duration {
	if !slow {
		pause := backoff.Doubled(backoffBase, n-1, backoffMax)
		return pause - jitter(pause)
	}
	pause := backoff.Doubled(probeBase, n-1, probeMax)
	if n <= 1 {
		return pause + jitter(pause) // never under the documented 30 s
	}
	return pause - jitter(pause)
}

// jitter is up to a fifth of d.
func jitter(d time.Duration) time.Duration { return backoff.Jitter(d / 5) }
