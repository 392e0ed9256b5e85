package credentials

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/internal/endpoint"
	"github.com/usher-auth/usher/internal/quote"
)

// maxURL bounds a URL in a cause, in bytes.
const maxURL = 256

// during adds to the failure's cause, for the operator alone, which request it
// came from.
func (f *failure) during(method, rawURL, hint string) *failure {
	where := method + " " + publicURL(rawURL)
	switch {
	case f.err.err != nil:
		f.err.err = fmt.Errorf("%s: %w", where, f.err.err)
	case f.err.HTTPStatus != 0:
		f.err.err = fmt.Errorf("%s: HTTP %d%s", where, f.err.HTTPStatus, hint)
	default:
		f.err.err = errors.New(where)
	}
	return f
}

// hint returns the settings that an OAuth error is about, or "".
func (t Target) hint(code string) string {
	switch code {
	case "invalid_client":
		return "; Config.ClientID and Config.Auth must be what the server has registered"
	case "unauthorized_client", "unsupported_grant_type":
		return "; the server must allow Config.ClientID the client_credentials grant"
	case "invalid_scope":
		return fmt.Sprintf("; the server must allow the client Scopes %.*q", quote.Max, t.Scopes)
	case "invalid_target":
		return fmt.Sprintf("; the server must know Resources %.*q, Audience %.*q", quote.Max, t.Resources, quote.Max, t.Audience)
	}
	return ""
}

// publicURL returns a URL without the parts that may be secret, bounded by
// maxURL.
func publicURL(raw string) string {
	public, ok := endpoint.Public(raw)
	if !ok {
		return "(not a URL)"
	}
	if len(public) > maxURL {
		return quote.Cut(public, maxURL) + "..."
	}
	return public
}

// quoted returns an unverified value from a server, escaped and bounded for an
// operator to read.
func quoted(value string) string { return quote.Value(value) }

// anotherIssuer returns the cause of refused metadata (RFC 8414 §3.3, OpenID
// Connect Discovery 1.0 §4.3).
func anotherIssuer(want, got string) error {
	switch {
	case got == "":
		return fmt.Errorf("Config.Issuer is %q, the metadata names none", want)
	case strings.TrimSuffix(got, "/") == strings.TrimSuffix(want, "/"):
		return fmt.Errorf("Config.Issuer is %q, the metadata has the unverified issuer %s: they differ in a trailing slash, and must be equal", want, quoted(got))
	}
	return fmt.Errorf("Config.Issuer is %q, the metadata has the unverified issuer %s: they must be equal", want, quoted(got))
}
