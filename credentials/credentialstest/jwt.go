package credentialstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512" // for crypto.Hash
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

// hashOf is the hash of a JWS algorithm (RFC 7518 §3.1), by its number.
func hashOf(algorithm string) (crypto.Hash, bool) {
	switch {
	case strings.HasSuffix(algorithm, "256"):
		return crypto.SHA256, true
	case strings.HasSuffix(algorithm, "384"):
		return crypto.SHA384, true
	case strings.HasSuffix(algorithm, "512"):
		return crypto.SHA512, true
	}
	return 0, false
}

func digest(hash crypto.Hash, input string) []byte {
	h := hash.New()
	h.Write([]byte(input))
	return h.Sum(nil)
}

// signSegments signs "header.payload" and returns the third segment's bytes.
func signSegments(key crypto.Signer, algorithm, input string) ([]byte, error) {
	if algorithm == "EdDSA" {
		return key.Sign(rand.Reader, []byte(input), crypto.Hash(0))
	}
	hash, ok := hashOf(algorithm)
	if !ok {
		return nil, fmt.Errorf("%w %q", errAlgorithm, algorithm)
	}
	var opts crypto.SignerOpts = hash
	if strings.HasPrefix(algorithm, "PS") {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	signature, err := key.Sign(rand.Reader, digest(hash, input), opts)
	if err != nil {
		return nil, err
	}
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return signature, nil
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &pair); err != nil {
		return nil, err
	}
	size := curveSize(public)
	fixed := make([]byte, 2*size)
	pair.R.FillBytes(fixed[:size])
	pair.S.FillBytes(fixed[size:])
	return fixed, nil
}

func curveSize(key *ecdsa.PublicKey) int { return (key.Curve.Params().BitSize + 7) / 8 }

// verifySegments checks a JWS in three segments.
func verifySegments(key crypto.PublicKey, algorithm string, parts []string) bool {
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return false
	}
	input := parts[0] + "." + parts[1]
	hash, hashed := hashOf(algorithm)
	switch key := key.(type) {
	case ed25519.PublicKey:
		return algorithm == "EdDSA" && ed25519.Verify(key, []byte(input), signature)
	case *rsa.PublicKey:
		switch {
		case hashed && strings.HasPrefix(algorithm, "RS"):
			return rsa.VerifyPKCS1v15(key, hash, digest(hash, input), signature) == nil
		case hashed && strings.HasPrefix(algorithm, "PS"):
			return rsa.VerifyPSS(key, hash, digest(hash, input), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
	case *ecdsa.PublicKey:
		size := curveSize(key)
		if !hashed || !strings.HasPrefix(algorithm, "ES") || len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(key, digest(hash, input), r, s)
	}
	return false
}

func decodeSegment(segment string, into any) bool {
	data, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	return err == nil && json.Unmarshal(data, into) == nil
}
