package verify

import "fmt"

// Algorithm is a JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1, RFC
// 9864 §2.2). There are no symmetric algorithms: a server that can verify such
// a token can also issue it.
type Algorithm string

// The algorithms that a verifier can be configured to accept.
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA"

	// Ed25519 is the name that RFC 9864 gives to EdDSA with an Ed25519 key. The
	// two names are the same algorithm in this package, in a token, in a key
	// and in a configuration: EdDSA with any other curve is not implemented,
	// nor is Ed448.
	Ed25519 Algorithm = "Ed25519"
)

// algSet is a set of algorithms.
type algSet uint16

const (
	setRS256 algSet = 1 << iota
	setRS384
	setRS512
	setPS256
	setPS384
	setPS512
	setES256
	setES384
	setES512
	setEdDSA

	setAll = setEdDSA<<1 - 1
	setPSS = setPS256 | setPS384 | setPS512
	setRSA = setRS256 | setRS384 | setRS512 | setPSS
)

// setOf returns the set of that one algorithm, or the empty set for any other
// text. Names are compared exactly (RFC 7515 §4.1.1).
func setOf(alg Algorithm) algSet {
	switch alg {
	case RS256:
		return setRS256
	case RS384:
		return setRS384
	case RS512:
		return setRS512
	case PS256:
		return setPS256
	case PS384:
		return setPS384
	case PS512:
		return setPS512
	case ES256:
		return setES256
	case ES384:
		return setES384
	case ES512:
		return setES512
	case EdDSA, Ed25519:
		return setEdDSA
	default:
		return 0
	}
}

// names returns the algorithms of the set.
func (s algSet) names() []string {
	var names []string
	for _, alg := range []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA} {
		if setOf(alg)&s != 0 {
			names = append(names, string(alg))
		}
	}
	return names
}

// algError is the cause of a header that is refused for its alg. Its text is
// formatted only when it is read.
type algError struct {
	err     Error
	said    string
	allowed algSet
}

func refuseAlg(said string, allowed algSet) *Error {
	r := &algError{err: *errHeaderAlg, said: cut(said), allowed: allowed}
	r.err.constant, r.err.Err = errHeaderAlg, r
	return &r.err
}

// Error returns a text with the allowed algorithms, if they are known, and the
// header's.
func (r *algError) Error() string {
	text := errHeaderAlg.Err.Error() + ": "
	if r.allowed == setAll {
		return text + fmt.Sprintf("unverified alg %q is none that can be allowed", r.said)
	}
	return text + fmt.Sprintf("JWTConfig.Algorithms is %s, unverified alg %q", listed(r.allowed.names()), r.said)
}

// Unwrap returns the constant cause.
func (r *algError) Unwrap() error { return errHeaderAlg.Err }

// defaultAlgorithms are accepted when none are configured.
const defaultAlgorithms = setRS256 | setES256 | setPS256 | setEdDSA

func algorithmSet(algs []Algorithm) (algSet, error) {
	if len(algs) == 0 {
		return defaultAlgorithms, nil
	}
	var set algSet
	for _, alg := range algs {
		one := setOf(alg)
		if one == 0 {
			return 0, fmt.Errorf("verify: Algorithms: %q is not one that can be allowed", alg)
		}
		set |= one
	}
	return set, nil
}
