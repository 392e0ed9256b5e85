package verify

import "sync"

// signatureFlight lets all who bring the same token at the same time share one
// check of its signature. What runs in it waits for nothing but the processor,
// so nobody's deadline matters.
type signatureFlight struct {
	mu    sync.Mutex
	calls map[uint64]*signatureCheck // by the hash of the token
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

// do calls check, or waits for the call under way. check must not panic.
func (f *signatureFlight) do(hash uint64, token string, keys *keySnapshot, check func() (*Principal, error)) (*Principal, error) {
	f.mu.Lock()
	if c := f.calls[hash]; c != nil {
		if c.token != token || c.keys != keys {
			f.mu.Unlock()
			return check() // another token by chance, or newer keys
		}
		if c.done == nil {
			c.done = make(chan struct{})
		}
		f.mu.Unlock()
		<-c.done
		return c.principal, c.err
	}
	c := &signatureCheck{token: token, keys: keys}
	if f.calls == nil {
		f.calls = make(map[uint64]*signatureCheck)
	}
	f.calls[hash] = c
	f.mu.Unlock()

	c.principal, c.err = check()

	f.mu.Lock()
	delete(f.calls, hash)
	f.mu.Unlock()
	if c.done != nil {
		close(c.done)
	}
	return c.principal, c.err
}
