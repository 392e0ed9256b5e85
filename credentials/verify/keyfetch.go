package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/usher-auth/usher/internal/backoff"
	"github.com/usher-auth/usher/internal/notify"
)

// fetchCall is one fetch, for which several calls may wait.
type fetchCall struct {
	number   uint64 // in the order of their beginnings, from 1
	budgeted bool   // set if a token caused it; under mu
	done     chan struct{}
	err      error
}

// startLocked joins the fetch in flight or starts one. It returns nil once closed.
func (k *keySet) startLocked() *fetchCall {
	if k.closed {
		return nil
	}
	if k.inflight != nil {
		return k.inflight
	}
	call := &fetchCall{number: k.begun.Add(1), done: make(chan struct{})}
	k.inflight = call
	k.wg.Go(func() { k.run(call) })
	return call
}

// run does one fetch and schedules the next.
func (k *keySet) run(call *fetchCall) {
	start := time.Now()
	var event KeysFetched
	var next time.Duration
	// The outcome if the HTTP client's code ends the goroutine.
	var err error = &fetchError{what: "key set: the HTTP client gave up"}
	defer func() { k.finish(call, event, next, err, start) }()
	k.mu.Lock()
	asked := call.budgeted
	k.mu.Unlock()
	event, next, err = k.fetch(call.number, asked)
}

func (k *keySet) finish(call *fetchCall, event KeysFetched, next time.Duration, err error, start time.Time) {
	k.mu.Lock()
	k.inflight = nil
	k.lastErr = err
	if err == nil {
		k.failures = 0
		k.retryAt = time.Time{}
	} else {
		wait := probePause(err)
		next = max(pauseAfter(k.failures), wait)
		k.failures++
		k.retryAt = time.Now().Add(wait)
		if call.budgeted {
			k.unknownAt = time.Time{} // it brought nothing
		}
		k.dropLeavingLocked()
	}
	if !k.closed {
		if k.timer != nil {
			k.timer.Stop()
		}
		k.timer = time.AfterFunc(next, k.tick)
	}
	k.mu.Unlock()

	call.err = err
	close(call.done)
	event.Issuer, event.Duration, event.Err = k.name, time.Since(start), err
	notify.Call(k.observe, event, nil)
}

// tick is the background refresh.
func (k *keySet) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.startLocked()
}

// pauseAfter returns how long the background waits after a failed fetch.
func pauseAfter(failures int) time.Duration {
	d := backoff.Doubled(firstBackoff, failures, maxBackoff)
	return d/2 + backoff.Jitter(d/2)
}

// probePause returns how long calls that need keys wait after a failed fetch
// before one of them may make another: as long as the server asked for, within
// five minutes, or else so briefly that they soon find the server back.
func probePause(err error) time.Duration {
	d := minProbe + backoff.Jitter(maxProbe-minProbe)
	if f, ok := err.(*fetchError); ok { //nolint:errorlint // made by this package, never wrapped
		d = max(d, f.retryAfter)
	}
	return d
}

// fetch loads the keys once and replaces the current ones. With asked, a token waits
// for a key that may just have been published, so that the fetch bypasses caches on
// the way. A fetch that is to confirm that a key is gone bypasses them too.
func (k *keySet) fetch(number uint64, asked bool) (event KeysFetched, next time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &fetchError{what: "key set: the HTTP client panicked"}
		}
	}()
	ctx, cancel := context.WithTimeout(k.ctx, k.timeout)
	defer cancel()

	address, err := k.address(ctx, &event)
	if err != nil {
		return event, 0, err
	}
	asked = asked || k.confirming
	text, headers, err := get(ctx, k.client, "key set", address, asked)
	if err == nil {
		var keys []*signingKey
		keys, event.Dropped, err = parseKeySet(text, k.allowed)
		if err == nil && len(keys) == 0 {
			// Good keys are never replaced by an empty set.
			err = fault(fmt.Sprintf("%v, of %d%s", errKeySetEmpty, event.Dropped, notAllowed(text, k.allowed)))
		}
		if err != nil {
			err = &fetchError{what: "key set at " + place(address) + ": " + err.Error()}
		} else {
			event.Keys = len(keys)
			event.Withdrawn = k.replace(keys, number, asked)
			next = k.nextRefresh(headers)
			if k.confirming = event.Withdrawn > 0 && !k.confirming; k.confirming {
				next = min(next, confirmPause)
			}
			return event, next, nil
		}
	}
	k.discoverAt = time.Time{} // the address may have moved
	return event, 0, err
}

