package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/endpoint"
	"github.com/usher-auth/usher/internal/httpx"
	"github.com/usher-auth/usher/internal/retryafter"
)

const (
	// maxDocument bounds a metadata document or key set, in bytes. Sixty-four
	// RSA keys with their certificate chains fit into it.
	maxDocument = 1 << 20

	// byteOrderMark may precede a JSON text; a reader may ignore it (RFC 8259
	// §8.1).
	byteOrderMark = "\ufeff"
)

// fetchError is a failed request to the issuer. Its text holds no part of the
// answer. It doesn't unwrap to a context error, since the endpoint was slow and
// the caller's deadline is irrelevant.
type fetchError struct {
	what       string
	status     int // 0 if there was no answer
	retryAfter time.Duration
	config     bool // a fault of the configuration, which an operator must correct
}

func (e *fetchError) Error() string {
	if e.status != 0 {
		return fmt.Sprintf("%s: HTTP status %d", e.what, e.status)
	}
	return e.what
}

// isConfig reports whether a failed fetch is a fault of the configuration.
func isConfig(err error) bool {
	var f *fetchError
	return errors.As(err, &f) && f.config
}

// outward returns the error that callers get for a failed fetch.
func outward(err error, wait time.Duration) *Error {
	if isConfig(err) {
		return misconfigured(err)
	}
	return unavailable(err, wait)
}

// get fetches a JSON document, which errors call what. The fetch is bounded in
// time by ctx and in size, and follows no redirects. A byte order mark is
// removed. If fresh is set, caches on the way are told to revalidate with the
// origin (RFC 9111 §5.2.1.4).
func get(ctx context.Context, client *http.Client, what, address string, fresh bool) (string, http.Header, error) {
	what += " at " + place(address)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", nil, &fetchError{what: what + ": the URL can't be used", config: true}
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	if fresh {
		req.Header.Set("Cache-Control", "no-cache")
	}
	res, err := client.Do(req)
	if err != nil {
		return "", nil, transportError(what, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		f := &fetchError{what: what, status: res.StatusCode}
		if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
			f.retryAfter = retryafter.Of(res.Header, time.Now(), retryafter.MaxIssuer)
		}
		return "", nil, f
	}
	body, err := httpx.Read(res.Body, maxDocument)
	if err != nil {
		return "", nil, bodyError(what, err)
	}
	return strings.TrimPrefix(string(body), byteOrderMark), res.Header, nil
}

func transportError(what string, err error) error {
	return &fetchError{what: what + ": " + httpx.FaultOf(err).String()}
}

func bodyError(what string, err error) error {
	if errors.Is(err, httpx.ErrTooLarge) {
		return &fetchError{what: what + ": " + httpx.ErrTooLarge.Error()}
	}
	return &fetchError{what: what + ": the answer broke off"}
}

// cacheLife returns how long an answer may be cached: the max-age of its
// Cache-Control less its Age, or zero for no-cache and no-store. It returns
// false if the answer doesn't specify it.
func cacheLife(h http.Header) (time.Duration, bool) {
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-cache", "no-store":
			return 0, true
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return 0, true
			}
			age, _ := strconv.ParseUint(h.Get("Age"), 10, 31)
			return time.Duration(max(int64(seconds)-int64(age), 0)) * time.Second, true
		}
	}
	return 0, false
}

// checkEndpoint returns an error for an address over which an attacker on the
// network could substitute keys. The error names the setting.
func checkEndpoint(what, address string) error {
	err := endpoint.Check(address, false)
	switch {
	case errors.Is(err, endpoint.ErrPlain):
		return fmt.Errorf("verify: %s: %w: use https", what, err)
	case err != nil:
		return fmt.Errorf("verify: %s: %w", what, err)
	default:
		return nil
	}
}
