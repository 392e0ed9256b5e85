package verify

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	// maxKeys bounds the usable keys of a key set. Issuers publish two to five;
	// those that can't be used are bounded with the document.
	maxKeys = 64

	// maxTries bounds the keys that are tried for one token, when several have its
	// kid or it has none.
	maxTries = 8

	// maxWithdrawn bounds the withdrawn keys that are kept.
	maxWithdrawn = 16

	// maxKid bounds a kid, in bytes; thumbprints have 43.
	maxKid = 512

	minRSABits = 2048 // NIST SP 800-131A
	maxRSABits = 8192 // above it, one verification is too expensive
	minRSAExp  = 65537
)

// signingKey is a public key that was checked when its set was loaded. Its type,
// curve and length fit each of algs.
type signingKey struct {
	kid  string
	algs algSet
	raw  any // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	// size is the length of this key's signatures in bytes.
	size int
	// gone is set once the key has left its set. Tokens in the verified-token
	// cache become invalid with their key.
	gone atomic.Bool
	// wavers is the number of further sets in a row that must lack the key before its
	// tokens are void for that reason alone. It is waveringSets once the key was
	// missing and came back.
	wavers atomic.Int32
}

// verify checks one signature. A panic in the library counts as a bad signature.
func (k *signingKey) verify(alg algSet, input, signature []byte) (ok bool) {
	if k.algs&alg == 0 || len(signature) != k.size {
		return false
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return verifySignature(alg, k.raw, input, signature) == nil
}

// same reports whether a newly loaded key is this one.
func (k *signingKey) same(other *signingKey) bool {
	if k.kid != other.kid || k.algs != other.algs {
		return false
	}
	switch raw := k.raw.(type) {
	case *rsa.PublicKey:
		return raw.Equal(other.raw)
	case *ecdsa.PublicKey:
		return raw.Equal(other.raw)
	case ed25519.PublicKey:
		return raw.Equal(other.raw)
	default:
		return false
	}
}

// keySnapshot is one loaded key set. It is immutable.
type keySnapshot struct {
	fetch uint64 // number of the fetch that brought it, or if that used caches, of the last that didn't

	// published are the keys of the set. All are the keys to try, and byKid has them
	// by their kid.
	published []*signingKey
	all       []*signingKey
	byKid     map[string][]*signingKey

	// leaving are the keys that this set lacks and the one before had. They are
	// tried after the others until they are gone. Withdrawn are those that were
	// missing from two sets in a row, the latest first, at most maxWithdrawn. They
	// verify nothing: a token that one of them has signed is known to be void,
	// where a token under an unknown key may be good.
	leaving, withdrawn []*signingKey

	// from is the address that the keys come from, for causes.
	from string
}

// try sets the keys to try.
func (s *keySnapshot) try(keys []*signingKey) {
	s.all, s.byKid = keys, make(map[string][]*signingKey, len(keys))
	for _, key := range keys {
		if key.kid != "" {
			s.byKid[key.kid] = append(s.byKid[key.kid], key)
		}
	}
}

// known returns the existing value for a newly loaded key, or key itself if there is
// none or it is gone. It marks a key that was missing as one that came back.
func (s *keySnapshot) known(key *signingKey) *signingKey {
	if i := slices.IndexFunc(s.published, key.same); i >= 0 {
		return s.published[i]
	}
	if i := slices.IndexFunc(s.leaving, key.same); i >= 0 {
		if old := s.leaving[i]; !old.gone.Load() {
			key = old
		}
		key.wavers.Store(waveringSets)
	} else if slices.ContainsFunc(s.withdrawn, key.same) {
		key.wavers.Store(waveringSets)
	}
	return key
}

// candidates returns the keys to try: those with the token's kid, or all if it has
// none.
func (s *keySnapshot) candidates(header *header) []*signingKey {
	if header.hasKid {
		return s.byKid[header.kid]
	}
	return s.all
}

// fits reports whether any key could have made the token's signature.
func (s *keySnapshot) fits(header *header) bool {
	for _, k := range s.candidates(header) {
		if k.algs&header.alg != 0 {
			return true
		}
	}
	return false
}

// changedFor returns a function that reports whether another snapshot has a key for
// the header that this one lacks. That a key is gone is no reason to try the others
// again.
func (s *keySnapshot) changedFor(h *header) func(*keySnapshot) bool {
	tried := s.candidates(h)
	return func(other *keySnapshot) bool {
		return slices.ContainsFunc(other.candidates(h), func(key *signingKey) bool {
			return key.algs&h.alg != 0 && !slices.Contains(tried, key)
		})
	}
}

// signedByWithdrawn reports whether the signature was made by a withdrawn key that is
// not known to come back.
func (s *keySnapshot) signedByWithdrawn(h *header, input, signature []byte) bool {
	tries := 0
	for _, key := range s.withdrawn {
		if key.algs&h.alg == 0 || h.hasKid && key.kid != h.kid || key.wavers.Load() > 0 {
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		if key.verify(h.alg, input, signature) {
			return true
		}
	}
	return false
}

// signer returns the key that made the signature, or nil if none did. It tries a
// bounded number of keys.
func (s *keySnapshot) signer(h *header, input, signature []byte) *signingKey {
	tries := 0
	for _, key := range s.candidates(h) {
		if key.algs&h.alg == 0 {
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		if key.verify(h.alg, input, signature) {
			return key
		}
	}
	return nil
}

// parseKey checks one JWK (RFC 7517 §4) and loads it.
func parseKey(raw string, allowed algSet) (*signingKey, bool) {
	members, err := decodeObject(raw, make([]member, 0, 8))
	if err != nil {
		return nil, false
	}
	var f struct{ kty, crv, use, alg, kid string }
	var numbers keyNumbers
	var hasAlg, private, verify, hasOps, isOps bool
	for _, m := range members {
		ok := true
		switch m.name {
		case "kty":
			f.kty, ok = stringValue(m.value)
		case "crv":
			f.crv, ok = stringValue(m.value)
		case "use":
			f.use, ok = stringValue(m.value)
			ok = ok && (f.use == "sig" || f.use == "jwt-svid" && allowed&setSVID != 0)
		case "alg":
			f.alg, ok = stringValue(m.value)
			hasAlg = true
		case "kid":
			f.kid, ok = stringValue(m.value)
			ok = ok && len(f.kid) <= maxKid
		case "key_ops":
			hasOps = true
			isOps = elements(m.value, func(raw string) bool {
				op, ok := stringValue(raw)
				verify = verify || op == "verify"
				return ok
			})
		case "n", "e", "x", "y":
			ok = numbers.take(m.name, m.value)
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
			private = true // a private key that is published is compromised
		}
		if !ok {
			return nil, false
		}
	}
	if private || hasOps && (!isOps || !verify) {
		return nil, false
	}
	fit := algorithmsFor(f.kty, f.crv)
	if hasAlg {
		fit &= setOf(Algorithm(f.alg))
	}
	if fit &= allowed; fit == 0 || !numbers.fit(f.crv) {
		return nil, false
	}
	key, err := parsePublicKey(f.kty, f.crv, numbers)
	if err != nil {
		return nil, false
	}
	size, ok := screen(key, fit)
	if !ok {
		return nil, false
	}
	return &signingKey{kid: strings.Clone(f.kid), algs: fit, raw: key, size: size}, true
}

// algorithmsFor returns the algorithms that a key of that type and curve can
// serve (RFC 7518 §3.4: each ES algorithm has one curve).
func algorithmsFor(kty, crv string) algSet {
	switch kty {
	case "RSA":
		return setRSA
	case "EC":
		switch crv {
		case "P-256":
			return setES256
		case "P-384":
			return setES384
		case "P-521":
			return setES512
		}
	case "OKP":
		if crv == "Ed25519" {
			return setEdDSA
		}
	}
	return 0
}

// screen checks the key itself and returns the length of its signatures.
func screen(key any, algs algSet) (size int, ok bool) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		ok = algs&^setRSA == 0 && bits >= minRSABits && bits <= maxRSABits && key.N.Bit(0) == 1 &&
			key.E >= minRSAExp && key.E&1 == 1
		return (bits + 7) / 8, ok
	case *ecdsa.PublicKey:
		want, size := curveOf(algs)
		if key.Curve == nil || key.Curve != want {
			return 0, false
		}
		_, err := key.ECDH() // refuses points off the curve and at infinity
		return size, err == nil
	case ed25519.PublicKey:
		return ed25519.SignatureSize, algs == setEdDSA && len(key) == ed25519.PublicKeySize && !smallOrder(key)
	default:
		return 0, false
	}
}

// curveOf returns the one curve of an ES algorithm and the length of its signatures.
func curveOf(algs algSet) (elliptic.Curve, int) {
	switch algs {
	case setES256:
		return elliptic.P256(), 2 * 32
	case setES384:
		return elliptic.P384(), 2 * 48
	case setES512:
		return elliptic.P521(), 2 * 66
	default:
		return nil, 0
	}
}
