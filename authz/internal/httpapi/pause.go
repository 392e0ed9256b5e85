package httpapi

import (
	"net/http"
	"sync"
	"time"
)

const (
	// toldByAll is how many callers in a row must be told to come back later for
	// the server to have told everybody.
	toldByAll = 3
	// maxPaused bounds the callers that are kept back at once.
	maxPaused = 1024
)

// pauses reports whether a status is one whose Retry-After is obeyed: too many
// requests (RFC 6585 §4) and service unavailable (RFC 9110 §15.6.4). With others it
// is about the one request.
func pauses(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// pause keeps requests back until the time that an answer named: those of the
// caller that it was about, and everybody's once several callers were told so
// with no other answer between them. One caller's queries can't stop the others'.
// Times are counted from base on the monotonic clock: a wall clock that jumps
// changes nothing.
type pause struct {
	base time.Time

	mu  sync.Mutex
	all time.Duration
	of  map[string]time.Duration
	// told are the last callers that were told to come back later, until anything
	// else is answered.
	told map[string]struct{}
}

// until keeps the caller back. A shorter wait never replaces a longer one.
func (p *pause) until(caller string, wait time.Duration) {
	if wait <= 0 {
		return
	}
	now := time.Since(p.base)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of, p.told = map[string]time.Duration{}, map[string]struct{}{}
	}
	if len(p.of) >= maxPaused {
		for other, end := range p.of {
			if end <= now {
				delete(p.of, other)
			}
		}
	}
	if _, known := p.of[caller]; known || len(p.of) < maxPaused {
		p.of[caller] = max(p.of[caller], now+wait)
	}
	if p.told[caller] = struct{}{}; len(p.told) >= toldByAll {
		p.all = max(p.all, now+wait)
		clear(p.told)
	}
}

// answered says that the server does answer somebody.
func (p *pause) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.told)
}

func (p *pause) remaining(caller string) time.Duration {
	now := time.Since(p.base)
	p.mu.Lock()
	defer p.mu.Unlock()

	return max(p.all-now, p.of[caller]-now, 0)
}
