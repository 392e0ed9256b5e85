package verify

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Everything of jwx that this package uses stands in this file: a JWK to a raw
// public key, once when a key set is loaded, and one signature by a raw key.
// Both are called with screened input only: its ES256 verifier takes a P-384
// key, and a short Ed25519 key makes its verifier panic.

// verifiers are jwx's verifiers, which hold no state.
var verifiers = func() map[algSet]jws.Verifier {
	table := make(map[algSet]jws.Verifier)
	for _, alg := range []jwa.SignatureAlgorithm{
		jwa.RS256, jwa.RS384, jwa.RS512, jwa.PS256, jwa.PS384, jwa.PS512,
		jwa.ES256, jwa.ES384, jwa.ES512, jwa.EdDSA,
	} {
		v, err := jws.NewVerifier(alg)
		if err != nil {
			panic(err) // unreachable: each is built into jwx
		}
		table[setOf(Algorithm(alg))] = v
	}
	return table
}()

// verifySignature checks one signature. The key fits the algorithm: see
// signingKey.
func verifySignature(alg algSet, key any, input, signature []byte) error {
	return verifiers[alg].Verify(input, signature, key) //nolint:wrapcheck // the cause is dropped: it could quote input
}

// parsePublicKey turns a JWK of kty RSA, EC or OKP into *rsa.PublicKey,
// *ecdsa.PublicKey or ed25519.PublicKey.
func parsePublicKey(raw string) (any, error) {
	key, err := jwk.ParseKey([]byte(raw))
	if err != nil {
		return nil, fault("jwk: malformed")
	}
	var out any
	if err := key.Raw(&out); err != nil {
		return nil, fault("jwk: no public key")
	}
	switch out := out.(type) {
	case *rsa.PublicKey:
		return out, nil
	case rsa.PublicKey:
		return &out, nil
	case *ecdsa.PublicKey:
		return out, nil
	case ecdsa.PublicKey:
		return &out, nil
	case ed25519.PublicKey:
		return out, nil
	default:
		return nil, fault(fmt.Sprintf("jwk: %T is no public signature key", out))
	}
}
