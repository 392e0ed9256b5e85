package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// JSON writes the matrix as JSON: this type's fields, indented, in an order that depends
// on the rules alone. Characters that aren't seen are escaped.
func (m *Matrix) JSON(w io.Writer) error {
	encoder := json.NewEncoder(&unseen{to: w})
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(true)

	return encoder.Encode(m)
}

// unseen escapes the characters of JSON that aren't seen, which are within strings. The
// encoder writes a value at once.
type unseen struct{ to io.Writer }

func (u *unseen) Write(text []byte) (int, error) {
	escaped := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r < 0x7f || !hidden(r):
			escaped = append(escaped, text[i:i+size]...)
		case r <= 0xffff:
			escaped = fmt.Appendf(escaped, "\\u%04x", r)
		default:
			r -= 0x10000
			escaped = fmt.Appendf(escaped, "\\u%04x\\u%04x", 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		i += size
	}
	if _, err := u.to.Write(escaped); err != nil {
		return 0, err
	}

	return len(text), nil
}
