package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"testing"
)

func row13Key(t *testing.T, key *testKey) *signingKey {
	t.Helper()
	keys, _ := loads(t, key.jwk())
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	return keys[0]
}

// The paddings of RSASSA-PKCS1-v1_5 that have passed for good elsewhere (RFC
// 8017 §8.2.2 compares the whole block).
func TestPaddingsOfRSA(t *testing.T) {
	t.Parallel()
	key := newKey("k1", RS256)
	private := key.priv.(*rsa.PrivateKey)
	input := []byte("input")
	digest := sha256.Sum256(input)
	size := private.Size()
	info := append([]byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}, digest[:]...)
	noNull := append([]byte{0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20}, digest[:]...)
	other := bytes.Clone(info)
	other[14] = 0x02 // SHA-384's name over SHA-256's digest
	block := func(kind byte, padding int, separator byte, rest []byte) []byte {
		b := append([]byte{0, kind}, bytes.Repeat([]byte{0xff}, padding)...)
		b = append(append(b, separator), rest...)
		return append(b, make([]byte, max(0, size-len(b)))...)
	}
	full := size - 3 - len(info)
	signed := func(b []byte) []byte {
		return new(big.Int).Exp(new(big.Int).SetBytes(b), private.D, private.N).FillBytes(make([]byte, size))
	}
	public := row13Key(t, key)
	good := signed(block(1, full, 0, info))
	if !public.verify(setRS256, input, good) {
		t.Fatal("row 13: a good block is refused")
	}
	bad := map[string][]byte{
		"short padding, zeros after":  block(1, 8, 0, info),
		"no padding, zeros after":     block(1, 0, 0, info),
		"block of kind 2":             block(2, full, 0, info),
		"block of kind 0":             block(0, full, 0, info),
		"separator not zero":          block(1, full, 1, info),
		"parameters without NULL":     block(1, size-3-len(noNull), 0, noNull),
		"another hash's name":         block(1, full, 0, other),
		"the digest alone":            block(1, size-3-len(digest), 0, digest[:]),
		"digest of another input":     block(1, full, 0, append(bytes.Clone(info[:19]), make([]byte, 32)...)),
		"one byte of padding not 255": append([]byte{0, 1, 0xfe}, block(1, full, 0, info)[3:]...),
	}
	for name, b := range bad {
		if public.verify(setRS256, input, signed(b)) {
			t.Errorf("row 13: %s: accepted", name)
		}
	}
	for name, signature := range map[string][]byte{
		"zero": make([]byte, size), "one": append(make([]byte, size-1), 1), "the modulus": private.N.Bytes(),
		"the modulus less one": new(big.Int).Sub(private.N, big.NewInt(1)).Bytes(), "a byte short": good[:size-1], "a byte more": append([]byte{0}, good...),
		"nothing": nil,
	} {
		for _, alg := range []algSet{setRS256, setRS384, setPS256, setPS512} {
			key := &signingKey{algs: setRSA, raw: public.raw, size: public.size}
			if key.verify(alg, input, signature) {
				t.Errorf("row 13: %s: accepted", name)
			}
		}
	}
	if (&signingKey{algs: setRSA, raw: public.raw, size: public.size}).verify(setPS256, input, good) {
		t.Error("row 13: a signature of RS256 passes for PS256")
	}
}

func TestEdgesOfECDSA(t *testing.T) {
	t.Parallel()
	for alg, set := range map[Algorithm]algSet{ES256: setES256, ES384: setES384, ES512: setES512} {
		key := newKey("k1", alg)
		public := row13Key(t, key)
		input := "input"
		good := key.sign(input)
		size := len(good) / 2
		n := key.priv.Public().(*ecdsa.PublicKey).Curve.Params().N
		half := func(i *big.Int) []byte { return i.FillBytes(make([]byte, size)) }
		r, s := good[:size], good[size:]
		zero, one, less := half(new(big.Int)), half(big.NewInt(1)), half(new(big.Int).Sub(n, big.NewInt(1)))
		if !signatureFits(set, good) || !public.verify(set, []byte(input), good) {
			t.Fatalf("row 13: %s: a good signature is refused", alg)
		}
		for name, c := range map[string]struct {
			signature []byte
			fits      bool
		}{
			"r zero": {append(bytes.Clone(zero), s...), false}, "s zero": {append(bytes.Clone(r), zero...), false},
			"r the order": {append(half(n), s...), false}, "s the order": {append(bytes.Clone(r), half(n)...), false},
			"all ones": {bytes.Repeat([]byte{0xff}, 2*size), false},
			"one, one": {append(bytes.Clone(one), one...), true}, "greatest": {append(bytes.Clone(less), less...), true},
			"swapped": {append(bytes.Clone(s), r...), true}, "a byte short": {good[1:], false}, "nothing": {nil, false},
			"DER": {must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})), false},
		} {
			if signatureFits(set, c.signature) != c.fits {
				t.Errorf("row 13: %s: %s: fits is not %t", alg, name, c.fits)
			}
			if public.verify(set, []byte(input), c.signature) {
				t.Errorf("row 13: %s: %s: accepted", alg, name)
			}
		}
	}
	if got := len(orders[setES512]); got != (elliptic.P521().Params().BitSize+7)/8 {
		t.Errorf("P-521's order has %d octets", got)
	}
}

// RFC 8032 §5.1.7: S is below the order; S plus the order is another signature
// of the same message.
func TestEdgesOfEd25519(t *testing.T) {
	t.Parallel()
	key := newKey("k1", EdDSA)
	public := row13Key(t, key)
	good := key.sign("input")
	if !public.verify(setEdDSA, []byte("input"), good) {
		t.Fatal("row 13: a good signature is refused")
	}
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	reversed := func(b []byte) []byte {
		out := make([]byte, len(b))
		for i := range b {
			out[len(b)-1-i] = b[i]
		}
		return out
	}
	s := new(big.Int).SetBytes(reversed(good[32:]))
	for name, signature := range map[string][]byte{
		"S and the order": append(bytes.Clone(good[:32]), reversed(new(big.Int).Add(s, order).FillBytes(make([]byte, 32)))...),
		"S zero":          append(bytes.Clone(good[:32]), make([]byte, 32)...),
		"R zero":          append(make([]byte, 32), good[32:]...),
		"swapped":         append(bytes.Clone(good[32:]), good[:32]...),
		"a byte short":    good[:63], "a byte more": append(bytes.Clone(good), 0), "nothing": nil,
	} {
		if public.verify(setEdDSA, []byte("input"), signature) {
			t.Errorf("row 13: %s: accepted", name)
		}
	}
}
