package credentialstest

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// Defaults of minted tokens.
const (
	// DefaultAudience is the audience of tokens minted without one.
	DefaultAudience = "https://api.test"
	// defaultSubject is the subject and the client id of tokens minted without.
	defaultSubject = "client-a"
)

// MintConfig configures the token of [Issuer.MintWith].
type MintConfig struct {
	// Claims add to those of a valid token or replace them; a nil value removes a
	// claim. Optional.
	Claims map[string]any
	// Header adds parameters to the header or replaces them; nil removes one.
	// Optional.
	Header map[string]any
	// Algorithm is what the token is signed with. A key for it is made and
	// published at the first use. Optional, the issuer's by default.
	Algorithm string
	// KeyID names the key that signs, withdrawn or not. Optional, the newest by
	// default.
	KeyID string
	// Signer signs with a key that isn't the issuer's, under the id and the
	// algorithm that the token would have otherwise. Optional.
	Signer crypto.Signer
	// RawHeader and RawPayload replace the JSON of the header and of the claims by
	// any bytes. Optional.
	RawHeader, RawPayload string
}

// Mint makes a signed access token (RFC 9068), by default one that is valid:
// issuer, subject and client id (both client-a), audience, times and a fresh jti. The claims given
// add to that or replace it; a nil value removes a claim. Introspection knows
// the token.
func (i *Issuer) Mint(claims map[string]any) string {
	return i.MintWith(MintConfig{Claims: claims})
}

// MintWith makes a signed access token as Mint does, of any form: for tests of
// what must be refused. It panics for a KeyID or an Algorithm that there isn't.
func (i *Issuer) MintWith(cfg MintConfig) string {
	key, err := i.pick(&cfg)
	if err != nil {
		panic(fmt.Sprintf("credentialstest: %v", err))
	}
	full := i.complete(cfg.Claims)
	header := map[string]any{"typ": "at+jwt", "alg": key.algorithm, "kid": key.id}
	merge(header, cfg.Header)
	token, err := cfg.encode(header, full, key)
	if err != nil {
		panic(fmt.Sprintf("credentialstest: %v", err))
	}
	i.register(token, full)
	return token
}

// MintOpaque makes a token that only introspection understands.
func (i *Issuer) MintOpaque(claims map[string]any) string {
	full := i.complete(claims)
	token := fmt.Sprintf("opaque-%d-%s", i.nextSerial(), randomText())
	i.register(token, full)
	return token
}

func (i *Issuer) pick(m *MintConfig) (*signingKey, error) {
	if m.KeyID == "" {
		algorithm := m.Algorithm
		if algorithm == "" {
			algorithm = i.cfg.Algorithm
		}
		return i.keyFor(algorithm)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, key := range i.keys {
		if key.id == m.KeyID {
			return key, nil
		}
	}
	return nil, fmt.Errorf("no key %q", m.KeyID)
}

func (m *MintConfig) encode(header, claims map[string]any, key *signingKey) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	if m.RawHeader != "" {
		head = []byte(m.RawHeader)
	}
	if m.RawPayload != "" {
		body = []byte(m.RawPayload)
	}
	signer := key.signer
	if m.Signer != nil {
		signer = m.Signer
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := signSegments(signer, key.algorithm, input)
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// complete adds what a valid token has.
func (i *Issuer) complete(claims map[string]any) map[string]any {
	now := time.Now()
	full := map[string]any{
		"iss":       i.url,
		"sub":       defaultSubject,
		"client_id": defaultSubject,
		"aud":       DefaultAudience,
		"iat":       now.Unix(),
		"exp":       now.Add(i.cfg.Lifetime).Unix(),
		"jti":       fmt.Sprintf("token-%d", i.nextSerial()),
	}
	merge(full, claims)
	return full
}

func merge(into, from map[string]any) {
	for name, value := range from {
		if value == nil {
			delete(into, name)
			continue
		}
		into[name] = value
	}
}

func (i *Issuer) nextSerial() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serial++
	return i.serial
}

func (i *Issuer) register(token string, claims map[string]any) {
	t := &issued{claims: maps.Clone(claims)}
	switch exp := claims["exp"].(type) {
	case int64:
		t.expires = time.Unix(exp, 0)
	case int:
		t.expires = time.Unix(int64(exp), 0)
	case float64:
		t.expires = time.Unix(int64(exp), 0)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tokens[token] = t
}
