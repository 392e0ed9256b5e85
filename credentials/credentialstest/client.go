package credentialstest

import (
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Client is a registered client. It may authenticate by any means that it has:
// its secret in the header or the form, a signed assertion, a certificate.
type Client struct {
	// ID is the client id. Required.
	ID string
	// Secret is accepted by HTTP Basic and in the form.
	Secret string
	// Keys are the public keys of private_key_jwt.
	Keys []crypto.PublicKey
	// Assertion is one accepted client_assertion, such as a workload identity
	// token, compared as it is.
	Assertion string
	// Certificate is the client certificate, compared as it is. The issuer needs
	// [TLS] for it.
	Certificate *x509.Certificate

	// Audiences are the resources and audiences that it may ask for; empty means
	// any. The first is the audience of tokens that ask for none.
	Audiences []string
	// Scopes are what it may ask for; empty means any.
	Scopes []string
	// Opaque makes its tokens opaque instead of JWTs.
	Opaque bool
	// Lifetime is that of its tokens. By default the issuer's.
	Lifetime time.Duration
	// Claims are added to its tokens.
	Claims map[string]any
}

// AddClient registers a client, or replaces the one with its id.
func (i *Issuer) AddClient(c Client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clients[c.ID] = c
}

// assertionType names a JWT as client authentication (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxAssertionLife bounds the exp of a client's assertion.
const maxAssertionLife = 10 * time.Minute

// authenticate finds the client of a request, or says no. The form is parsed.
func (i *Issuer) authenticate(r *http.Request) (Client, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	form := r.PostForm
	methods := 0
	for _, used := range []bool{basic, form.Has("client_secret"), form.Has("client_assertion")} {
		if used {
			methods++
		}
	}
	if methods > 1 {
		return Client{}, false // RFC 6749 §2.3: not more than one
	}
	switch {
	case basic:
		id, err1 := url.QueryUnescape(id)
		secret, err2 := url.QueryUnescape(secret)
		c, ok := i.clients[id]
		return c, ok && err1 == nil && err2 == nil && sameSecret(c.Secret, secret)
	case form.Has("client_secret"):
		c, ok := i.clients[form.Get("client_id")]
		return c, ok && sameSecret(c.Secret, form.Get("client_secret"))
	case form.Has("client_assertion"):
		return i.authenticateAssertion(form)
	}
	c, ok := i.clients[form.Get("client_id")]
	if !ok || c.Certificate == nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return Client{}, false
	}
	return c, c.Certificate.Equal(r.TLS.PeerCertificates[0])
}

func sameSecret(want, got string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}

// authenticateAssertion checks private_key_jwt (RFC 7523 §3), or a registered
// assertion. The lock is held.
func (i *Issuer) authenticateAssertion(form url.Values) (Client, bool) {
	assertion := form.Get("client_assertion")
	if form.Get("client_assertion_type") != assertionType {
		return Client{}, false
	}
	for _, c := range i.clients {
		if sameSecret(c.Assertion, assertion) {
			return c, form.Get("client_id") == "" || form.Get("client_id") == c.ID
		}
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return Client{}, false
	}
	var header struct{ Alg string }
	var claims struct {
		Iss, Sub, Jti string
		Aud           any
		Exp           int64
	}
	if !decodeSegment(parts[0], &header) || !decodeSegment(parts[1], &claims) {
		return Client{}, false
	}
	c, ok := i.clients[claims.Sub]
	now := time.Now()
	exp := time.Unix(claims.Exp, 0)
	switch {
	case !ok, claims.Iss != claims.Sub, claims.Jti == "":
		return Client{}, false
	case form.Has("client_id") && form.Get("client_id") != c.ID:
		return Client{}, false
	case !exp.After(now), exp.After(now.Add(maxAssertionLife)):
		return Client{}, false
	case claims.Aud != i.url && claims.Aud != i.TokenURL() && claims.Aud != i.IntrospectURL():
		return Client{}, false
	}
	if _, replayed := i.assertion[claims.Jti]; replayed {
		return Client{}, false
	}
	signed := slices.ContainsFunc(c.Keys, func(key crypto.PublicKey) bool {
		return verifySegments(key, header.Alg, parts)
	})
	if !signed {
		return Client{}, false
	}
	i.assertion[claims.Jti] = exp
	return c, true
}

// oauthError answers with an OAuth error (RFC 6749 §5.2).
func oauthError(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]any{"error": code, "error_description": "this text is for developers"})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "not encodable", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}
