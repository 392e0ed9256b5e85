package verify

import (
	"errors"
	"strings"
	"time"
)

// ErrorKind classifies the cause of a failed verification. The zero value is
// invalid.
type ErrorKind uint8

const (
	// CredentialFault means that the token isn't valid. Trying again with it is
	// useless.
	CredentialFault ErrorKind = iota + 1

	// DependencyFault means that the keys or the introspection endpoint are
	// unavailable. It implies nothing about the token.
	DependencyFault

	// ConfigurationFault means that the verifier is misconfigured. Only an
	// operator can correct it.
	ConfigurationFault
)

// String returns the name of the kind.
func (k ErrorKind) String() string {
	switch k {
	case CredentialFault:
		return "credential fault"
	case DependencyFault:
		return "dependency fault"
	case ConfigurationFault:
		return "configuration fault"
	default:
		return "invalid"
	}
}

// Error describes a failed verification. Values are shared between calls and
// must not be modified.
//
// The text of an Error is constant for its Kind and Expired, so it may be shown
// to the caller. The cause, which [errors.Unwrap] returns, is for logs and
// hooks: it names the setting that would help, what was expected, and what came
// instead, quoted, cut to 128 bytes and marked as unverified (iss, aud, typ, a
// client's id, times). It never holds a whole token, a secret or the body of an
// answer.
type Error struct {
	// Kind classifies the error.
	Kind ErrorKind

	// Expired reports, for a [CredentialFault], whether the token's expiry is
	// its only fault.
	Expired bool

	// RetryAfter is, for a [DependencyFault], how long to wait before another
	// attempt can succeed, or zero if that isn't known.
	RetryAfter time.Duration

	// Unverified holds what the refused token, or the answer about it, claims,
	// for hooks and audit records. None of it was verified: anyone may have
	// written it. It is nil if nothing could be read.
	Unverified *Unverified

	// Err is the cause. It may be nil.
	Err error

	// constant is the refusal that this one was derived from, or nil.
	constant *Error
}

// Unverified holds claims of a refused token. Each text is cut to 128 bytes. It
// must not be used for a decision or a metric label, and it may hold any bytes:
// escape it in output.
type Unverified struct {
	// Issuer is iss.
	Issuer string

	// Subject is sub.
	Subject string

	// ClientID is the client's identifier, read according to the profile.
	ClientID string

	// Audiences are the first values of aud, at most four.
	Audiences []string

	// Type is typ of the token's header, or empty for an introspected token.
	Type string
}

