package verify

import (
	"encoding/json"
	"strings"
)

// The functions below read values that a scanner has validated.

// stringValue returns the text of a JSON string.
func stringValue(raw string) (string, bool) {
	if raw == "" || raw[0] != '"' {
		return "", false
	}
	return unquote(raw), true
}

// elements calls f with each element of a JSON array until f returns false. It
// returns false if f did, or if raw is not an array.
func elements(raw string, f func(raw string) bool) bool {
	if raw == "" || raw[0] != '[' {
		return false
	}
	s := scanner{src: raw, pos: 1, left: maxJSONMembers * maxKeys, lax: true}
	s.space()
	if s.peek() == ']' {
		return true
	}
	for {
		start := s.pos
		if s.value() != nil || !f(raw[start:s.pos]) {
			return false
		}
		if more, err := s.next(']'); err != nil || !more {
			return err == nil
		}
	}
}

// stringsValue returns the elements of a JSON array of strings. It returns false if
// raw is not such an array.
func stringsValue(raw string) ([]string, bool) {
	var out []string
	ok := elements(raw, func(raw string) bool {
		text, ok := stringValue(raw)
		out = append(out, text)
		return ok
	})
	return out, ok
}

// anyValue returns a new Go value: nil, bool, string, json.Number, []any or
// map[string]any. It shares nothing with raw.
func anyValue(raw string) any {
	switch raw[0] {
	case '"':
		return strings.Clone(unquote(raw))
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	case '[':
		out := []any{}
		elements(raw, func(raw string) bool {
			out = append(out, anyValue(raw))
			return true
		})
		return out
	case '{':
		members, err := decodeObject(raw, nil)
		if err != nil {
			return nil
		}
		out := make(map[string]any, len(members))
		for _, m := range members {
			out[m.name] = anyValue(m.value)
		}
		return out
	default:
		return json.Number(strings.Clone(raw))
	}
}
