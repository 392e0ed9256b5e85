package authserver

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// keyRing has the signing keys, the current one first: go-oidc signs with the
// first key of the algorithm and publishes them all.
type keyRing struct {
	algorithm goidc.SignatureAlgorithm
	prefix    string // of the kids

	mu   sync.RWMutex
	made int
	keys []goidc.JSONWebKey
}

// rotate makes a new current key; the earlier ones stay published.
func (r *keyRing) rotate() (string, error) {
	key, err := newKey(r.algorithm)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made++
	jwk := goidc.JSONWebKey{
		KeyID:     r.prefix + "-" + strconv.Itoa(r.made),
		Algorithm: string(r.algorithm),
		Use:       string(goidc.KeyUsageSignature),
		Key:       key,
	}
	r.keys = append([]goidc.JSONWebKey{jwk}, r.keys...)
	return jwk.KeyID, nil
}

// withdraw stops publishing a key.
func (r *keyRing) withdraw(kid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = slices.DeleteFunc(slices.Clone(r.keys), func(k goidc.JSONWebKey) bool { return k.KeyID == kid })
}

// jwks is what go-oidc asks for at each use, the private parts included.
func (r *keyRing) jwks(context.Context) (goidc.JSONWebKeySet, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return goidc.JSONWebKeySet{Keys: slices.Clone(r.keys)}, nil
}

func newKey(alg goidc.SignatureAlgorithm) (crypto.Signer, error) {
	switch string(alg) {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256", "PS256":
		const bits = 2048 // RFC 7518 §3.3: 2048 or more
		return rsa.GenerateKey(rand.Reader, bits)
	default:
		return nil, fmt.Errorf("authserver: no key for the algorithm %q", alg)
	}
}
