package credentialstest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxForm bounds a request's body.
const maxForm = 1 << 20

// serveToken answers the client_credentials grant (RFC 6749 §4.4, RFC 8707).
func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	c, ok := i.authenticate(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="issuer"`)
		oauthError(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	scopes := strings.Fields(r.PostForm.Get("scope"))
	if !allowed(c.Scopes, scopes) {
		oauthError(w, http.StatusBadRequest, "invalid_scope")
		return
	}
	audiences := slices.Clone(r.PostForm["resource"])
	if a := r.PostForm.Get("audience"); a != "" {
		audiences = append(audiences, a)
	}
	if !allowed(c.Audiences, audiences) {
		oauthError(w, http.StatusBadRequest, "invalid_target")
		return
	}
	lifetime := c.Lifetime
	if lifetime == 0 {
		lifetime = i.cfg.Lifetime
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": i.grant(c, scopes, audiences, lifetime),
		"token_type":   "Bearer",
		"expires_in":   int64(lifetime / time.Second),
		"scope":        strings.Join(scopes, " "),
	})
}

// grant issues a token for a client.
func (i *Issuer) grant(c Client, scopes, audiences []string, lifetime time.Duration) string {
	claims := map[string]any{
		"sub": c.ID, "client_id": c.ID,
		"exp": time.Now().Add(lifetime).Unix(),
	}
	switch {
	case len(audiences) == 0 && len(c.Audiences) > 0:
		claims["aud"] = c.Audiences[0]
	case len(audiences) == 0:
		claims["aud"] = c.ID
	case len(audiences) == 1:
		claims["aud"] = audiences[0]
	default:
		claims["aud"] = audiences
	}
	if len(scopes) > 0 {
		claims["scope"] = strings.Join(scopes, " ")
	}
	maps.Copy(claims, c.Claims)
	if c.Opaque {
		return i.MintOpaque(claims)
	}
	return i.Mint(claims)
}

// allowed reports whether everything asked for is among what may be asked for.
func allowed(may, asked []string) bool {
	if len(may) == 0 {
		return true
	}
	return !slices.ContainsFunc(asked, func(s string) bool { return !slices.Contains(may, s) })
}

func readForm(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_request")
		return false
	}
	return true
}
