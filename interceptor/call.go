package interceptor

import (
	"context"
	"crypto/x509"
	"net/netip"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// authenticate takes the caller's token and verifies it.
func (i *Interceptor) authenticate(ctx context.Context, method *authz.Method) (string, *verify.Principal, error) {
	token, err := i.bearerToken(ctx)
	if err != nil {
		return "", nil, err
	}
	principal, err := i.verify(ctx, method, token)
	if err != nil {
		return "", nil, err
	}
	i.hooks.authenticated(ctx, Authenticated{Method: method.Name(), Principal: principal})

	return token, principal, nil
}

func validationOf(v authzv1.Validation) verify.Validation {
	switch v {
	case authzv1.Validation_VALIDATION_LOCAL:
		return verify.ValidationLocal
	case authzv1.Validation_VALIDATION_INTROSPECT:
		return verify.ValidationIntrospect
	case authzv1.Validation_VALIDATION_UNSPECIFIED:
		return verify.ValidationDefault
	default:
		return verify.ValidationDefault
	}
}

// newCall returns what the method's rule may read of a call, without its message.
// PeerIP is the address that locate has recorded.
func (i *Interceptor) newCall(ctx context.Context, method *authz.Method, principal *verify.Principal, peerIP netip.Addr) authz.Call {
	call := authz.Call{
		Principal:     principal,
		EngineContext: newEngineContext,
		// An observer of decisions reads what they are based on.
		Explain: i.hooks.observer.Decided != nil,
	}
	if method.ReadsConnection() {
		call.Metadata, call.PeerIP = metadataOf(ctx), peerIP
	}

	return call
}

// handlersCall returns the call for the checks that its handler makes. They read the
// connection only for how fresh answers must be, which has no address in it.
func handlersCall(ctx context.Context, principal *verify.Principal) authz.Call {
	return authz.Call{Principal: principal, EngineContext: newEngineContext, Metadata: metadataOf(ctx)}
}

func metadataOf(ctx context.Context) func(string) string {
	return func(key string) string { return oneMetadata(ctx, key) }
}

// oneMetadata returns the value of a key that has exactly one value, or else "".
func oneMetadata(ctx context.Context, key string) string {
	if values := metadata.ValueFromIncomingContext(ctx, key); len(values) == 1 {
		return values[0]
	}

	return ""
}

// peerCertificate returns the certificate that the client authenticated with in
// the TLS handshake, or nil if it sent none.
func peerCertificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return nil
	}

	return info.State.PeerCertificates[0]
}

// stopwatch measures how long a verdict takes, if an observer is told.
type stopwatch struct{ start time.Time }

func (i *Interceptor) startWatch() stopwatch {
	if i.hooks.observer.Decided == nil {
		return stopwatch{}
	}

	return stopwatch{start: time.Now()}
}

func (w stopwatch) elapsed() time.Duration {
	if w.start.IsZero() {
		return 0
	}

	return time.Since(w.start)
}
