package verify

import "strings"

// The causes when an answer is no key set that can be used.
const (
	errKeySet      = fault("not a JSON object with an array of keys")
	errKeySetSize  = fault("more keys than can be held")
	errKeySetEmpty = fault("no key that could be used")
)

// parseKeySet loads the keys that can be used under the allowed algorithms
// (RFC 7517 §5). Faulty and foreign keys are dropped and counted, the others
// stay usable.
//
// The document is taken apart by its brackets, quotes and commas alone, so that
// a key of bad UTF-8, bad syntax or any depth or size is one key that is
// dropped. Each key is then decoded strictly.
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

// notAllowed says which algorithms the keys of a set have that are good for
// nothing but these, for the cause of a set without a key that could be used.
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

// keyList returns the array of keys in a key set, false if there isn't exactly
// one, or the document's own form is broken.
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

// isKeysName reports whether a raw name is that of the keys, however it is
// escaped.
func isKeysName(raw string) bool {
	s := scanner{src: raw}
	return s.str() == nil && unquote(raw) == "keys"
}

// roughElements calls f with each element of an array until f returns false. It
// returns false if the array's own form is broken, or f did.
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

// rough passes over one value, found by its brackets and quotes alone, and
// returns its text. It takes the same time whatever is in it, and no stack.
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
			continue // of a number, a literal, or nothing at all
		}
		if depth == 0 {
			s.pos++
			return s.src[start:s.pos], true
		}
	}
	return "", false
}

// closingQuote returns where the string ends whose opening quote is at pos; -1
// if it doesn't.
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
