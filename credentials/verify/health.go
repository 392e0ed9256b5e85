package verify

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	// healthWindow is how many seconds of answers the health of an endpoint is
	// judged by.
	healthWindow = 10

	// minUnwell is how many requests within the window must have failed, and be
	// half of all, before the endpoint is suspected.
	minUnwell = 5

	// probeInterval is the shortest time between the starts of two probes, and
	// the longest while calls fail: each probe may hang, so that the next does not
	// wait for its end.
	probeInterval = time.Second

	// probeCalm is how long an endpoint that has answered a probe is not
	// suspected again: tokens that it answers oddly must not hold up the others
	// all the time.
	probeCalm = 5 * time.Second
)

// health is the circuit breaker before an endpoint. Nobody but the endpoint can
// open it: what a token brought about (no answer, a gateway's error, a 401) only
// raises a suspicion, on which the verifier asks about a token of its own
// making, the probe. The probe's outcome decides, and while it is bad the probe
// is repeated in the place of the calls.
//
// While a suspicion is looked into, calls wait for the outcome. Once it is
// confirmed they fail at once.
type health struct {
	mu     sync.Mutex
	state  healthState
	cause  error // of the suspicion, or why the endpoint is down
	recent [healthWindow]healthSecond

	// pausedUntil is when the endpoint wants to be asked again: it is taken at
	// its word, and not probed before.
	pausedUntil time.Time

	// nextProbe is when another probe may start. Until then no suspicion arises
	// in a healthy endpoint: it has just answered one.
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
	refused error           // nil: it may
	wait    time.Duration   // until something may have changed
	probe   bool            // the call has to start a probe
	changed <-chan struct{} // nil: the refusal is final; otherwise it is worth waiting for this
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

// record takes note of how a request about a caller's token ended. A suspicion
// arises from requests alone that no answer of an application ended, and from a
// 401: a 500 may well be the token's.
func (h *health) record(now time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if statusOf(err) != http.StatusUnauthorized { // whose word counts once a probe has got it, too
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

// probed takes note of how a probe ended. Whatever an application answers to it,
// other than a refusal of our own credentials, shows that it is there.
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
// well: there was no whole answer, or a gateway's, or one that asks for less.
// Our own faults suggest nothing.
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

// downError refuses a call because the endpoint doesn't answer, or doesn't know
// us.
type downError struct{ err error }

func (e *downError) Error() string {
	return "introspection: the circuit breaker is open: " + e.err.Error()
}

func (e *downError) Unwrap() error { return e.err }

// errPause refuses a call because the endpoint has asked for a pause.
const errPause = fault("introspection: the endpoint asked for a pause (Retry-After)")
