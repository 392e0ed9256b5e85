package verify

import (
	"strings"
	"unicode/utf8"
)

// Classes of characters in a credential.
const (
	classBase64URL = 1 << iota // RFC 4648 §5: a part of a JWT
	classB64Token              // RFC 6750 §2.1: any bearer token, but for the padding
	classPlain                 // stands for itself in a JSON string, and is ASCII
)

var charClass = func() (table [256]uint8) {
	const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for _, c := range []byte(alphanumeric + "-_") {
		table[c] |= classBase64URL
	}
	for _, c := range []byte(alphanumeric + "-._~+/") {
		table[c] |= classB64Token
	}
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		if c != '"' && c != '\\' {
			table[c] |= classPlain
		}
	}
	return table
}()

var (
	errBearerScheme = refusal("authorization: not the Bearer scheme")
	errBearerToken  = refusal("authorization: not exactly one b64token after the scheme")
)

// ParseBearer returns the token in the value of an authorization header:
// "Bearer", in any case, one space, and one b64token (RFC 6750 §2.1). Anything
// else is a [CredentialFault]: no second space, no list, no parameters. It does
// not allocate. The token's size is not bounded here but by the verifiers.
func ParseBearer(value string) (string, error) {
	const scheme = "bearer "
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", errBearerScheme
	}
	token := value[len(scheme):]
	if !isB64Token(token) {
		return "", errBearerToken
	}
	return token, nil
}

// isB64Token reports whether text is 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" /
// "+" / "/" ) *"=".
func isB64Token(text string) bool {
	body := strings.TrimRight(text, "=")
	if body == "" {
		return false
	}
	for i := range len(body) {
		if charClass[body[i]]&classB64Token == 0 {
			return false
		}
	}
	return true
}
