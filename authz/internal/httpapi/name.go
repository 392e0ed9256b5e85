package httpapi

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// ValidateName refuses a type, id or relation that an engine could take for
// something else: one that is empty, a wildcard, or longer than limit bytes, and one
// that contains a separator of "type:id#relation", white space, control characters
// or invalid UTF-8. Its errors don't hold the name, which may be the
// caller's.
func ValidateName(s string, limit int) error {
	switch {
	case s == "":
		return errors.New("empty")
	case s == "*":
		return errors.New("a wildcard")
	case len(s) > limit:
		return fmt.Errorf("more than %d bytes", limit)
	case !utf8.ValidString(s):
		return errors.New("not UTF-8")
	}
	for _, r := range s {
		if r == ':' || r == '#' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return errors.New("holds a colon, a hash, white space or a control character")
		}
	}

	return nil
}
