package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// maxCredential bounds a token or key: more than any server's header limit.
const maxCredential = 16 << 10

// invalidator is an optional method of a TokenSource. It drops exactly the token
// that an engine refused. usher's credentials implement it.
type invalidator interface{ Invalidate(token string) }

type authenticator struct {
	name   string
	tokens TokenSource
	key    Secret
	header string
}

// newAuthenticator returns an error that joins all faults of the credentials and
// the header.
func newAuthenticator(config Config) (authenticator, error) {
	var faults []error
	a := authenticator{name: config.Name, tokens: config.TokenSource, key: config.APIKey, header: cmp.Or(config.APIKeyHeader, "X-API-Key")}
	if a.tokens != nil && a.key != nil {
		faults = append(faults, fmt.Errorf("%s: TokenSource and APIKey: set only one of them", config.Name))
	}
	for _, name := range slices.Sorted(maps.Keys(config.Header)) {
		if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, a.header) {
			faults = append(faults, fmt.Errorf("%s: Header must not hold credentials, as %q does: use TokenSource or APIKey", config.Name, name))

			continue
		}
		if slices.ContainsFunc(config.Header[name], func(v string) bool { return !isHeaderValue(v) }) {
			faults = append(faults, fmt.Errorf("%s: Header %q has a value that HTTP does not allow", config.Name, name))
		}
	}

	return a, errors.Join(faults...)
}

// credentialError is the error for a source of credentials that failed. The
// source's own error is there for errors.As but not in the text: a source of the
// user's own may put anything into its errors.
type credentialError struct {
	name  string
	cause error
}

func (e *credentialError) Error() string { return e.name + ": no credentials for the engine" }
func (e *credentialError) Unwrap() error { return e.cause }

// authenticate sets the one credential in header. If it is a token, authenticate
// returns it, for renew.
func (a authenticator) authenticate(ctx context.Context, header http.Header) (string, error) {
	switch {
	case a.tokens != nil:
		token, err := a.tokens.Token(ctx)
		if err != nil {
			return "", a.fault(err)
		}
		if token == nil || !isCredential(token.AccessToken) {
			return "", a.fault(errors.New("not a token"))
		}
		header.Set("Authorization", "Bearer "+token.AccessToken)

		return token.AccessToken, nil
	case a.key != nil:
		key, err := a.key(ctx)
		if err != nil {
			return "", a.fault(err)
		}
		if !isCredential(key) {
			return "", a.fault(errors.New("not a key"))
		}
		header.Set(a.header, key)
	}

	return "", nil
}

// renew drops the token that was refused and reports whether there is another. Only
// then is the request sent again.
func (a authenticator) renew(ctx context.Context, refused string) bool {
	source, ok := a.tokens.(invalidator)
	if !ok || refused == "" {
		return false
	}
	source.Invalidate(refused)
	token, err := a.tokens.Token(ctx)

	return err == nil && token != nil && token.AccessToken != refused
}

func (a authenticator) fault(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}

	return &authz.EngineError{Kind: authz.EngineRefused, Err: &credentialError{a.name, err}}
}

// isCredential allows the characters of RFC 6750's b64token and the visible
// ASCII that API keys use.
func isCredential(s string) bool {
	if s == "" || len(s) > maxCredential {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}

	return true
}

func isHeaderValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}

	return true
}
