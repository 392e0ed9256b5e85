package verify

import "unicode/utf8"

// Classes of characters in a token.
const (
	classBase64URL = 1 << iota // RFC 4648 §5: a part of a JWT
	classPlain                 // written as itself in a JSON string, and ASCII
)

var charClass = func() (table [256]uint8) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		table[c] |= classBase64URL
	}
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		if c != '"' && c != '\\' {
			table[c] |= classPlain
		}
	}
	return table
}()