// Error returns a text that is constant for Kind and Expired.
func (e *Error) Error() string {
	switch e.Kind {
	case CredentialFault:
		if e.Expired {
			return "verify: the token has expired"
		}
		return "verify: the token is not valid"
	case DependencyFault:
		return "verify: the token can't be verified at present"
	case ConfigurationFault:
		return "verify: the verifier is misconfigured"
	default:
		return "verify: failed"
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// base returns the constant refusal that e was derived from, or e itself.
func (e *Error) base() *Error {
	if e.constant != nil {
		return e.constant
	}
	return e
}

// fault is a cause whose text is constant, so that it holds nothing of the
// token.
type fault string

func (f fault) Error() string { return string(f) }

// refusal returns a credential fault with a constant cause. Refusals are made
// once, so that many bad tokens cost no allocation.
func refusal(cause fault) *Error {
	return &Error{Kind: CredentialFault, Err: cause}
}

// because returns a more specific form of e.
func (e *Error) because(cause fault) *Error {
	return &Error{Kind: e.Kind, Expired: e.Expired, Err: &closer{cause, e}, constant: e}
}

// closer is a constant cause that is more specific than the one it unwraps to.
type closer struct {
	fault

	of *Error
}

// Unwrap returns the more general cause.
func (c *closer) Unwrap() error { return c.of.Err }

// claimsOfType are the refusals for claims of the wrong type, by the claims'
// names. They are made once, as all constant refusals are.
var claimsOfType = func() map[string]*Error {
	refusals := make(map[string]*Error, len(registeredClaims))
	for _, name := range registeredClaims {
		refusals[name] = errClaimsType.because(fault(errClaimsType.Err.Error() + ": " + name))
	}
	return refusals
}()

// wrongType returns the refusal for a claim of the wrong type. The claim is one
// that this package or a profile names.
func wrongType(path ...string) *Error {
	if refused := claimsOfType[path[0]]; refused != nil && len(path) == 1 {
		return refused
	}
	return errClaimsType.because(fault("claims: one that the profile names is of the wrong type: " + quoted(strings.Join(path, "."))))
}

func unavailable(cause error, retryAfter time.Duration) *Error {
	return &Error{Kind: DependencyFault, RetryAfter: max(retryAfter, 0), Err: cause}
}

func misconfigured(cause error) *Error {
	return &Error{Kind: ConfigurationFault, Err: cause}
}

// errClosed is the cause of the faults of a closed verifier.
const errClosed = fault("the verifier is closed")

var (
	errTokenSize      = refusal("token: above the size limit: JWTConfig.MaxTokenBytes, 16 KiB by default, or 16 KiB for a token that is only introspected")
	errTokenCharset   = refusal("token: character outside the allowed set")
	errTokenForm      = refusal("token: not a compact JWS of three parts; opaque tokens need verify.NewIntrospection, or verify.NewHybrid")
	errTokenEncoding  = refusal("token: not canonical base64url")
	errHeaderJSON     = refusal("header: not one well-formed JSON object")
	errHeaderMember   = refusal("header: member repeated, or spelled like a registered one")
	errHeaderAlg      = refusal("header: alg is missing or not allowed")
	errHeaderTyp      = refusal("header: typ is not that of an access token")
	errHeaderKid      = refusal("header: kid is not a short string")
	errHeaderCrit     = refusal("header: crit names an extension that is not implemented")
	errHeaderB64      = refusal("header: b64 is not implemented")
	errHeaderCty      = refusal("header: a nested token")
	errClaimsJSON     = refusal("claims: not one well-formed JSON object")
	errClaimsMember   = refusal("claims: member repeated, or spelled like a registered one")
	errClaimsType     = refusal("claims: registered claim of the wrong type")
	errClaimsIssuer   = refusal("claims: iss is not the configured issuer")
	errClaimsAudience = refusal("claims: aud does not name this server")
	errClaimsNoExp    = refusal("claims: exp is missing")
	errClaimsNotYet   = refusal("claims: nbf or iat is in the future")
	errClaimsUse      = refusal("claims: not those of an access token")
	errClaimsIdentity = refusal("claims: neither sub nor client_id")
	errClaimsActor    = refusal("claims: act is malformed or too deep")
	errConfirmation   = refusal("claims: cnf is malformed, or of a kind that is not verified")
	errDPoP           = errConfirmation.because("claims: cnf.jkt, a binding by DPoP (RFC 9449), is not supported; x5t#S256 (RFC 8705) is")
	errClaimsClient   = refusal("claims: they name more than one client")
	errBinding        = refusal("binding: the token is bound to another client certificate than the connection's")
	errNoCertificate  = refusal("binding: the token is bound to a client certificate (cnf x5t#S256), and the connection has none: " +
		"it is without TLS, or the server asks for no certificate (tls.Config.ClientAuth)")
	errKeyUnknown = refusal("signature: no key of the issuer fits")
	errSignature  = refusal("signature: does not verify")

	errInactive = refusal("introspection: the token is not active")
	errMismatch = refusal("introspection: its answer is about another token")

	errExpired = &Error{Kind: CredentialFault, Expired: true, Err: fault("claims: exp has passed")}

	errCantIntrospect = misconfigured(fault("introspection is asked for, but no introspection endpoint is configured"))
	errCantLocal      = misconfigured(fault("local validation is asked for, but only introspection is configured"))
	errOtherIssuer    = misconfigured(fault("introspection is asked for a token of an issuer that has no introspection endpoint"))
	errPredicate      = misconfigured(fault("Profile.Kind panicked, or ended its goroutine"))
	errValidation     = misconfigured(fault("unknown kind of validation"))

	errKeyWithdrawn = refusal("signature: by a key that the issuer has withdrawn")
)

const (
	errBudget       = fault("key set: no key fits or verifies, and the budget for fetches is spent: UnknownKeyInterval")
	errKeysChanging = fault("key set: the issuer's keys changed twice while one signature was checked")
)

// asError returns the first *Error in err's chain.
func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
