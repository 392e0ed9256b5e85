package httpapi

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/usher-auth/usher/internal/endpoint"
)

// BaseURL checks the URL that an engine's paths are joined to: absolute, https
// unless the host is this machine's or insecure allows it, no credentials, no
// query, no fragment. A slash at its end is dropped.
func BaseURL(name, raw string, insecure bool) (string, error) {
	if err := endpoint.Check(raw, insecure); err != nil {
		if errors.Is(err, endpoint.ErrPlain) {
			shown, _ := endpoint.Public(raw)
			err = fmt.Errorf("%w: use https, or InsecureHTTP within a mesh that encrypts, for %q", err, shown)
		}

		return "", fmt.Errorf("%s: BaseURL: %w", name, err)
	}
	u, err := url.Parse(raw)
	if err != nil || u.RawQuery != "" || u.ForceQuery {
		return "", fmt.Errorf("%s: BaseURL must have no query", name)
	}

	return strings.TrimSuffix(u.String(), "/"), nil
}

// SameOrigin reports whether other has base's scheme and host (RFC 6454),
// so that credentials for one may go to the other.
func SameOrigin(base, other string) bool {
	a, errA := url.Parse(base)
	b, errB := url.Parse(other)

	return errA == nil && errB == nil && a.Scheme == b.Scheme && a.Host == b.Host && b.User == nil && b.Fragment == ""
}

// Path checks a path that is joined to the base.
func Path(name, field, path string) error {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || u.RawQuery != "" || u.Fragment != "" || strings.Contains(path, "..") {
		return fmt.Errorf("%s: %s must be a path that starts with a slash", name, field)
	}

	return nil
}
