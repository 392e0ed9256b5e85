package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/authz"
)

// maxRetryAfter caps how long an answer can keep us from asking.
const maxRetryAfter = 5 * time.Minute

// StatusError is an answer that was not a 200. Its body was not read.
type StatusError struct {
	// Engine is the adapter's package.
	Engine string
	// Status is the HTTP status.
	Status int
}

// Error names the engine and the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: HTTP %d %s", e.Engine, e.Status, http.StatusText(e.Status))
}

// KindOf says whose fault a status is. A redirect, a 204, anything that is no
// refusal is an engine that doesn't work.
func KindOf(code int) authz.EngineErrorKind {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return authz.EngineRefused
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return authz.EngineUnavailable
	}
	if code >= http.StatusBadRequest && code < http.StatusInternalServerError || code == http.StatusNotImplemented {
		return authz.EngineMisconfigured
	}

	return authz.EngineUnavailable
}

// StatusOf reads an HTTP status out of an answer: a whole number from 100 to
// 599, as a number or as text. Anything else is zero.
func StatusOf(v any) int {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < 100 || code > 599 {
		return 0
	}

	return code
}

// retryAfter reads RFC 9110 §10.2.3: seconds or a date. Anything else is zero.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}

	return 0
}

// pause keeps every request of a client back until the time an answer named.
// Times are counted from base on the monotonic clock: a wall clock that jumps
// changes nothing.
type pause struct {
	base time.Time
	end  atomic.Int64
}

func (p *pause) until(wait time.Duration) {
	if wait <= 0 {
		return
	}
	end := int64(time.Since(p.base) + wait)
	for {
		old := p.end.Load()
		if old >= end || p.end.CompareAndSwap(old, end) {
			return
		}
	}
}

func (p *pause) remaining() time.Duration {
	end := p.end.Load()
	if end == 0 {
		return 0
	}

	return max(time.Duration(end)-time.Since(p.base), 0)
}