// address returns the key set's URL, from the metadata if it isn't explicit.
// While the metadata can't be read, it is the URL that they named last: an outage of
// the metadata is no reason to lose the keys. Metadata that name another URL are
// obeyed.
func (k *keySet) address(ctx context.Context, event *KeysFetched) (string, error) {
	now := time.Now()
	if len(k.addresses) == 0 || now.Before(k.discoverAt) {
		return k.jwksURL, nil
	}
	if k.jwksURL != "" {
		// There is a URL to fall back on: leave half of the time for it.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, k.timeout/2)
		defer cancel()
	}
	address, err := discover(ctx, k.client, k.issuer, k.addresses)
	switch {
	case err == nil:
		k.jwksURL, k.discoverAt = address, now.Add(rediscover)
	case k.jwksURL == "", isConfig(err):
		return "", err
	default:
		event.MetadataErr, k.discoverAt = err, now.Add(rediscoverSoon)
	}
	return k.jwksURL, nil
}

// replace replaces the keys by newly loaded ones. A key that was there before stays
// the same value, so that tokens verified by it stay cached; the cached tokens of a
// key that has left become invalid. A key that only this set lacks is still used until
// the next fetch has ended, for keyLinger at most, since a replica may lag.
//
// Without asked the keys may come from a cache, and prove nothing about the
// tokens that came before the fetch.
func (k *keySet) replace(loaded []*signingKey, number uint64, asked bool) (missing int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	last := k.snapshot.Load()
	if last == nil {
		last = &keySnapshot{}
	}
	for i, key := range loaded {
		loaded[i] = last.known(key)
	}
	if !asked {
		number = last.fetch
	}
	s := &keySnapshot{fetch: number, published: loaded, leaving: without(last.published, loaded), from: k.jwksURL}
	s.withdrawn = without(slices.Concat(last.leaving, last.withdrawn), loaded)
	s.withdrawn = s.withdrawn[:min(len(s.withdrawn), maxWithdrawn)]
	s.try(slices.Concat(loaded, s.leaving))
	for _, key := range slices.Concat(s.leaving, s.withdrawn) {
		key.wavers.Store(max(key.wavers.Load()-1, 0))
	}
	k.snapshot.Store(s)
	k.staleAt.Store(int64(instantOf(time.Now().Add(k.maxStale))))
	for _, old := range last.leaving {
		if !slices.Contains(loaded, old) {
			old.gone.Store(true)
		}
	}
	if k.linger != nil {
		k.linger.Stop()
	}
	if len(s.leaving) > 0 && !k.closed {
		k.linger = time.AfterFunc(keyLinger, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.snapshot.Load() == s {
				k.dropLeavingLocked()
			}
		})
	}
	return len(s.leaving)
}

// dropLeavingLocked ends the use of the keys that the last set lacks. The next
// set still determines whether they are withdrawn.
func (k *keySet) dropLeavingLocked() {
	last := k.snapshot.Load()
	if last == nil || len(last.leaving) == 0 {
		return
	}
	s := &keySnapshot{fetch: last.fetch, published: last.published, leaving: last.leaving, withdrawn: last.withdrawn, from: last.from}
	s.try(s.published)
	k.snapshot.Store(s)
	for _, old := range s.leaving {
		old.gone.Store(true)
	}
}

// without returns the keys that aren't in others.
func without(keys, others []*signingKey) []*signingKey {
	return slices.DeleteFunc(slices.Clone(keys), func(key *signingKey) bool { return slices.ContainsFunc(others, key.same) })
}

// nextRefresh is the refresh interval, shortened if the server asks for it, less
// up to a tenth, so that replicas don't fetch at once, and less keyLinger at least,
// so that a withdrawn key is gone within the interval.
func (k *keySet) nextRefresh(h http.Header) time.Duration {
	d := k.refresh
	if life, ok := cacheLife(h); ok {
		d = min(d, max(life, minRefresh))
	}
	return d - keyLinger - backoff.Jitter(d/10-keyLinger)
}
