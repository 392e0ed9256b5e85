package verify

import (
	"context"
	"crypto/x509"
	"slices"
)

// Verifier verifies a bearer token and returns its principal.
//
// The error is nil only for a token that may be trusted. Otherwise it is an
// [*Error], or wraps the error of the caller's context. Implementations must be
// safe for concurrent use.
//
// A Verifier may also have a method Validates(Validation) bool, which reports
// whether it can validate tokens in that way, as the verifiers of this package do.
// A server that guards a method whose rule asks for another way then fails at its
// start instead of at each call.
type Verifier interface {
	Verify(ctx context.Context, token string, req Requirements) (*Principal, error)
}

// VerifierFunc is an adapter that makes a function a [Verifier]. The function
// must be safe for concurrent use.
type VerifierFunc func(ctx context.Context, token string, req Requirements) (*Principal, error)

// Verify calls f.
func (f VerifierFunc) Verify(ctx context.Context, token string, req Requirements) (*Principal, error) {
	return f(ctx, token, req)
}

// IssuerNames returns the IssuerName of the configuration.
func (v *JWT) IssuerNames() []string { return []string{v.id.name} }

// IssuerNames returns the IssuerName of the configuration.
func (in *Introspection) IssuerNames() []string { return []string{in.id.name} }

// IssuerNames returns the IssuerName that both verifiers share.
func (h *Hybrid) IssuerNames() []string { return h.jwt.IssuerNames() }

// IssuerNames returns the names of all members, in the order in which they were
// given.
func (m *MultiIssuer) IssuerNames() []string {
	names := make([]string, len(m.members))
	for i, v := range m.members {
		jwt, _ := v.member()
		names[i] = jwt.id.name
	}
	return names
}

// Validates reports whether v can validate tokens in a way: all but
// [ValidationIntrospect].
func (v *JWT) Validates(way Validation) bool { return way < ValidationIntrospect }

// Validates reports whether in can validate tokens in a way: all but
// [ValidationLocal].
func (in *Introspection) Validates(way Validation) bool {
	return way == ValidationDefault || way == ValidationIntrospect
}

// Validates reports whether h can validate tokens in a way: all of them, but an
// opaque token can't be validated locally.
func (h *Hybrid) Validates(way Validation) bool { return way <= ValidationIntrospect }

// Validates reports whether m can validate the tokens of any member in a way.
func (m *MultiIssuer) Validates(way Validation) bool {
	return slices.ContainsFunc(m.members, func(v IssuerVerifier) bool {
		jwt, hybrid := v.member()
		return jwt.Validates(way) || hybrid != nil && hybrid.Validates(way)
	})
}

// Requirements are what one call demands of the verification, in addition to
// the verifier's configuration. The zero value demands nothing more.
type Requirements struct {
	// Validation is the way in which the token must be validated. Optional.
	// Default: the verifier's own choice.
	Validation Validation

	// PeerCertificate is the client certificate that the transport has
	// verified, or nil if there is none. A token that is bound to a certificate
	// (RFC 8705 §3, cnf.x5t#S256) is refused unless it is bound to this one.
	PeerCertificate *x509.Certificate
}

// Validation is a way to validate a token.
type Validation uint8

const (
	// ValidationDefault leaves the choice to the verifier.
	ValidationDefault Validation = iota

	// ValidationLocal demands a signature check with the issuer's keys. A
	// verifier that can't do it returns a configuration fault.
	ValidationLocal

	// ValidationIntrospect demands the issuer's answer at the time of the call
	// (RFC 7662), or one that the introspection cache holds for its short
	// lifetime. A verifier that can't introspect returns a configuration fault.
	ValidationIntrospect
)

// String returns the name of the validation.
func (v Validation) String() string {
	switch v {
	case ValidationDefault:
		return "default"
	case ValidationLocal:
		return "local"
	case ValidationIntrospect:
		return "introspect"
	default:
		return "invalid"
	}
}
