package verify

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// maxHeaders bounds a headerCache. An issuer's tokens have one header for
	// each of its keys.
	maxHeaders = 32

	// maxHeader bounds what a headerCache keeps of one, in bytes. A header with
	// a chain of certificates is larger: it is decoded each time.
	maxHeader = 8 << 10
)

// headerCache remembers decoded headers by their encoded text, which is the same
// for all tokens that one key signs. Decoding is a function of the text alone,
// so what is remembered can't grow old; only headers of verified tokens get in,
// so that nobody else can fill it.
type headerCache struct {
	mu      sync.Mutex
	headers atomic.Pointer[map[string]*header]
}

// get returns the decoded header, nil if it isn't there.
func (c *headerCache) get(part string) *header {
	if m := c.headers.Load(); m != nil {
		return (*m)[part]
	}
	return nil
}

// put adds the header of a verified token.
func (c *headerCache) put(part string, h *header) {
	if len(part) > maxHeader || c.get(part) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := make(map[string]*header, maxHeaders)
	if m := c.headers.Load(); m != nil && len(*m) < maxHeaders {
		maps.Copy(next, *m)
	}
	next[strings.Clone(part)] = h
	c.headers.Store(&next)
}
