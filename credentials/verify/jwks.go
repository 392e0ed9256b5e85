package verify

import "strings"

// The causes for an answer that is no usable key set.
const (
	errKeySet      = fault("not a JSON object with an array of keys")
	errKeySetSize  = fault("more keys than can be held")
	errKeySetEmpty = fault("no key that could be used")
)

// parseKeySet returns the keys that can be used with the allowed algorithms (RFC
// 7517 §5), and how many others were dropped: faulty ones, and those of other
// kinds.
//
// The document is split by its brackets, quotes and commas alone, so that only
// the key itself is dropped if it has invalid UTF-8 or bad syntax, or is too deep
// or too large. Each key is then decoded strictly.
func parseKeySet(text string, allowed algSet) (keys []*signingKey, dropped int, err error) {
	list, ok := keyList(text)
	if !ok {
		return nil, 0, errKeySet
	}
	ok = roughElements(list, func(raw string) bool {
		key, ok := parseKey(raw, allowed)
		if !ok {
			dropped++
			return true
		}
		keys = append(keys, key)
		return len(keys) <= maxKeys
	})
	switch {
	case len(keys) > maxKeys:
		return nil, 0, errKeySetSize
	case !ok:
		return nil, 0, errKeySet
	default:
		return keys, dropped, nil
	}
}

// notAllowed returns a text with the algorithms of the set's keys that aren't
// allowed, for the cause of a set without a usable key. It is empty if there are
// none.
func notAllowed(text string, allowed algSet) string {
	keys, _, err := parseKeySet(text, setAll|allowed)
	if err != nil {
		return ""
	}
	var others algSet
	for _, key := range keys {
		others |= key.algs &^ allowed
	}
	if others == 0 {
		return ""
	}
	return ": their algorithms are " + strings.Join(quotedAll(others.names()), ", ") + ", not in JWTConfig.Algorithms"
}

// keyList returns the array of keys in a key set. It returns false if there isn't
// exactly one, or the document itself is malformed.
func keyList(text string) (list string, ok bool) {
	s := scanner{src: text}
	s.space()
	if s.peek() != '{' {
		return "", false
	}
	s.pos++
	s.space()
	for {
		name, ok := s.rough()
		if !ok || name[0] != '"' {
			return "", false
		}
		s.space()
		if s.peek() != ':' {
			return "", false
		}
		s.pos++
		s.space()
		value, ok := s.rough()
		if !ok {
			return "", false
		}
		if isKeysName(name) {
			if list != "" {
				return "", false
			}
			list = value
		}
		more, err := s.next('}')
		if err != nil {
			return "", false
		}
		if !more {
			break
		}
	}
	s.space()
	return list, s.pos == len(s.src) && list != "" && list[0] == '['
}

// isKeysName reports whether a raw name is "keys", with or without escapes.
func isKeysName(raw string) bool {
	s := scanner{src: raw}
	return s.str() == nil && unquote(raw) == "keys"
}

// roughElements calls f with each element of an array until f returns false. It
// returns false if f did, or if the array itself is malformed.
func roughElements(raw string, f func(raw string) bool) bool {
	s := scanner{src: raw, pos: 1}
	s.space()
	if s.peek() == ']' {
		return s.pos == len(raw)-1
	}
	for {
		element, ok := s.rough()
		if !ok || !f(element) {
			return false
		}
		if more, err := s.next(']'); err != nil || !more {
			return err == nil && s.pos == len(raw)
		}
	}
}

// rough reads one value and returns its text. It looks at brackets and quotes
// alone. Its time depends on the length of the value only, and it doesn't recurse.
func (s *scanner) rough() (text string, ok bool) {
	start, depth := s.pos, 0
	for ; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case '"':
			if s.pos = closingQuote(s.src, s.pos); s.pos < 0 {
				return "", false
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return s.src[start:s.pos], s.pos > start
			}
			depth--
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return s.src[start:s.pos], s.pos > start
			}
			continue
		default:
			continue // part of a number or a literal, or of bad syntax
		}
		if depth == 0 {
			s.pos++
			return s.src[start:s.pos], true
		}
	}
	return "", false
}

// closingQuote returns the position of the closing quote of the string that opens
// at pos, or -1 if there is none.
func closingQuote(src string, pos int) int {
	for i := pos + 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
