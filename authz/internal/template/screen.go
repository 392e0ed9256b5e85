package template

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxValue bounds one value that is put into an object or subject, in bytes.
// It is longer than any engine's ids, and short enough to compare and hash at once.
const MaxValue = 1024

// Status is the outcome for a value.
type Status uint8

// The statuses.
const (
	// StatusOK is a value that can be used.
	StatusOK Status = iota
	// StatusMissing is a value that isn't there.
	StatusMissing
	// StatusInvalid is a value that can't be used.
	StatusInvalid
	// StatusForeign is a missing or unusable value of the caller's token.
	StatusForeign
)

// screenID returns StatusOK if a value may be part of an object's or a subject's id: it
// isn't empty, is no wildcard, and contains nothing that an engine reads as syntax.
func screenID(value []byte) Status {
	if len(value) == 0 {
		return StatusMissing
	}
	if len(value) > MaxValue || len(value) == 1 && value[0] == '*' {
		return StatusInvalid
	}
	for i := 0; i < len(value); {
		c := value[i]
		if c < utf8.RuneSelf {
			if c <= ' ' || c == ':' || c == '#' || c == 0x7f {
				return StatusInvalid
			}
			i++

			continue
		}
		r, size := utf8.DecodeRune(value[i:])
		if r == utf8.RuneError && size == 1 || !printable(r) {
			return StatusInvalid
		}
		i += size
	}

	return StatusOK
}

// CutObject cuts "type:id" in two. It refuses a text that can't be an object.
func CutObject(text string) (objectType, id string, ok bool) {
	objectType, id, ok = strings.Cut(text, ":")
	if !ok || BadName(objectType) >= 0 || screenID([]byte(id)) != StatusOK {
		return "", "", false
	}

	return objectType, id, true
}

// screenText returns StatusOK if a value may be compared or sent as text.
func screenText(value []byte) Status {
	switch {
	case len(value) == 0:
		return StatusMissing
	case len(value) > maxText || !utf8.Valid(value):
		return StatusInvalid
	default:
		return StatusOK
	}
}

// maxText bounds one value that is compared, or sent as context or revision.
const maxText = 4096

// screenRevision returns StatusOK if a value may be sent as a revision, an opaque token
// of visible ASCII.
func screenRevision(value []byte) Status {
	if len(value) == 0 {
		return StatusMissing
	}
	if len(value) > maxText {
		return StatusInvalid
	}
	for _, c := range value {
		if c <= ' ' || c >= 0x7f {
			return StatusInvalid
		}
	}

	return StatusOK
}

// printable reports whether a rune may be part of an id, because it is visible. Format
// characters and those that no version of Unicode assigns are not.
func printable(r rune) bool { return r != ' ' && unicode.IsPrint(r) }

// holdsFollower reports whether a value can't be told apart from the literal that
// follows it, which isn't empty: a search would find the literal before the value's
// end.
func holdsFollower(value []byte, literal string) bool {
	if bytes.Contains(value, []byte(literal)) {
		return true
	}
	for overlap := 1; overlap < len(literal) && overlap <= len(value); overlap++ {
		tail := string(value[len(value)-overlap:]) + literal
		if tail[:len(literal)] == literal {
			return true
		}
	}

	return false
}
