// Package retryafter reads how long a server asks not to be asked again.
package retryafter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxIssuer bounds the wait that an authorization server can ask for.
	// Tokens and keys are usually available meanwhile.
	MaxIssuer = 5 * time.Minute
	// MaxEngine bounds the wait that an authorization engine can ask for. Every
	// call waits for its answer.
	MaxEngine = 30 * time.Second
)

// Of returns the wait that the Retry-After of an answer names (RFC 9110
// §10.2.3), at most limit: a number of seconds, or a date. It returns zero if
// there is none, and for a date gone by and anything else that is no wait.
//
// A date is judged by the Date of the same answer where it has one, so that
// clocks that differ don't matter, and by now otherwise. Which statuses may name
// a wait is for the caller to judge.
func Of(header http.Header, now time.Time, limit time.Duration) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		if seconds > uint64(limit/time.Second) {
			return limit
		}
		return Bounded(time.Duration(seconds)*time.Second, limit)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if sent, err := http.ParseTime(header.Get("Date")); err == nil {
		now = sent
	}
	return Bounded(at.Sub(now), limit)
}

// Bounded returns a wait that is neither negative nor longer than limit.
func Bounded(wait, limit time.Duration) time.Duration { return min(max(wait, 0), limit) }
