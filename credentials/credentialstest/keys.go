package credentialstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
)

// signingKey is one of the issuer's keys.
type signingKey struct {
	id        string
	algorithm string
	signer    crypto.Signer
	withdrawn bool
}

var errAlgorithm = errors.New("unknown algorithm")

// rsaBits is the least that RFC 7518 §3.3 allows, for speed.
const rsaBits = 2048

// NewKey makes a private key for an algorithm, for tests that need one outside
// the issuer.
func NewKey(algorithm string) (crypto.Signer, error) {
	switch {
	case algorithm == "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case strings.HasPrefix(algorithm, "RS"), strings.HasPrefix(algorithm, "PS"):
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case algorithm == "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case algorithm == "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case algorithm == "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	return nil, fmt.Errorf("%w %q", errAlgorithm, algorithm)
}

// addKey makes a key and publishes it.
func (i *Issuer) addKey(algorithm string) (*signingKey, error) {
	signer, err := NewKey(algorithm)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keySerial++
	key := &signingKey{id: fmt.Sprintf("key-%d", i.keySerial), algorithm: algorithm, signer: signer}
	i.keys = append(i.keys, key)
	return key, nil
}

// Rotate makes a new key, signs with it from now on, and returns its id. The
// old ones stay published until withdrawn.
func (i *Issuer) Rotate() string {
	key, err := i.addKey(i.cfg.Algorithm)
	if err != nil {
		panic(fmt.Sprintf("credentialstest: %v", err))
	}
	return key.id
}

// Withdraw removes a key from the key set. Tokens that it signed stay what they
// are.
func (i *Issuer) Withdraw(kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, key := range i.keys {
		if key.id == kid {
			key.withdrawn = true
		}
	}
}

// KeyID returns the id of the key that signs now.
func (i *Issuer) KeyID() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if key := i.newest(i.cfg.Algorithm); key != nil {
		return key.id
	}
	return ""
}

// PublicKey returns the public key with an id, withdrawn or not, or nil.
func (i *Issuer) PublicKey(kid string) crypto.PublicKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, key := range i.keys {
		if key.id == kid {
			return key.signer.Public()
		}
	}
	return nil
}

// newest is the last key for an algorithm that is still published. The lock is
// held.
func (i *Issuer) newest(algorithm string) *signingKey {
	for _, key := range slices.Backward(i.keys) {
		if key.algorithm == algorithm && !key.withdrawn {
			return key
		}
	}
	return nil
}

// keyFor is the newest key for an algorithm, made if there is none yet.
func (i *Issuer) keyFor(algorithm string) (*signingKey, error) {
	i.mu.Lock()
	key := i.newest(algorithm)
	i.mu.Unlock()
	if key != nil {
		return key, nil
	}
	return i.addKey(algorithm)
}

func (i *Issuer) serveKeys(w http.ResponseWriter) {
	i.mu.Lock()
	set := []map[string]any{}
	for _, key := range i.keys {
		if !key.withdrawn {
			jwk := JWK(key.signer.Public())
			jwk["kid"], jwk["alg"], jwk["use"] = key.id, key.algorithm, "sig"
			set = append(set, jwk)
		}
	}
	i.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"keys": set})
}

// JWK returns a public key in the form of RFC 7517, without kid, alg and use.
// The result is empty for a key of another type.
func JWK(key crypto.PublicKey) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := key.(type) {
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(key)}
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, x, y
		if err != nil {
			break
		}
		size := (len(point) - 1) / 2
		return map[string]any{"kty": "EC", "crv": key.Curve.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
	}
	return map[string]any{}
}
