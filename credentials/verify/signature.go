package verify

import (
	"bytes"
	"crypto/elliptic"
)

// orders are the big-endian orders of the groups in which the two halves of an
// ECDSA signature lie.
var orders = map[algSet][]byte{
	setES256: elliptic.P256().Params().N.Bytes(),
	setES384: elliptic.P384().Params().N.Bytes(),
	setES512: elliptic.P521().Params().N.Bytes(),
}

// signatureFits reports whether any key at all could have made a signature of
// that form: two numbers below the order and above zero for ECDSA (RFC 7518
// §3.4), 64 octets for EdDSA, a modulus' length for RSA. What doesn't fit is
// refused without a look at the keys, so that it costs no fetch.
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
// which is as long.
func isBetween(number, limit []byte) bool {
	return bytes.Compare(number, limit) < 0 && len(bytes.TrimLeft(number, "\x00")) > 0
}
