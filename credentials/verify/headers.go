package verify

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// maxHeaders bounds the entries of a headerCache. An issuer's tokens have
	// one header for each of its keys.
	maxHeaders = 32

	// maxHeader bounds a header in a headerCache, in bytes. A header with a
	// certificate chain is larger: it is decoded each time.
	maxHeader = 8 << 10
)

// headerCache caches decoded headers by their encoded text, which is the same
// for all tokens that one key signs. Decoding depends on the text alone, so
// entries never become outdated; only headers of verified tokens are added, so
// that nobody else can fill the cache.
type headerCache struct {
	mu      sync.Mutex
	headers atomic.Pointer[map[string]*header]
}

// get returns the decoded header, or nil if it isn't cached.
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
