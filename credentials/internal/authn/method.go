package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
)

// Endpoint names the server that a client authenticates to. Some methods put
// one of these names into what they sign.
type Endpoint struct {
	// URL is the endpoint that gets the request.
	URL string
	// Issuer is the authorization server's issuer identifier, or empty when it
	// isn't known.
	Issuer string
}

// Method is a way to authenticate a client. It is safe for concurrent use. Only
// package clientauth implements it.
type Method interface {
	// Check returns all faults of the configuration. It does no I/O.
	Check(clientID string, ep Endpoint) []error
	// Prove returns the proof for one request.
	Prove(ctx context.Context, clientID string, ep Endpoint) (Proof, error)
}

// Proof is what authenticates the client of one request.
type Proof struct {
	// Basic reports whether ClientID and Secret go into the Authorization
	// header (RFC 6749 §2.3.1) instead of the form.
	Basic bool
	// ClientID is empty when the method's assertion names the client.
	ClientID string
	// Secret is empty for methods without a shared secret.
	Secret string
	// Params are further form parameters, such as client_assertion.
	Params url.Values
}

// errNoMethod is the error of a nil Method: there is no default, since the
// safe choice depends on what the server accepts.
var errNoMethod = errors.New("no client authentication was chosen")

// ErrNoClientID is the fault of an empty client id, with every method except the
// one whose assertion names the client.
var ErrNoClientID = errors.New("the client id is empty: set ClientID, which only clientauth.AssertionFile can do without")

// Check returns all faults of m for a client and an endpoint that can be found
// without I/O. An endpoint whose issuer is still to be
// discovered is checked with the issuer that discovery must confirm. The client
// id is a placeholder when it is read from elsewhere at each request.
func Check(m Method, clientID string, ep Endpoint) []error {
	if m != nil {
		return m.Check(clientID, ep)
	}
	faults := []error{fmt.Errorf(
		"%w: use a method of credentials/clientauth: SecretBasic, SecretPost, PrivateKeyJWT, AssertionFile or TLSClientAuth", errNoMethod)}
	if clientID == "" {
		faults = append(faults, ErrNoClientID)
	}
	return faults
}

// Prove makes the proof for one request. A panic of a caller's function comes
// back as an error.
func Prove(ctx context.Context, m Method, clientID string, ep Endpoint) (proof Proof, err error) {
	if m == nil {
		return Proof{}, &Error{Text: errNoMethod.Error()}
	}
	defer func() {
		if r := recover(); r != nil {
			// The value may hold anything, a secret included: it is dropped.
			proof, err = Proof{}, &Error{Text: "a function that supplies client authentication panicked"}
		}
	}()
	return m.Prove(ctx, clientID, ep)
}

// Apply adds client authentication to a request with a form body: parameters to
// form, a Basic credential to header. Neither is touched on error. Methods that
// authenticate by TLS need [Client] as well.
func Apply(ctx context.Context, m Method, clientID string, ep Endpoint, form url.Values, header http.Header) error {
	proof, err := Prove(ctx, m, clientID, ep)
	if err != nil {
		return err
	}
	maps.Copy(form, proof.Params)
	if proof.Basic {
		header.Set("Authorization", basic(proof.ClientID, proof.Secret))
		return nil
	}
	if proof.ClientID != "" {
		form.Set("client_id", proof.ClientID)
	}
	if proof.Secret != "" {
		form.Set("client_secret", proof.Secret)
	}
	return nil
}

// basic encodes id and secret as forms do before they are joined, as RFC 6749
// §2.3.1 demands: without it a colon or a non-ASCII character breaks them.
func basic(id, secret string) string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// Error describes which step of client authentication failed. Its text is
// constant: no secret, no key, no path.
type Error struct {
	// Text is the constant description.
	Text string
	// Err is the cause, or nil. Its text is not part of Error.
	Err error
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Value returns the secret that supply returns; what names it in errors. An
// empty secret is an error: a request without it would be a failed login with
// no explanation.
func Value(ctx context.Context, supply func(context.Context) (string, error), what string) (string, error) {
	value, err := supply(ctx)
	if err != nil {
		if known := (*Error)(nil); errors.As(err, &known) {
			return "", &Error{Text: what + ": " + known.Text, Err: err}
		}
		return "", &Error{Text: what + " can't be read", Err: err}
	}
	if value == "" {
		return "", &Error{Text: what + " is empty"}
	}
	return value, nil
}

// Read is Value for a function that isn't part of a [Method]: a panic in it is an
// error.
func Read(ctx context.Context, supply func(context.Context) (string, error), what string) (value string, err error) {
	defer func() {
		if r := recover(); r != nil {
			value, err = "", &Error{Text: what + ": the function that supplies it panicked"}
		}
	}()
	return Value(ctx, supply, what)
}
