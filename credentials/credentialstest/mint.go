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
	// DefaultSubject is the subject and the client id of tokens minted without.
	DefaultSubject = "client-a"
)

// MintOption changes how a token is minted.
type MintOption func(*minting)

type minting struct {
	header     map[string]any
	algorithm  string
	kid        string
	signer     crypto.Signer
	rawHeader  []byte
	rawPayload []byte
}

// WithHeader sets a header parameter; nil removes it.
func WithHeader(name string, value any) MintOption {
	return func(m *minting) { m.header[name] = value }
}

// WithAlg signs with another algorithm. A key for it is made and published at
// the first use.
func WithAlg(algorithm string) MintOption { return func(m *minting) { m.algorithm = algorithm } }

// WithKey signs with the key of that id, withdrawn or not.
func WithKey(kid string) MintOption { return func(m *minting) { m.kid = kid } }

// WithSigner signs with a key that isn't the issuer's, under the id and the
// algorithm that the token would have otherwise.
func WithSigner(key crypto.Signer) MintOption { return func(m *minting) { m.signer = key } }

// WithRawHeader replaces the header's JSON by any bytes.
func WithRawHeader(raw string) MintOption {
	return func(m *minting) { m.rawHeader = []byte(raw) }
}

// WithRawPayload replaces the claims' JSON by any bytes.
func WithRawPayload(raw string) MintOption {
	return func(m *minting) { m.rawPayload = []byte(raw) }
}

// Mint makes a signed access token (RFC 9068), by default one that is valid:
// issuer, subject, client id, audience, times and a fresh jti. The claims given
// add to that or replace it; a nil value removes a claim. Introspection knows
// the token.
func (i *Issuer) Mint(claims map[string]any, opts ...MintOption) string {
	m := minting{header: map[string]any{}, algorithm: i.opts.algorithm}
	for _, opt := range opts {
		opt(&m)
	}
	key, err := i.pick(&m)
	if err != nil {
		panic(fmt.Sprintf("credentialstest: %v", err))
	}
	full := i.complete(claims)
	header := map[string]any{"typ": "at+jwt", "alg": key.algorithm, "kid": key.id}
	merge(header, m.header)
	token, err := m.encode(header, full, key)
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

func (i *Issuer) pick(m *minting) (*signingKey, error) {
	if m.kid == "" {
		return i.keyFor(m.algorithm)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, key := range i.keys {
		if key.id == m.kid {
			return key, nil
		}
	}
	return nil, fmt.Errorf("no key %q", m.kid)
}

func (m *minting) encode(header, claims map[string]any, key *signingKey) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	if m.rawHeader != nil {
		head = m.rawHeader
	}
	if m.rawPayload != nil {
		body = m.rawPayload
	}
	signer := key.signer
	if m.signer != nil {
		signer = m.signer
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
		"sub":       DefaultSubject,
		"client_id": DefaultSubject,
		"aud":       DefaultAudience,
		"iat":       now.Unix(),
		"exp":       now.Add(i.opts.lifetime).Unix(),
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
