package verify

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string, including its quotes. It refuses control characters, bad
// escapes, lone surrogates and invalid UTF-8.
func (s *scanner) str() error {
	src, i := s.src, s.pos+1
	ascii := true
	for i < len(src) {
		c := src[i]
		switch {
		case charClass[c]&classPlain != 0:
			i++
		case c == '"':
			if !ascii && !utf8.ValidString(src[s.pos:i]) {
				return errJSONSyntax
			}
			s.pos = i + 1
			return nil
		case c == '\\':
			n := escapeLen(src[i:])
			if n == 0 {
				return errJSONSyntax
			}
			i += n
		case c < ' ':
			return errJSONSyntax
		default:
			ascii = false
			i++
		}
	}
	return errJSONSyntax
}

// escapeLen returns the length of the escape at the start of text, or 0 if it is
// malformed. A surrogate pair is one escape.
func escapeLen(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r, ok := hex4(text)
		switch {
		case !ok:
			return 0
		case !utf16.IsSurrogate(r):
			return 6
		}
		low, ok := hex4(text[6:])
		if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
			return 0
		}
		return 12
	default:
		return 0
	}
}

// hex4 returns the code unit of the escape \uXXXX at the start of text.
func hex4(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var r rune
	for i := 2; i < 6; i++ {
		c := text[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unquote returns the text of a validated JSON string. If there are no escapes, it
// is a part of raw, not a copy.
func unquote(raw string) string {
	text := raw[1 : len(raw)-1]
	i := strings.IndexByte(text, '\\')
	if i < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for {
		b.WriteString(text[:i])
		text = text[i:]
		n := escapeLen(text)
		switch c := text[1]; c {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r, _ := hex4(text)
			if n == 12 {
				low, _ := hex4(text[6:])
				r = utf16.DecodeRune(r, low)
			}
			b.WriteRune(r)
		default:
			b.WriteByte(c)
		}
		text = text[n:]
		if i = strings.IndexByte(text, '\\'); i < 0 {
			b.WriteString(text)
			return b.String()
		}
	}
}
