package httpapi

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// BaseURL checks the URL that an engine's paths are joined to: absolute, https
// unless the host is this machine's or insecure allows it, no credentials, no
// query, no fragment. A slash at its end is dropped.
func BaseURL(name, raw string, insecure bool) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return "", fmt.Errorf("%s: BaseURL must be an absolute URL, such as https://pdp.example.com", name)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", fmt.Errorf("%s: BaseURL must have no user, query or fragment", name)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return "", fmt.Errorf("%s: BaseURL must be https, not %q", name, u.Scheme)
	case !insecure && !isLoopback(u.Hostname()):
		return "", fmt.Errorf("%s: BaseURL is plain http to %q: use https, or InsecureHTTP within a mesh that encrypts", name, u.Hostname())
	}

	return strings.TrimSuffix(u.String(), "/"), nil
}

// SameOrigin reports whether endpoint has base's scheme and host (RFC 6454),
// so that credentials for one may go to the other.
func SameOrigin(base, endpoint string) bool {
	a, errA := url.Parse(base)
	b, errB := url.Parse(endpoint)

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

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}

	return addr.IsLoopback() || net.IP(addr.AsSlice()).IsLoopback()
}
