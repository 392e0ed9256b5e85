package clientauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// The algorithms of RFC 7518 §3 and RFC 8037 that an assertion may be signed
// with.
const (
	rs256 = "RS256"
	ps256 = "PS256"
	es256 = "ES256"
	edDSA = "EdDSA"
)

// minRSABits is the least that RFC 7518 §3.3 allows.
const minRSABits = 2048

// p256Size is the length of r and of s in an ES256 signature (RFC 7518 §3.4).
const p256Size = 32

// chooseAlgorithm matches the algorithm to the key, or derives it from the key.
func chooseAlgorithm(key crypto.Signer, algorithm string) (string, error) {
	mismatch := &authn.Error{Text: "the client's private key does not fit the algorithm " + algorithm}
	if key == nil {
		return "", &authn.Error{Text: "the client's private key is missing"}
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return "", &authn.Error{Text: "the client's RSA key has fewer than 2048 bits"}
		}
		if algorithm == "" {
			return rs256, nil
		}
		if algorithm != rs256 && algorithm != ps256 {
			return "", mismatch
		}
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return "", &authn.Error{Text: "the client's EC key is not on P-256"}
		}
		if algorithm != "" && algorithm != es256 {
			return "", mismatch
		}
		return es256, nil
	case ed25519.PublicKey:
		if algorithm != "" && algorithm != edDSA {
			return "", mismatch
		}
		return edDSA, nil
	default:
		return "", &authn.Error{Text: "the client's private key is of an unknown type"}
	}
	return algorithm, nil
}

// sign signs the input with an algorithm that chooseAlgorithm gave.
func sign(key crypto.Signer, algorithm string, input []byte) ([]byte, error) {
	failed := func(err error) *authn.Error {
		return &authn.Error{Text: "the client assertion can't be signed", Err: err}
	}
	if algorithm == edDSA {
		signature, err := key.Sign(rand.Reader, input, crypto.Hash(0))
		if err != nil {
			return nil, failed(err)
		}
		return signature, nil
	}
	var opts crypto.SignerOpts = crypto.SHA256
	if algorithm == ps256 {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	}
	digest := sha256.Sum256(input)
	signature, err := key.Sign(rand.Reader, digest[:], opts)
	if err != nil {
		return nil, failed(err)
	}
	if algorithm != es256 {
		return signature, nil
	}
	// Signers give ASN.1, JOSE wants r and s side by side.
	var pair struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(signature, &pair); err != nil || len(rest) != 0 {
		return nil, failed(err)
	}
	if pair.R.Sign() <= 0 || pair.S.Sign() <= 0 || pair.R.BitLen() > p256Size*8 || pair.S.BitLen() > p256Size*8 {
		return nil, failed(nil)
	}
	fixed := make([]byte, 2*p256Size)
	pair.R.FillBytes(fixed[:p256Size])
	pair.S.FillBytes(fixed[p256Size:])
	return fixed, nil
}
