package verify

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	// healthWindow is the number of seconds whose answers determine the health of an
	// endpoint.
	healthWindow = 10

	// minUnwell is the number of requests within the window that must have failed,
	// and be half of all, before the endpoint is suspected.
	minUnwell = 5

	// probeInterval is the shortest time between the starts of two probes, and
	// the longest while calls fail. The next probe does not wait for the end of the
	// last one, which may hang.
	probeInterval = time.Second

	// probeCalm is how long an endpoint that has answered a probe is not
	// suspected again: tokens that get odd answers must not delay the others all the
	// time.
	probeCalm = 5 * time.Second
)

// health is the circuit breaker before an endpoint. Only the endpoint itself can
// open it: a failure that a token caused (no answer, a gateway's error, a 401) only
// raises a suspicion, on which the verifier sends a probe, a request about a token
// of its own. The probe's outcome decides, and while it is bad the verifier repeats
// the probe instead of the calls.
//
// While a probe checks a suspicion, calls wait for the outcome. Once it is
// confirmed, they fail at once.
type health struct {
	mu     sync.Mutex
	state  healthState
	cause  error // of the suspicion, or why the endpoint is down
	recent [healthWindow]healthSecond

	// pausedUntil is the end of the pause that the endpoint asked for. It is not
	// probed before.
	pausedUntil time.Time

	// nextProbe is when another probe may start. Until then a healthy endpoint isn't
	// suspected, since it has just answered one.
	nextProbe time.Time

	// changed is closed, and replaced, at the end of each probe.
	changed chan struct{}
}

// healthSecond counts the requests that ended within one second.
type healthSecond struct {
	second       int64
	well, unwell int
}

type healthState uint8

const (
	healthy healthState = iota
	suspected
	down
)

func newHealth() *health { return &health{changed: make(chan struct{})} }

// admission is the answer to a call that wants to ask the endpoint.
type admission struct {
	refused error           // nil if the call may ask
	wait    time.Duration   // until something may have changed
	probe   bool            // the call has to start a probe
	changed <-chan struct{} // closed when the call may try again; nil if the refusal is final
}

// admit decides on one call.
func (h *health) admit(now time.Time) admission {
	h.mu.Lock()
	defer h.mu.Unlock()
	if wait := h.pausedUntil.Sub(now); wait > 0 {
		return admission{refused: errPause, wait: wait}
	}
	if h.state == healthy {
		return admission{}
	}
	a := admission{refused: &downError{h.cause}, wait: h.nextProbe.Sub(now)}
	if a.wait <= 0 {
		h.nextProbe = now.Add(probeInterval)
		a.wait, a.probe = probeInterval, true
	}
	if a.probe || h.state == suspected {
		a.changed = h.changed
	}
	return a
}

// open reports whether the endpoint may be asked.
func (h *health) open(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state == healthy && !now.Before(h.pausedUntil)
}

// record records how a request about a caller's token ended. Only a request that
// ended without an application's answer, or with a 401, can raise a suspicion: a 500
// may be caused by the token.
func (h *health) record(now time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if statusOf(err) != http.StatusUnauthorized { // its Retry-After counts only if a probe gets it, too
		h.pauseLocked(now, err)
	}
	second := &h.recent[now.Unix()%healthWindow]
	if second.second != now.Unix() {
		*second = healthSecond{second: now.Unix()}
	}
	suspicious := false
	switch {
	case err == nil:
		second.well++
		h.recoverLocked()
	case unwell(err):
		second.unwell++
		suspicious = h.manyUnwellLocked(now)
	default:
		suspicious = statusOf(err) == http.StatusUnauthorized
	}
	if suspicious && h.state == healthy && !now.Before(h.nextProbe) {
		h.state, h.cause = suspected, err
	}
}

// probed records how a probe ended. Any answer of an application to it, other than a
// refusal of this server's own credentials, shows that the endpoint works.
func (h *health) probed(now time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pauseLocked(now, err)
	status := statusOf(err)
	switch {
	case err == nil, status != 0 && status != http.StatusUnauthorized && !unwell(err):
		h.recoverLocked()
		h.nextProbe = now.Add(probeCalm)
	case h.state != healthy: // otherwise a newer probe was answered
		h.state, h.cause = down, err
		if status == http.StatusUnauthorized {
			h.nextProbe = now.Add(refusedPause)
		}
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *health) recoverLocked() {
	if h.state != healthy {
		h.state, h.cause, h.recent = healthy, nil, [healthWindow]healthSecond{}
	}
}

// pauseLocked obeys a Retry-After. A shorter pause never ends a longer one.
func (h *health) pauseLocked(now time.Time, err error) {
	var s *statusError
	if errors.As(err, &s) && s.retryAfter > 0 {
		if until := now.Add(s.retryAfter); until.After(h.pausedUntil) {
			h.pausedUntil = until
		}
	}
}

func (h *health) manyUnwellLocked(now time.Time) bool {
	var bad, good int
	for i := range h.recent {
		if s := &h.recent[i]; now.Unix()-s.second < healthWindow {
			bad, good = bad+s.unwell, good+s.well
		}
	}
	return bad >= minUnwell && bad >= good
}

// unwell reports whether a failed request suggests that the endpoint is not
// well: there was no whole answer, or a gateway's, or one that asks for fewer
// requests. This server's own faults suggest nothing.
func unwell(err error) bool {
	switch status := statusOf(err); {
	case status == http.StatusTooManyRequests, status > http.StatusInternalServerError:
		return true
	case status != 0:
		return false
	default:
		var f *fetchError
		return errors.As(err, &f) && !f.config
	}
}

// downError refuses a call because the endpoint doesn't answer, or doesn't accept
// this server's credentials.
type downError struct{ err error }

func (e *downError) Error() string {
	return "introspection: the circuit breaker is open: " + e.err.Error()
}

func (e *downError) Unwrap() error { return e.err }

// errPause refuses a call because the endpoint has asked for a pause.
const errPause = fault("introspection: the endpoint asked for a pause (Retry-After)")
