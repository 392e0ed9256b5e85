package lumoauthtest

import (
	"net/http"
	"strconv"
	"time"
)

// window counts one key's requests in the current minute.
type window struct {
	start time.Time
	count int
}

// admit counts a request against the limit and writes LumoAuth's rate headers. Over
// the limit, it answers 429 itself and returns false.
func (s *Server) admit(w http.ResponseWriter, key string, limit int) bool {
	if limit == 0 {
		return true
	}
	now := time.Now()
	s.mu.Lock()
	current, ok := s.windows[key]
	if !ok || now.Sub(current.start) >= time.Minute {
		current = &window{start: now}
		s.windows[key] = current
	}
	current.count++
	remaining, reset := limit-current.count, current.start.Add(time.Minute)
	s.mu.Unlock()

	w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(limit))
	w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(max(remaining, 0)))
	w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	if remaining >= 0 {
		return true
	}
	// Rounded up, so that a request that comes back on time finds the next window.
	wait := (reset.Sub(now) + time.Second - 1) / time.Second
	w.Header().Set("Retry-After", strconv.FormatInt(int64(wait), 10))
	writeError(w, http.StatusTooManyRequests, "rate_limited", "too many requests")

	return false
}
