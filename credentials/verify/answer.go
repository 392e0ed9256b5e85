package verify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/usher-auth/usher/credentials/internal/clientauth"
)

// maxAnswer bounds an introspection answer, in bytes.
const maxAnswer = 64 << 10

// post sends one introspection request (RFC 7662 §2.1) and returns the body of
// the answer. Redirects are not followed: they would post the token again, to
// whoever the answer names.
func (in *Introspection) post(ctx context.Context, token string) (string, error) {
	const what = "introspection"
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	header := http.Header{}
	if err := clientauth.Apply(ctx, in.auth, in.clientID, in.endpoint, form, header); err != nil {
		return "", &authError{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.endpoint.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", &fetchError{what: what + ": the URL can't be used", config: true}
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Accept", "application/json")
	req.Header = header
	res, err := in.client.Do(req)
	if err != nil {
		return "", transportError(what, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", &fetchError{what: what, status: res.StatusCode, retryAfter: retryAfter(res.Header)}
	}
	body, err := readBounded(res.Body, maxAnswer)
	if errors.Is(err, errBodySize) {
		return "", errAnswer
	}
	if err != nil {
		return "", bodyError(what, err)
	}
	return body, nil
}

// authError is a failure to make our own credentials: a secret that can't be
// read. It is not the endpoint's fault.
type authError struct{ err error }

func (e *authError) Error() string { return "introspection: our own client authentication" }
func (e *authError) Unwrap() error { return e.err }

// errAnswer is an answer that is no verdict. It is the endpoint's fault, never
// the token's.
const errAnswer = fault("introspection: the answer is malformed or too large")

// verdict reads an answer (RFC 7662 §2.2). Only the JSON literal true makes a
// token active; an answer that leaves any doubt is an outage.
func (in *Introspection) verdict(token, text string) (*cached, error) {
	c, refused := decodeClaims(text)
	switch refused {
	case nil:
		return in.judge(token, c)
	case errClaimsJSON, errClaimsMember, errClaimsType:
		return nil, errAnswer
	default: // a binding that can't be verified, an actor chain without end
		return in.refuse(token, refused), nil
	}
}

func (in *Introspection) refuse(token string, refused *Error) *cached {
	return &cached{token: fingerprint(token), refused: refused, until: instantOf(time.Now().Add(in.negative))}
}

// judge decides on an answer that was decoded.
func (in *Introspection) judge(token string, c *claims) (*cached, error) {
	switch c.active {
	case "true":
	case "false":
		return in.refuse(token, errInactive), nil
	default:
		return nil, errAnswer
	}
	now := time.Now()
	if refused := in.check(c, instantOf(now)); refused != nil {
		return in.refuse(token, in.expected.refuse(refused, nil, c, instantOf(now))), nil
	}
	until := instantOf(now.Add(in.positive))
	validUntil := until
	if c.expires.present() {
		validUntil = c.expires.add(in.leeway)
		until = min(until, validUntil)
	}
	p, err := in.id.principal(c, validUntil.time())
	return &cached{token: token, principal: p, until: until}, err
}

// check applies what the issuer's word on the token doesn't cover: that it is an
// access token, for this server, and valid by our own clock.
func (in *Introspection) check(c *claims, now instant) *Error {
	profile := in.id.profile
	if c.hasIssuer && c.issuer != in.id.issuer {
		return errClaimsIssuer
	}
	if refused := profile.read(c); refused != nil {
		return refused
	}
	switch {
	case len(in.audiences) > 0 && !profile.isFor(c, in.audiences):
		return errClaimsAudience
	case c.subject == "" && c.clientID == "":
		return errClaimsIdentity
	case !profile.isAccessToken(nil, c):
		return errClaimsUse
	case c.notBefore.present() && now.add(in.leeway) < c.notBefore, c.issued.present() && now.add(in.leeway) < c.issued:
		return errClaimsNotYet
	case c.expires.present() && now >= c.expires.add(in.leeway):
		return errExpired
	default:
		return nil
	}
}
