package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"slices"
)

// confirmation is the binding of a token to its sender (RFC 7800, cnf).
type confirmation struct {
	bound      bool
	thumbprint [sha256.Size]byte // x5t#S256, RFC 8705 §3.1
}

// confirmationValue reads cnf. A token with a binding that can't be verified
// here (jkt: DPoP, RFC 9449; jwk; kid) is refused: if it were accepted as a
// bearer token, a stolen one would be valid.
func confirmationValue(raw string) (confirmation, *Error) {
	members, err := decodeObject(raw, make([]member, 0, 2))
	if err == nil && slices.ContainsFunc(members, func(m member) bool { return m.name == "jkt" }) {
		return confirmation{}, errDPoP
	}
	if err != nil || len(members) != 1 || members[0].name != "x5t#S256" {
		return confirmation{}, errConfirmation
	}
	text, ok := stringValue(members[0].value)
	if !ok {
		return confirmation{}, errConfirmation
	}
	sum, ok := decodeBase64(text)
	if !ok || len(sum) != sha256.Size {
		return confirmation{}, errConfirmation
	}
	return confirmation{bound: true, thumbprint: [sha256.Size]byte(sum)}, nil
}

// check compares the binding with the certificate of the connection.
func (c *confirmation) check(peer *x509.Certificate) *Error {
	if !c.bound {
		return nil
	}
	return c.compare(peer)
}

// compare compares a binding that there is. It is apart from check for that to be
// inlined: most tokens have none.
func (c *confirmation) compare(peer *x509.Certificate) *Error {
	if peer == nil || len(peer.Raw) == 0 {
		return errNoCertificate
	}
	sum := sha256.Sum256(peer.Raw)
	if subtle.ConstantTimeCompare(sum[:], c.thumbprint[:]) != 1 {
		return errBinding
	}
	return nil
}

// base64URL is the only accepted encoding: no padding, no stray bits at the
// end.
var base64URL = base64.RawURLEncoding.Strict()

// decodeBase64 decodes canonical, unpadded base64url.
func decodeBase64(text string) ([]byte, bool) {
	if !isBase64URL(text) { // the standard decoder skips line breaks
		return nil, false
	}
	out, err := base64URL.DecodeString(text)
	return out, err == nil
}

func isBase64URL(text string) bool {
	for i := range len(text) {
		if charClass[text[i]]&classBase64URL == 0 {
			return false
		}
	}
	return true
}
