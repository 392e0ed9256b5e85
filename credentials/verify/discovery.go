package verify

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/usher-auth/usher/internal/endpoint"
	"github.com/usher-auth/usher/internal/strictjson"
)

// discover reads the issuer's metadata and returns its jwks_uri. The document
// must name the issuer exactly (RFC 8414 §3.3); otherwise one issuer could
// publish keys for another.
func discover(ctx context.Context, client *http.Client, issuer string, addresses []string) (string, error) {
	var failed []error
	for _, address := range addresses {
		text, _, err := get(ctx, client, "metadata", address, false)
		if err == nil {
			return jwksURI(text, issuer, address)
		}
		failed = append(failed, err)
		if !notThere(err) {
			break
		}
	}
	if len(failed) == 1 && !notThere(failed[0]) {
		return "", failed[0]
	}
	return "", nowhere(failed)
}

// nowhere returns the error for metadata that isn't at any of their addresses.
func nowhere(failed []error) error {
	e := &fetchError{}
	for i, err := range failed {
		if i > 0 {
			e.what += "; "
		}
		e.what += err.Error()
		if f := (*fetchError)(nil); errors.As(err, &f) {
			e.retryAfter, e.config = max(e.retryAfter, f.retryAfter), e.config || f.config
		}
	}
	e.what += "; if they are elsewhere, set JWTConfig.MetadataURL or JWKSURL"
	return e
}

// notThere reports whether the server answered that it has no such document.
// Only then is the next address tried.
func notThere(err error) bool {
	var f *fetchError
	return errors.As(err, &f) && f.status >= 400 && f.status < 500 && f.status != http.StatusTooManyRequests
}

// jwksURI returns the jwks_uri of the metadata at an address.
func jwksURI(text, issuer, address string) (string, error) {
	where := "metadata at " + place(address)
	members, err := strictjson.Object([]byte(text), maxJSONMembers)
	if err != nil {
		return "", &fetchError{what: where + ": malformed"}
	}
	gotIssuer, okIssuer := members["issuer"].(string)
	uri, okURI := members["jwks_uri"].(string)
	switch {
	case !okIssuer || gotIssuer != issuer:
		return "", &fetchError{what: where + ": " + otherIssuer(gotIssuer, okIssuer, issuer), config: true}
	case !okURI:
		return "", &fetchError{what: where + ": jwks_uri is missing", config: true}
	case checkEndpoint("jwks_uri", uri) != nil, !endpoint.MayName(address, uri):
		return "", &fetchError{what: where + ": jwks_uri is " + place(uri) + " (unverified): not https", config: true}
	default:
		return uri, nil
	}
}

// otherIssuer describes how the issuer in metadata differs from the configured
// one.
func otherIssuer(got string, ok bool, want string) string {
	if !ok {
		return "issuer is missing"
	}
	text := "issuer is " + quoted(got) + " (unverified), but JWTConfig.Issuer is " + quoted(want) + ": they must be equal byte by byte"
	if strings.TrimSuffix(got, "/") == strings.TrimSuffix(want, "/") {
		text += ", a trailing slash included"
	}
	return text
}
