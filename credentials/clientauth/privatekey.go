package clientauth

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// assertionLifetime is short since an assertion is used once, at once; a minute
// leaves room for a slow network and for clocks that differ.
const assertionLifetime = time.Minute

// Audience is the audience of a private_key_jwt assertion.
type Audience uint8

const (
	// AudienceIssuer is the issuer identifier. It is the safe choice, since no
	// other server can make a client believe that this identifier is its own,
	// and the zero value. The configuration must name the issuer.
	AudienceIssuer Audience = iota
	// AudienceTokenURL is the URL of the endpoint, for servers that accept only
	// that.
	AudienceTokenURL
)

// KeySource supplies a private key at each request: *rsa.PrivateKey,
// *ecdsa.PrivateKey on P-256, ed25519.PrivateKey, or a signer in hardware or a
// key service with such a public key.
type KeySource func(context.Context) (crypto.Signer, error)

// PrivateKey configures [PrivateKeyJWT].
type PrivateKey struct {
	// Key supplies the signing key. Required.
	Key KeySource
	// KeyID becomes the header's kid. Optional: none by default.
	KeyID string
	// Algorithm is RS256, PS256, ES256 or EdDSA. Optional: by default it follows
	// the key, RS256 for an RSA key.
	Algorithm string
	// Audience is what the assertion is for. Optional: by default the issuer.
	Audience Audience
}

// PrivateKeyJWT authenticates with a JWT that the client signs (RFC 7523 §2.2
// and §3; private_key_jwt of OpenID Connect Core §9). Every request gets a new
// JWT, with an unguessable jti and a lifetime of one minute.
func PrivateKeyJWT(cfg PrivateKey) Method { return privateKeyJWT{cfg: cfg} }

type privateKeyJWT struct{ cfg PrivateKey }

func (p privateKeyJWT) Check(clientID string, ep authn.Endpoint) []error {
	var faults []error
	if p.cfg.Key == nil {
		faults = append(faults, errors.New("private_key_jwt has no key: set PrivateKey.Key"))
	}
	if clientID == "" {
		faults = append(faults, authn.ErrNoClientID)
	}
	switch {
	case p.cfg.Audience > AudienceTokenURL:
		faults = append(faults, errors.New("private_key_jwt has an unknown audience: set PrivateKey.Audience to AudienceIssuer or AudienceTokenURL"))
	case p.cfg.Audience == AudienceIssuer && ep.Issuer == "":
		faults = append(faults, errors.New(
			"private_key_jwt is for the issuer, which is not configured: set Issuer, or set PrivateKey.Audience to AudienceTokenURL"))
	}
	switch p.cfg.Algorithm {
	case "", rs256, ps256, es256, edDSA:
	default:
		faults = append(faults, fmt.Errorf(
			"private_key_jwt can't sign with %q: set PrivateKey.Algorithm to RS256, PS256, ES256 or EdDSA", p.cfg.Algorithm))
	}
	return faults
}

func (p privateKeyJWT) Prove(ctx context.Context, clientID string, ep authn.Endpoint) (authn.Proof, error) {
	key, err := p.cfg.Key(ctx)
	if err != nil {
		if known := (*authn.Error)(nil); errors.As(err, &known) {
			return authn.Proof{}, &authn.Error{Text: "the client's private key: " + known.Text, Err: err}
		}
		return authn.Proof{}, &authn.Error{Text: "the client's private key can't be read", Err: err}
	}
	audience := ep.Issuer
	if p.cfg.Audience == AudienceTokenURL {
		audience = ep.URL
	}
	now := time.Now()
	jwt, err := signJWT(key, p.cfg.Algorithm, p.cfg.KeyID, map[string]any{
		"iss": clientID,
		"sub": clientID,
		"aud": audience,
		"jti": rand.Text(),
		"iat": now.Unix(),
		"exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return authn.Proof{}, err
	}
	return authn.Proof{ClientID: clientID, Params: assertionParams(jwt)}, nil
}

// signJWT returns a JWS compact serialization (RFC 7515 §7.1).
func signJWT(key crypto.Signer, algorithm, keyID string, claims map[string]any) (string, error) {
	algorithm, err := chooseAlgorithm(key, algorithm)
	if err != nil {
		return "", err
	}
	header := map[string]any{"alg": algorithm, "typ": "JWT"}
	if keyID != "" {
		header["kid"] = keyID
	}
	head, err := json.Marshal(header)
	if err != nil {
		return "", &authn.Error{Text: "the client assertion can't be encoded", Err: err}
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", &authn.Error{Text: "the client assertion can't be encoded", Err: err}
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := sign(key, algorithm, []byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
