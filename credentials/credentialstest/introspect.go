package credentialstest

import (
	"maps"
	"net/http"
	"time"
)

// issued is a token that the issuer knows.
type issued struct {
	claims  map[string]any
	expires time.Time // zero: never
	revoked bool
}

// Revoke makes introspection answer that the token is not active. A JWT remains
// valid for a server that only checks its signature.
func (i *Issuer) Revoke(token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if t, ok := i.tokens[token]; ok {
		t.revoked = true
	}
}

// serveIntrospection answers RFC 7662 requests of registered clients.
func (i *Issuer) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	if _, ok := i.authenticate(r); !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="issuer"`)
		oauthError(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	writeJSON(w, http.StatusOK, i.introspect(r.PostForm.Get("token")))
}

func (i *Issuer) introspect(token string) map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	t, ok := i.tokens[token]
	if !ok || t.revoked || !t.expires.IsZero() && !t.expires.After(time.Now()) {
		return map[string]any{"active": false}
	}
	body := maps.Clone(t.claims)
	body["active"] = true
	body["token_type"] = "Bearer"
	return body
}

// serveMetadata answers what OpenID Connect Discovery and RFC 8414 have in
// common.
func (i *Issuer) serveMetadata(w http.ResponseWriter) {
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                           i.url,
		"token_endpoint":                                   i.TokenURL(),
		"jwks_uri":                                         i.JWKSURL(),
		"introspection_endpoint":                           i.IntrospectURL(),
		"grant_types_supported":                            []string{"client_credentials"},
		"response_types_supported":                         []string{"none"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            []string{i.cfg.Algorithm},
		"token_endpoint_auth_methods_supported":            methods,
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "EdDSA"},
	})
}
