package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of RSASSA-PSS
	_ "crypto/sha512"
	"encoding/json"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// All uses of jwx in this package are in this file: one converts the numbers of a
// JWK to a raw public key, once when a key set is loaded, and one verifies a
// signature with a raw key. Both get only checked input: jwx's ES256 verifier accepts
// a P-384 key, and its Ed25519 verifier panics on a short key.

// verifiers are jwx's verifiers, which have no state. RSASSA-PSS is not among
// them: see verifyPSS.
var verifiers = func() map[algSet]jws.Verifier {
	table := make(map[algSet]jws.Verifier)
	for _, alg := range []jwa.SignatureAlgorithm{
		jwa.RS256, jwa.RS384, jwa.RS512, jwa.ES256, jwa.ES384, jwa.ES512, jwa.EdDSA,
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
	if alg&setPSS != 0 {
		return verifyPSS(alg, key, input, signature)
	}
	return verifiers[alg].Verify(input, signature, key) //nolint:wrapcheck // the cause is dropped: it could quote input
}

var pssHashes = map[algSet]crypto.Hash{setPS256: crypto.SHA256, setPS384: crypto.SHA384, setPS512: crypto.SHA512}

// verifyPSS checks a signature of PS256, PS384 or PS512. The salt must have the
// hash's length (RFC 7518 §3.5), but jwx accepts any.
func verifyPSS(alg algSet, key any, input, signature []byte) error {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return errNotRSA // unreachable: the key fits the algorithm
	}
	hash := pssHashes[alg]
	h := hash.New()
	h.Write(input)
	return rsa.VerifyPSS(public, hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) //nolint:wrapcheck // as above
}

const errNotRSA = fault("jwk: no RSA key")

// parsePublicKey converts the numbers of a JWK of kty RSA, EC or OKP to an
// *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey. It gets no other member of
// the JWK, so that a member that has no meaning here, or another meaning for jwx,
// can't make a key unusable.
func parsePublicKey(kty, crv string, numbers keyNumbers) (any, error) {
	members := map[string]string{"kty": kty}
	if crv != "" {
		members["crv"] = crv
	}
	for i, octets := range numbers {
		if octets != nil {
			members[numberNames[i]] = base64URL.EncodeToString(octets)
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, fault("jwk: malformed")
	}
	key, err := jwk.ParseKey(raw)
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
