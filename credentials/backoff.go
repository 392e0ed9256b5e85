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
	// starvedPause bounds that pause while calls fail for lack of a token, so
	// that a recovered server is found in time, by one request for all targets
	// of a client.
	starvedPause = 2 * time.Second
	// startWait is how long a call waits for a server that was never reached.
	startWait = 10 * time.Second
	// invalidateWait is how long Token waits for the refresh that Invalidate
	// began before it returns the old token again.
	invalidateWait = 2 * time.Second
	// probeBase and probeMax bound the pause after a rejection. The answer
	// can't change until someone changes the configuration, and servers lock
	// out clients that keep failing.
	probeBase = 30 * time.Second
	probeMax  = 5 * time.Minute
	// forcedInterval is the least time between refreshes that refusals of
	// servers force. It doubles, up to maxForcedInterval, while the new tokens
	// are refused before it is over, so that a server that is wrong all day
	// doesn't make all its clients fetch all day.
	forcedInterval    = 30 * time.Second
	maxForcedInterval = 2 * time.Minute
	// urgencyDivisor is the least number of attempts that fit into the
	// remaining life of a token.
	urgencyDivisor = 3
)

// pauseAfter returns the pause after the nth failure in a row, where n starts
// at 1: it doubles each time up to the maximum, less up to a fifth so that many
// clients spread out.
func pauseAfter(n int, slow bool) time.Duration {
	if !slow {
		pause := backoff.Doubled(backoffBase, n-1, backoffMax)
		return pause - jitter(pause)
	}
	pause := backoff.Doubled(probeBase, n-1, probeMax)
	if n <= 1 {
		return pause + jitter(pause) // never less than the documented 30 s
	}
	return pause - jitter(pause)
}

// jitter returns a random duration of up to a fifth of d.
func jitter(d time.Duration) time.Duration { return backoff.Jitter(d / 5) }
