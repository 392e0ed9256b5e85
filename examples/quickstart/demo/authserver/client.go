package authserver

import (
	"crypto"
	"fmt"
	"strings"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// Client is a service that may ask for tokens. It authenticates by exactly one of
// Secret, PublicKey and TLSSubject.
type Client struct {
	// ID is the client_id. Required.
	ID string
	// Secret is for client_secret_basic.
	Secret string
	// PublicKey is for private_key_jwt; its kid is the client's ID.
	PublicKey crypto.PublicKey
	// KeyAlgorithm is the algorithm of PublicKey. Default ES256.
	KeyAlgorithm string
	// TLSSubject is for tls_client_auth: the subject of the client's
	// certificate, such as "CN=reader". Its tokens are bound to the
	// certificate (RFC 8705 §3).
	TLSSubject string
	// Opaque makes its tokens opaque instead of JWTs.
	Opaque bool
	// TokenLifetime overrides the server's.
	TokenLifetime time.Duration
	// Claims are further claims of its JWTs, such as "permissions". Optional.
	Claims map[string]any
	// Introspects lets it introspect tokens (RFC 7662): a resource server.
	Introspects bool
}

func (c Client) register(scopes []string) (*goidc.Client, error) {
	registered := &goidc.Client{ID: c.ID, ClientMeta: goidc.ClientMeta{
		Name:       c.ID,
		GrantTypes: []goidc.GrantType{goidc.GrantClientCredentials},
		ScopeIDs:   strings.Join(scopes, " "),
	}}
	methods := 0
	if c.Secret != "" {
		methods++
		registered.Secret = c.Secret
		registered.TokenAuthnMethod = goidc.AuthnMethodSecretBasic
	}
	if c.PublicKey != nil {
		methods++
		alg := goidc.SignatureAlgorithm(c.KeyAlgorithm)
		if alg == "" {
			alg = goidc.SigAlgES256
		}
		registered.TokenAuthnMethod = goidc.AuthnMethodPrivateKeyJWT
		registered.TokenAuthnSigAlg = alg
		registered.JWKS = &goidc.JSONWebKeySet{Keys: []goidc.JSONWebKey{{
			KeyID: c.ID, Algorithm: string(alg), Use: string(goidc.KeyUsageSignature), Key: c.PublicKey,
		}}}
	}
	if c.TLSSubject != "" {
		methods++
		registered.TokenAuthnMethod = goidc.AuthnMethodTLS
		registered.TLSSubjectDistinguishedName = c.TLSSubject
		registered.TLSTokenBindingRequired = true
	}
	if c.ID == "" || methods != 1 {
		return nil, fmt.Errorf("authserver: client %q needs an ID and exactly one way to authenticate", c.ID)
	}
	registered.TokenIntrospectionAuthnMethod = registered.TokenAuthnMethod
	registered.TokenIntrospectionAuthnSigAlg = registered.TokenAuthnSigAlg
	registered.TokenRevocationAuthnMethod = registered.TokenAuthnMethod
	return registered, nil
}
