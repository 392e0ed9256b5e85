// Package quote formats unverified values of a token, an answer or a
// configuration for an operator.
package quote

import (
	"strconv"
	"unicode/utf8"
)

// Max bounds a value, in bytes before quoting.
const Max = 128

// Value quotes a value in ASCII, at most Max bytes of it: nothing of it can end
// a line of a log, or be mistaken for another character.
func Value(value string) string {
	short := Cut(value, Max)
	if len(short) < len(value) {
		return strconv.QuoteToASCII(short) + "..."
	}
	return strconv.QuoteToASCII(value)
}

// Cut returns at most n bytes of a text, without a part of a character at its
// end.
func Cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for end := n; end > 0 && end > n-utf8.UTFMax; end-- {
		if utf8.RuneStart(text[end]) {
			return text[:end]
		}
	}
	return text[:n] // not UTF-8
}
