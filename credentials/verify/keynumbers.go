package verify

import (
	"crypto/ed25519"
	"slices"
)

// keyNumbers are the numbers of a JWK (RFC 7518 §6, RFC 8037 §2), in the order of
// numberNames. A number that the key doesn't have is nil.
type keyNumbers [4][]byte

var numberNames = [len(keyNumbers{})]string{"n", "e", "x", "y"}

const (
	numberN, numberE, numberX, numberY = 0, 1, 2, 3

	// maxExponentOctets bounds e: a longer one could wrap around when it becomes
	// an int.
	maxExponentOctets = 4
)

// take reads one number. It returns false if the number is not canonical base64url,
// or is longer than any usable one.
func (k *keyNumbers) take(name, raw string) bool {
	text, ok := stringValue(raw)
	if !ok || len(text) > base64URL.EncodedLen(maxRSABits/8+1) {
		return false
	}
	octets, ok := decodeBase64(text)
	if !ok || len(octets) == 0 {
		return false
	}
	for i := range numberNames {
		if numberNames[i] == name {
			k[i] = octets
		}
	}
	return true
}

// fit reports whether the numbers have the right lengths: a coordinate exactly the
// length of its curve (RFC 7518 §6.2.1.2), a modulus and an exponent no leading
// zero (RFC 7518 §2, Base64urlUInt).
func (k *keyNumbers) fit(crv string) bool {
	var size int
	switch crv {
	case "P-256", "Ed25519":
		size = 32
	case "P-384":
		size = 48
	case "P-521":
		size = 66
	default:
		n, e := k[numberN], k[numberE]
		return len(n) > 0 && n[0] != 0 && len(e) > 0 && e[0] != 0 && len(e) <= maxExponentOctets
	}
	return len(k[numberX]) == size && (crv == "Ed25519" || len(k[numberY]) == size)
}

// smallOrders are the y coordinates of the points of Ed25519 whose order divides
// eight (RFC 8032 §5.1.2: little-endian, without the sign of x), in all encodings.
// Anyone can make a signature that verifies with such a key.
var smallOrders = [][ed25519.PublicKeySize]byte{
	{0: 0x00}, // order 4
	{0: 0x01}, // order 1
	{
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	}, // order 8
	{
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	}, // order 8
	nearPrime(0xec), // p-1: order 2
	nearPrime(0xed), // p, a second encoding of 0
	nearPrime(0xee), // p+1, a second encoding of 1
}

// nearPrime returns the encoding of a number near the field's prime p, whose first
// byte is 0xed.
func nearPrime(first byte) (y [ed25519.PublicKeySize]byte) {
	for i := range y {
		y[i] = 0xff
	}
	y[0], y[len(y)-1] = first, 0x7f
	return y
}

// smallOrder reports whether an Ed25519 key is a point of small order.
func smallOrder(key ed25519.PublicKey) bool {
	y := [ed25519.PublicKeySize]byte(key)
	y[len(y)-1] &= 0x7f // the sign of x
	return slices.Contains(smallOrders, y)
}
