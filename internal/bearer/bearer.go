// Package bearer reads the bearer tokens of RFC 6750.
package bearer

import "strings"

// Token returns the token in the value of an authorization header: "Bearer" in
// any case, exactly one space, and at least one more character (RFC 6750 §2.1). It
// reports false for anything else. It reads the scheme alone and does not
// allocate: the token may be of any size and hold any character, a second space
// included, until [IsToken] says otherwise.
func Token(value string) (string, bool) {
	const scheme = "bearer "
	if len(value) <= len(scheme) {
		return "", false
	}
	for i := range len(scheme) {
		c := value[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != scheme[i] {
			return "", false
		}
	}
	return value[len(scheme):], true
}

// IsToken reports whether text is one b64token: 1*( ALPHA / DIGIT / "-" / "." /
// "_" / "~" / "+" / "/" ) *"=" (RFC 6750 §2.1).
func IsToken(text string) bool {
	body := strings.TrimRight(text, "=")
	if body == "" {
		return false
	}
	for i := range len(body) {
		if !inToken[body[i]] {
			return false
		}
	}
	return true
}

// inToken has the characters of a b64token, but for its padding.
var inToken = func() (table [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		table[c] = true
	}
	return table
}()
