package verify

import (
	"bytes"
	"crypto/elliptic"
)

// orders are the big-endian group orders, which bound both halves of an ECDSA
// signature.
var orders = map[algSet][]byte{
	setES256: elliptic.P256().Params().N.Bytes(),
	setES384: elliptic.P384().Params().N.Bytes(),
	setES512: elliptic.P521().Params().N.Bytes(),
}

// signatureFits reports whether the signature has a form that some key could
// have made: for ECDSA two numbers between zero and the order (RFC 7518 §3.4),
// for EdDSA 64 octets, for RSA the length of a modulus. Any other signature is
// refused without consulting the keys, so that it causes no fetch.
func signatureFits(alg algSet, signature []byte) bool {
	switch {
	case alg&setRSA != 0:
		return len(signature) >= minRSABits/8 && len(signature) <= maxRSABits/8
	case alg == setEdDSA:
		return len(signature) == 2*32
	}
	order := orders[alg]
	if len(signature) != 2*len(order) {
		return false
	}
	return isBetween(signature[:len(order)], order) && isBetween(signature[len(order):], order)
}

// isBetween reports whether a big-endian number is above zero and below limit,
// which has the same length.
func isBetween(number, limit []byte) bool {
	return bytes.Compare(number, limit) < 0 && len(bytes.TrimLeft(number, "\x00")) > 0
}
