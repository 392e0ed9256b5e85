package verify

import (
	"context"
	"crypto/x509"
)

// Verifier turns a bearer token into the principal it stands for.
//
// The error is nil only for a token that may be trusted. Otherwise it is an
// [*Error], or the caller's own context error wrapped. Implementations are safe
// for concurrent use.
type Verifier interface {
	Verify(ctx context.Context, token string, req Requirements) (*Principal, error)
}

// VerifierFunc is a function that is a [Verifier]. The function must be safe
// for concurrent use.
type VerifierFunc func(ctx context.Context, token string, req Requirements) (*Principal, error)

// Verify calls f.
func (f VerifierFunc) Verify(ctx context.Context, token string, req Requirements) (*Principal, error) {
	return f(ctx, token, req)
}

// IssuerNames returns the IssuerName of the configuration.
func (v *JWT) IssuerNames() []string { return []string{v.id.name} }

// IssuerNames returns the IssuerName of the configuration.
func (in *Introspection) IssuerNames() []string { return []string{in.id.name} }

// IssuerNames returns the one IssuerName that both verifiers have.
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

// Requirements is what one call asks of the verification, beyond what the
// verifier itself was configured with. The zero value asks for nothing more.
type Requirements struct {
	// Validation says how the token is to be validated.
	// Optional. Default: the verifier's own way.
	Validation Validation

	// PeerCertificate is the client certificate that the transport has
	// verified, nil if there is none. A token bound to a certificate (RFC 8705
	// §3, cnf.x5t#S256) is refused unless it is bound to this one.
	PeerCertificate *x509.Certificate
}

// Validation says how a token is to be validated.
type Validation uint8

const (
	// ValidationDefault leaves the choice to the verifier.
	ValidationDefault Validation = iota

	// ValidationLocal asks for a signature check with the issuer's keys. A
	// verifier that can't do it answers with a configuration fault.
	ValidationLocal

	// ValidationIntrospect asks for the issuer's word at the time of the call
	// (RFC 7662), within the introspection cache's short life. A verifier that
	// can't do it answers with a configuration fault.
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
