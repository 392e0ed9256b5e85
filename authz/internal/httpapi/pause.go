package httpapi

import (
	"net/http"
	"sync"
	"time"
)

const (
	// toldByAll is the number of callers in a row that must be asked to come back
	// later before that applies to all callers.
	toldByAll = 3
	// maxPaused bounds the callers that have to wait at once.
	maxPaused = 1024
)

// pauses reports whether a status is one whose Retry-After is obeyed: too many
// requests (RFC 6585 §4) and service unavailable (RFC 9110 §15.6.4). With others, the
// header applies only to that request.
func pauses(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// pause refuses requests until the time that an answer named: those of the caller
// that got the answer, and those of all callers once several callers got such an
// answer with no other between them. One caller's queries can't stop the others'.
// Times are counted from base on the monotonic clock, so that a wall clock that
// jumps has no effect.
type pause struct {
	base time.Time

	mu  sync.Mutex
	all time.Duration
	of  map[string]time.Duration
	// told are the callers that were asked to come back later since the last other
	// answer.
	told map[string]struct{}
}

// until makes the caller wait. A shorter wait never replaces a longer one.
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

// answered notes that the server has answered a caller.
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
