package verify

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxChecks bounds how many checks run in goroutines of their own. Only a user's
// code that never returns can gather them.
const maxChecks = 4096

// signatureFlight lets all who bring the same token at the same time share one
// check of it. Whoever waits for another's leaves at its own deadline, and the
// check goes on.
type signatureFlight struct {
	mu    sync.Mutex
	calls map[uint64]*signatureCheck // by the hash of the token
	apart atomic.Int64               // checks in goroutines of their own
}

// signatureCheck is one check under way. The token and the keys are what makes
// two checks the same one.
type signatureCheck struct {
	token     string
	keys      *keySnapshot
	done      chan struct{} // made by the first who waits
	principal *Principal
	err       error
}

// do calls check, or waits for the call under way. A check that waits for
// nothing but the processor runs on the caller's goroutine. One with a user's
// code in it, which may never return, runs apart: then the first caller leaves
// at its own deadline as the others do.
func (f *signatureFlight) do(
	ctx context.Context, token string, keys *keySnapshot, apart bool, check func() (*Principal, error),
) (*Principal, error) {
	hash := hashToken(token)
	f.mu.Lock()
	if c := f.calls[hash]; c != nil && c.token == token && c.keys == keys {
		if c.done == nil {
			c.done = make(chan struct{})
		}
		f.mu.Unlock()
		return c.wait(ctx)
	}
	c := &signatureCheck{token: token, keys: keys, err: errPredicate} // if the check ends its goroutine
	if f.calls[hash] == nil {                                         // or else another token by chance, or other keys: not shared
		if f.calls == nil {
			f.calls = make(map[uint64]*signatureCheck)
		}
		f.calls[hash] = c
	}
	if apart {
		c.done = make(chan struct{})
	}
	f.mu.Unlock()

	switch {
	case !apart:
		f.run(c, hash, check)
		return c.principal, c.err
	case f.apart.Add(1) > maxChecks:
		f.run(c, hash, func() (*Principal, error) { return nil, errTooManyChecks })
		f.apart.Add(-1)
		return nil, c.err
	}
	go func() {
		defer f.apart.Add(-1)
		f.run(c, hash, check)
	}()
	return c.wait(ctx)
}

// run does the check and lets those who wait for it go, however it ends.
func (f *signatureFlight) run(c *signatureCheck, hash uint64, check func() (*Principal, error)) {
	defer func() {
		f.mu.Lock()
		if f.calls[hash] == c {
			delete(f.calls, hash)
		}
		done := c.done
		f.mu.Unlock()
		if done != nil {
			close(done)
		}
	}()
	c.principal, c.err = check()
}

// wait waits for the check, up to the caller's own deadline.
func (c *signatureCheck) wait(ctx context.Context) (*Principal, error) {
	select {
	case <-c.done:
		return c.principal, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("verify: waiting for the check of the token: %w", ctx.Err())
	}
}

// errTooManyChecks is what tokens get while user's code holds maxChecks others.
var errTooManyChecks = unavailable(fault("the code that decides whose a token is does not return: too many checks wait for it"), time.Second)

// callsUser reports whether making a principal runs a user's code.
func (id *identity) callsUser() bool { return id.isService != nil }
