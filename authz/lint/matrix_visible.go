package lint

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is how many characters of one text of a rule people are shown. The JSON has
// all of it.
const maxShown = 2000

// visible returns a text of a rule as it may be shown: without line breaks, characters
// that control a terminal or the direction of text, and others that aren't seen. They are
// shown by number, as in "\u202e". It is short enough for a page.
func visible(text string) string {
	clean := len(text) <= maxShown
	for i := 0; clean && i < len(text); i++ {
		clean = text[i] >= ' ' && text[i] < 0x7f
	}
	if clean {
		return text
	}
	var out strings.Builder
	shown := 0
	for i := 0; i < len(text); {
		if shown++; shown > maxShown {
			fmt.Fprintf(&out, "… %d more characters", utf8.RuneCountInString(text[i:]))

			break
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, "\\x%02x", text[i])
		case hidden(r) && r <= 0xffff:
			fmt.Fprintf(&out, "\\u%04x", r)
		case hidden(r):
			fmt.Fprintf(&out, "\\U%08x", r)
		default:
			out.WriteRune(r)
		}
		i += size
	}

	return out.String()
}

// hidden reports whether a character isn't seen, or changes how others are seen.
func hidden(r rune) bool {
	switch {
	case r < 0x7f:
		return r < ' '
	case r == 0x00a0 || r == 0x3164 || r == 0xffa0 || r == 0x2800: // look like spaces
		return true
	default:
		return !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r)
	}
}

// shown returns the spans as they may be shown.
func (s spans) shown() spans {
	clean := make(spans, len(s))
	for i, part := range s {
		clean[i] = span{visible(part.Text), part.Code}
	}

	return clean
}
