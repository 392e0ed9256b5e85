package verify

import "strings"

// scanner validates one JSON text as it reads it.
type scanner struct {
	src   string
	pos   int
	depth int
	// left is the number of further members that are accepted.
	left int
	// lax accepts duplicate names in nested objects: one faulty key must not
	// make the whole key set unreadable. Each key is then decoded strictly.
	lax bool
	// names is a stack of the names in the nested objects that are being read.
	names []string
}

// name reads a member's name, and the colon and white space after it.
func (s *scanner) name() (string, error) {
	if s.left--; s.left < 0 {
		return "", errJSONMembers
	}
	start := s.pos
	if s.peek() != '"' {
		return "", errJSONSyntax
	}
	if err := s.str(); err != nil {
		return "", err
	}
	name := unquote(s.src[start:s.pos])
	s.space()
	if s.peek() != ':' {
		return "", errJSONSyntax
	}
	s.pos++
	s.space()
	return name, nil
}

// next reads what follows an element, and reports whether it is a comma, and so
// another element, rather than the end.
func (s *scanner) next(end byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case ',':
		s.pos++
		s.space()
		return true, nil
	case end:
		s.pos++
		return false, nil
	default:
		return false, errJSONSyntax
	}
}

func (s *scanner) value() error {
	switch c := s.peek(); c {
	case '"':
		return s.str()
	case '{':
		return s.nestedObject()
	case '[':
		return s.nestedArray()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) nestedObject() error {
	if s.depth++; s.depth > maxJSONDepth {
		return errJSONDepth
	}
	s.pos++
	s.space()
	if s.peek() == '}' {
		s.pos++
		s.depth--
		return nil
	}
	base := len(s.names)
	for {
		name, err := s.name()
		if err != nil {
			return err
		}
		if !s.lax {
			s.names = append(s.names, name)
		}
		if err := s.value(); err != nil {
			return err
		}
		more, err := s.next('}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if duplicateName(s.names[base:]) {
		return errJSONDuplicate
	}
	s.names = s.names[:base]
	s.depth--
	return nil
}

func (s *scanner) nestedArray() error {
	if s.depth++; s.depth > maxJSONDepth {
		return errJSONDepth
	}
	s.pos++
	s.space()
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if err := s.value(); err != nil {
			return err
		}
		more, err := s.next(']')
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	s.depth--
	return nil
}

// peek returns the next byte, or at the end 0, with which no JSON value begins.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) literal(word string) error {
	if !strings.HasPrefix(s.src[s.pos:], word) {
		return errJSONSyntax
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) number() error {
	i := s.pos
	digits := func() bool {
		start := i
		for i < len(s.src) && '0' <= s.src[i] && s.src[i] <= '9' {
			i++
		}
		return i > start
	}
	at := func(set string) bool { return i < len(s.src) && strings.IndexByte(set, s.src[i]) >= 0 }

	if at("-") {
		i++
	}
	if at("0") {
		i++
	} else if !digits() {
		return errJSONSyntax
	}
	if at(".") {
		i++
		if !digits() {
			return errJSONSyntax
		}
	}
	if at("eE") {
		i++
		if at("+-") {
			i++
		}
		if !digits() {
			return errJSONSyntax
		}
	}
	s.pos = i
	return nil
}
