package adapter

import (
	"errors"
	"strings"
)

// escape starts an encoded byte: "=40" is "@". It is in the grammar of every
// engine that needs encoding and is itself always encoded, as "=3D".
const escape = '='

const upperHex = "0123456789ABCDEF"

// ErrNotEncoded is returned by [DecodeID] for text that [EncodeID] never
// writes.
var ErrNotEncoded = errors.New("adapter: not an encoded id")

// EncodeID writes id with every byte that plain refuses, and "=" itself, as
// "=" and two upper-case hexadecimal digits, in the manner of RFC 2045 §6.7:
// "ann@example.com" becomes "ann=40example.com" where the dot is plain. The
// encoding is injective, so two ids never become equal, and [DecodeID] reverses it.
// An id that needs nothing encoded is returned as it is, without allocation.
func EncodeID(id string, plain func(byte) bool) string {
	extra := 0
	for i := range len(id) {
		if id[i] == escape || !plain(id[i]) {
			extra++
		}
	}
	if extra == 0 {
		return id
	}

	var out strings.Builder
	out.Grow(len(id) + 2*extra)
	for i := range len(id) {
		if b := id[i]; b == escape || !plain(b) {
			out.WriteByte(escape)
			out.WriteByte(upperHex[b>>4])
			out.WriteByte(upperHex[b&15])
		} else {
			out.WriteByte(b)
		}
	}

	return out.String()
}

// DecodeID reverses [EncodeID]. It accepts only what EncodeID writes with the
// same plain, so that every id has one encoded form.
func DecodeID(encoded string, plain func(byte) bool) (string, error) {
	var out strings.Builder
	out.Grow(len(encoded))
	for i := 0; i < len(encoded); i++ {
		b := encoded[i]
		if b != escape {
			if !plain(b) {
				return "", ErrNotEncoded
			}
			out.WriteByte(b)

			continue
		}
		if i+2 >= len(encoded) {
			return "", ErrNotEncoded
		}
		high, okHigh := nibble(encoded[i+1])
		low, okLow := nibble(encoded[i+2])
		if !okHigh || !okLow {
			return "", ErrNotEncoded
		}
		b = high<<4 | low
		if b != escape && plain(b) {
			return "", ErrNotEncoded
		}
		out.WriteByte(b)
		i += 2
	}

	return out.String(), nil
}

// nibble reads one upper-case hexadecimal digit: in lower case an id would have
// a second encoded form.
func nibble(b byte) (byte, bool) {
	switch {
	case b >= '0' && b <= '9':
		return b - '0', true
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10, true
	default:
		return 0, false
	}
}
