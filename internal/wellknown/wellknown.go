// Package wellknown finds the metadata of authorization servers.
package wellknown

import (
	"net/url"
	"strings"
)

// OpenID returns where OpenID Connect Discovery 1.0 §4.1 puts an issuer's
// metadata: below the issuer's own path.
func OpenID(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// OAuth returns where RFC 8414 §3.1 puts an issuer's metadata: between the
// issuer's host and its path. It returns false if the issuer is no URL.
func OAuth(issuer string) (string, bool) {
	u, err := url.Parse(issuer)
	if err != nil {
		return "", false
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + path, true
}

// Places returns where to look for an issuer's metadata, in this order.
func Places(issuer string) []string {
	if oauth, ok := OAuth(issuer); ok {
		return []string{OpenID(issuer), oauth}
	}
	return []string{OpenID(issuer)}
}
