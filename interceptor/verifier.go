package interceptor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// Violations of a verifier's contract. Callers see INTERNAL.
var (
	errNoPrincipal      = errors.New("interceptor: the verifier returned neither a principal nor an error")
	errVerifierPanicked = errors.New("interceptor: the verifier panicked")
	errVerifierUnready  = errors.New("interceptor: the verifier returned a nil pointer for an error")
)

// errVerifierGone is the answer of a verifier that ended its goroutine: nothing is
// known about the token.
var errVerifierGone = &verify.Error{
	Kind: verify.DependencyFault,
	Err:  errors.New("interceptor: the verifier called runtime.Goexit"),
}

// errPrincipalOver is the answer of a verifier that remembers its principals and
// returns one that is no longer valid.
var errPrincipalOver = &verify.Error{
	Kind: verify.CredentialFault, Expired: true,
	Err: errors.New("interceptor: the verifier returned a principal whose time is over: exp, or PrincipalConfig.ValidUntil"),
}

// isOurs reports whether the verifier is one of this module's. They check a token's
// form themselves, return when their context ends, and recover from panics of their
// callbacks.
func isOurs(verifier verify.Verifier) bool {
	switch verifier.(type) {
	case *verify.JWT, *verify.Introspection, *verify.Hybrid, *verify.MultiIssuer:
		return true
	default:
		return false
	}
}

// isNil reports whether a value is nil, or holds a nil pointer or function.
func isNil(value any) bool {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan, reflect.Slice, reflect.UnsafePointer, reflect.Interface:
		return v.IsNil()
	default:
		return false
	}
}

// holdsNil reports whether an error is, or wraps, a nil pointer: calling its methods
// may panic.
func holdsNil(err error) bool {
	if isNil(err) {
		return true
	}
	switch wrapper := err.(type) { //nolint:errorlint // it is the chain itself that is walked
	case interface{ Unwrap() error }:
		inner := wrapper.Unwrap()

		return inner != nil && holdsNil(inner)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(wrapper.Unwrap(), holdsNil)
	default:
		return false
	}
}

// verify verifies a token as the method's rule requires.
func (i *Interceptor) verify(ctx context.Context, method *authz.Method, token string) (*verify.Principal, error) {
	req := verify.Requirements{
		Validation:      validationOf(method.Validation()),
		PeerCertificate: peerCertificate(ctx),
	}
	var principal *verify.Principal
	var err error
	if i.verifierIsOurs {
		principal, err = i.callVerifier(ctx, token, req)
	} else {
		principal, err = i.callForeignVerifier(ctx, token, req)
	}
	switch {
	case err == nil && principal == nil, err != nil && holdsNil(err):
		return nil, errNoPrincipal
	case err != nil && !i.verifierIsOurs:
		return nil, instructive(ctx, err)
	case err != nil:
		return nil, err
	default:
		return principal, nil
	}
}

// instructive returns the error of a verifier that isn't this module's. An error
// that isn't a *verify.Error with a Kind becomes a configuration fault, which anyone
// with a made-up token can cause: its text tells what the verifier should return
// instead.
func instructive(ctx context.Context, err error) error {
	var said *verify.Error
	isSaid := errors.As(err, &said)
	var refused *Error
	var denied *authz.Error
	switch {
	case isSaid && verify.CredentialFault <= said.Kind && said.Kind <= verify.ConfigurationFault,
		errors.Is(err, errNoPrincipal), errors.Is(err, errVerifierPanicked), errors.As(err, &refused), errors.As(err, &denied),
		ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)):
		return err
	}
	cause := err
	if isSaid && said.Err != nil {
		cause = fmt.Errorf("%w: %w", err, said.Err)
	}

	return &verify.Error{Kind: verify.ConfigurationFault, Err: fmt.Errorf(
		"interceptor: Verifier returned an error that is no *verify.Error, or has no Kind; for a bad credential return "+
			"&verify.Error{Kind: verify.CredentialFault, Err: …}, "+
			"for what can't be asked at present Kind verify.DependencyFault: %w", cause)}
}

// callVerifier calls the verifier and recovers from its panic. The value of the
// panic goes to the hook only: it may hold the token.
func (i *Interceptor) callVerifier(ctx context.Context, token string, req verify.Requirements) (principal *verify.Principal, err error) {
	defer func() {
		if value := recover(); value != nil {
			principal, err = nil, errVerifierPanicked
			i.hooks.verifierPanicked(ctx, value, debug.Stack())
		}
	}()

	principal, err = i.verifier.Verify(ctx, token, req)
	if i.verifierIsOurs {
		return principal, err
	}

	return principal, judged(principal, err)
}

// judged returns the fault in the answer of a verifier that isn't this module's. It
// calls the methods that will be called on the error later, down to its last cause,
// so that an error whose methods panic does so here, where callVerifier recovers.
func judged(principal *verify.Principal, err error) error {
	switch {
	case err != nil && holdsNil(err):
		return errNoPrincipal
	case err != nil:
		_ = err.Error()
		_ = errors.Is(err, errNoPrincipal)
		if said := (*verify.Error)(nil); errors.As(err, &said) && said.Err != nil {
			_ = said.Err.Error() // its own text leaves it out
		}
		_ = errors.As(err, new(*Error))
		_ = errors.As(err, new(*authz.Error))

		return err
	case principal == nil, *principal == verify.Principal{}:
		return errNoPrincipal
	case !time.Now().Before(principal.ValidUntil()):
		return errPrincipalOver
	default:
		return nil
	}
}

// callForeignVerifier calls a verifier that isn't this module's, in a goroutine of
// its own: a verifier that calls runtime.Goexit must not end the call's goroutine,
// which would leave the caller without a status, and a verifier that hangs must not
// hold the call longer than its context.
func (i *Interceptor) callForeignVerifier(ctx context.Context, token string, req verify.Requirements) (*verify.Principal, error) {
	type answer struct {
		principal *verify.Principal
		err       error
	}
	answered := make(chan answer, 1)
	go func() {
		said := answer{err: errVerifierGone}
		defer func() { answered <- said }()
		principal, err := i.callVerifier(ctx, token, req)
		said = answer{principal, err}
	}()
	select {
	case said := <-answered:
		return said.principal, said.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
