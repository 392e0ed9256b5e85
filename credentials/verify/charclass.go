package verify

import "unicode/utf8"

// Classes of characters in a token.
const (
	classBase64URL = 1 << iota // the alphabet of RFC 4648 §5
	classPlain                 // ASCII characters that a JSON string holds unescaped
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
