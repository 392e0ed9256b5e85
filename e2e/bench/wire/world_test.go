package wire

import (
	"strings"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

const (
	audience = "https://bench.test"
	document = "1"
	// tokenBytes is the length of a usual RS256 token.
	tokenBytes = 860
)

// world is what both processes agree on.
type world struct {
	Issuer  string `json:"issuer"`
	JWKSURL string `json:"jwksUrl"`
}

// issue starts an issuer and mints the bearer of every call.
func issue() (*credentialstest.Issuer, string, error) {
	issuer, err := credentialstest.Start(credentialstest.Config{Algorithm: "RS256"})
	if err != nil {
		return nil, "", err
	}
	claims := map[string]any{
		"sub": "alice", "client_id": "app", "aud": audience, "scope": "docs.read docs.write",
		"exp": time.Now().Add(12 * time.Hour).Unix(),
	}
	token := issuer.Mint(claims)
	if missing := (tokenBytes - len(token)) * 3 / 4; missing > 0 {
		claims["roles"] = []string{strings.Repeat("r", missing)}
		token = issuer.Mint(claims)
	}
	return issuer, token, nil
}
