package lumoauthtest

import (
	"crypto/subtle"
	"net/http"
	"strings"
)

// token handles POST …/oauth/token for grant_type=client_credentials (RFC 6749
// §4.4), with client authentication by Basic or in the form.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_request")

		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if !s.admit(w, "client "+id, s.config.TokenLimit) {
		return
	}
	client, ok := s.client(id, secret)
	if !ok {
		oauthError(w, http.StatusUnauthorized, "invalid_client")

		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type")

		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": s.Issue(client.ID, client.Scopes...),
		"token_type":   "Bearer",
		"expires_in":   int(tokenLifetime.Seconds()),
		"scope":        strings.Join(client.Scopes, " "),
	})
}

func (s *Server) client(id, secret string) (Client, bool) {
	for _, c := range s.config.Clients {
		if c.ID == id && subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) == 1 {
			return c, true
		}
	}

	return Client{}, false
}

func oauthError(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]any{"error": code, "error_description": code})
}
