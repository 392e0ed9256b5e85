package fleet

import (
	"testing"
	"time"

	"github.com/usher-auth/usher/credentials/verify"
)

// TestProfileOfACertifiedServer has node-oidc-provider's tokens: its
// introspection of a service's opaque token has a client_id and no sub. Only its
// profile makes that a service; without it the kind is unclear, and refused.
func TestProfileOfACertifiedServer(t *testing.T) {
	t.Parallel()
	const (
		asJWT, asOpaque = "caller-0", "caller-1"
		unclear         = "PermissionDenied SUBJECT_UNMAPPED"
		invalid         = "Unauthenticated TOKEN_INVALID"
	)
	w := newWorld(t)
	issuer := w.nodeOIDC(time.Minute, issuerClient{ID: serverID}, issuerClient{ID: asJWT}, issuerClient{ID: asOpaque, Opaque: true})
	issuer.start("a")
	profile := verify.NodeOIDCProvider()
	jwt := w.jwt(verify.JWTConfig{Issuer: issuer.url, Profile: profile})
	introspection := w.introspection(issuer.introspectionConfig(profile))
	for name, c := range map[string]struct {
		verifier verify.Verifier
		want     map[string]string
	}{
		"row 21a: JWTs":              {jwt, map[string]string{asJWT: granted, asOpaque: invalid}},
		"row 21a: introspection":     {introspection, map[string]string{asJWT: invalid, asOpaque: granted}},
		"row 21a: both":              {w.hybrid(jwt, introspection), map[string]string{asJWT: granted, asOpaque: granted}},
		"row 21a: without a profile": {w.introspection(issuer.introspectionConfig(verify.Profile{})), map[string]string{asOpaque: unclear}},
	} {
		t.Run(name, func(t *testing.T) {
			target := w.guard(c.verifier, viewers("service:"+asJWT, "service:"+asOpaque), services)
			for id, want := range c.want {
				err := get(w.ctx, w.dial(target, issuer.credentials(id).DialOptions()...))
				if got := reason(err); got != want {
					t.Errorf("%s: %s (%v), want %s", id, got, err, want)
				}
			}
		})
	}
}
