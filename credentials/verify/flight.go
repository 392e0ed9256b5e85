package verify

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxChecks bounds the number of checks in goroutines of their own. They
// accumulate only if user code never returns.
const maxChecks = 4096

// signatureFlight shares one check among all concurrent calls with the same
// token. A call that waits for another's check returns at its own deadline, and
// the check goes on.
type signatureFlight struct {
	mu    sync.Mutex
	calls map[uint64]*signatureCheck // by the hash of the token
	apart atomic.Int64               // checks in goroutines of their own
}

// signatureCheck is a check in progress. Two checks are the same if they have
// the same token and keys.
type signatureCheck struct {
	token     string
	keys      *keySnapshot
	done      chan struct{} // made for the first call that waits
	principal *Principal
	err       error
}

// do calls check, or waits for the same check in progress. The check does no
// I/O and runs on the caller's goroutine.
func (f *signatureFlight) do(ctx context.Context, token string, keys *keySnapshot, check func() (*Principal, error)) (*Principal, error) {
	hash := hashToken(token)
	c, lead := f.join(hash, token, keys, false)
	if !lead {
		return c.wait(ctx)
	}
	f.run(c, hash, check)
	return c.principal, c.err
}

// doApart is do for a check that runs user code, which may never return. The
// check runs on its own goroutine, so that the first caller, like the others,
// returns at its own deadline.
func (f *signatureFlight) doApart(ctx context.Context, token string, keys *keySnapshot, check func() (*Principal, error)) (*Principal, error) {
	hash := hashToken(token)
	c, lead := f.join(hash, token, keys, true)
	if !lead {
		return c.wait(ctx)
	}
	if f.apart.Add(1) > maxChecks {
		check = func() (*Principal, error) { return nil, errTooManyChecks }
	}
	go func() {
		defer f.apart.Add(-1)
		f.run(c, hash, check)
	}()
	return c.wait(ctx)
}

// join returns the same check in progress, or makes one for the caller to lead.
func (f *signatureFlight) join(hash uint64, token string, keys *keySnapshot, apart bool) (c *signatureCheck, lead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	under := f.calls[hash]
	if under != nil && under.token == token && under.keys == keys {
		if under.done == nil {
			under.done = make(chan struct{})
		}
		return under, false
	}
	c = &signatureCheck{token: token, keys: keys, err: errPredicate} // if the check ends its goroutine
	if apart {
		c.done = make(chan struct{})
	}
	if under == nil { // otherwise the hash is that of another token, or the keys differ: not shared
		if f.calls == nil {
			f.calls = make(map[uint64]*signatureCheck)
		}
		f.calls[hash] = c
	}
	return c, true
}

// run does the check and releases the calls that wait for it, however it ends.
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

// errTooManyChecks is the error for tokens while user code holds maxChecks
// others.
var errTooManyChecks = unavailable(fault("the code that decides whose a token is does not return: too many checks wait for it"), time.Second)

// callsUser reports whether making a principal runs user code.
func (id *identity) callsUser() bool { return id.profile.Kind != nil }
