package verify

import (
	"context"
	"fmt"
	"time"
)

// wait waits for a fetch, up to the caller's own deadline.
func (k *keySet) wait(ctx context.Context, call *fetchCall) error {
	select {
	case <-call.done:
		if call.err != nil {
			return k.failed(call.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("verify: waiting for the issuer's keys: %w", ctx.Err())
	}
}

// waitBounded is wait for calls that an attacker can make in any number.
func (k *keySet) waitBounded(ctx context.Context, call *fetchCall) error {
	defer k.waiting.Add(-1)
	if k.waiting.Add(1) > maxWaiting {
		return unavailable(fault("key set: too many calls wait because of an unknown key"), time.Second)
	}
	return k.wait(ctx, call)
}

// demand joins or starts the fetch that a call without keys needs. While the
// server is failing it answers at once.
func (k *keySet) demand() (*fetchCall, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.inflight == nil && time.Now().Before(k.retryAt) {
		return nil, k.unavailableLocked()
	}
	if call := k.startLocked(); call != nil {
		return call, nil
	}
	return nil, k.unavailableLocked()
}

// refetch joins a fetch, or starts one for a token under an unknown key or with a bad
// signature: at most one such fetch in unknownWait, for all callers together. Once
// that is used up, and while the server is failing, it returns how long to wait,
// since the key isn't proved to be unknown.
func (k *keySet) refetch() (*fetchCall, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.inflight != nil {
		return k.inflight, nil
	}
	now := time.Now()
	if now.Before(k.retryAt) {
		return nil, k.unavailableLocked()
	}
	if now.Before(k.unknownAt) {
		return nil, unavailable(errBudget, k.unknownAt.Sub(now))
	}
	call := k.startLocked()
	if call == nil {
		return nil, k.unavailableLocked()
	}
	call.budgeted = true
	k.unknownAt = now.Add(k.unknownWait)
	return call, nil
}

// now fetches even during a backoff, since an operator asks for it.
func (k *keySet) now(ctx context.Context) error {
	k.mu.Lock()
	call := k.startLocked()
	k.mu.Unlock()
	if call == nil {
		return k.unavailable()
	}
	return k.wait(ctx, call)
}

// unavailable returns the error for a call that finds no usable keys.
func (k *keySet) unavailable() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unavailableLocked()
}

func (k *keySet) unavailableLocked() error { return k.failedLocked(k.lastErr) }

// failed returns the error for calls that waited for a fetch that failed.
func (k *keySet) failed(err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failedLocked(err)
}

func (k *keySet) failedLocked(err error) error {
	if k.closed {
		return unavailable(errClosed, 0)
	}
	return outward(err, time.Until(k.retryAt))
}
