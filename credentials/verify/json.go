package verify

// This is the strict JSON decoder. encoding/json takes the last of two equal names,
// matches names without regard to case and replaces invalid UTF-8: with each of
// these, two readers can understand one token differently. This decoder refuses
// such texts, in one pass, and the choice of the key, the validation and the
// principal all use its result.

const (
	maxJSONDepth   = 32  // levels of arrays and objects; real tokens have about six
	maxJSONMembers = 512 // members in one text, all objects together

	errJSONSyntax    = fault("json: malformed")
	errJSONDepth     = fault("json: nested too deeply")
	errJSONMembers   = fault("json: too many members")
	errJSONDuplicate = fault("json: member repeated")
	errJSONNotObject = fault("json: not an object")
)

// member is one member of an object: its name, unescaped, and its value as
// validated JSON text.
type member struct {
	name  string
	value string
}

// decodeObject decodes a text that must be exactly one JSON object, and appends
// its members to dst, in order.
func decodeObject(src string, dst []member) ([]member, error) {
	s := scanner{src: src, left: maxJSONMembers}
	return s.object(dst)
}

func (s *scanner) object(dst []member) ([]member, error) {
	s.space()
	if s.pos >= len(s.src) || s.src[s.pos] != '{' {
		return dst, errJSONNotObject
	}
	base := len(dst)
	s.pos++
	s.depth++
	s.space()
	if s.peek() == '}' {
		s.pos++
	} else {
		for {
			name, err := s.name()
			if err != nil {
				return dst, err
			}
			start := s.pos
			if err := s.value(); err != nil {
				return dst, err
			}
			dst = append(dst, member{name: name, value: s.src[start:s.pos]})
			more, err := s.next('}')
			if err != nil {
				return dst, err
			}
			if !more {
				break
			}
		}
	}
	s.space()
	if s.pos != len(s.src) {
		return dst, errJSONSyntax
	}
	if duplicateMember(dst[base:]) {
		return dst, errJSONDuplicate
	}
	return dst, nil
}

// fewNames is the number of names up to which comparing each pair is faster than
// a map.
const fewNames = 24

func duplicateMember(members []member) bool {
	if len(members) > fewNames {
		seen := make(map[string]struct{}, len(members))
		for i := range members {
			seen[members[i].name] = struct{}{}
		}
		return len(seen) != len(members)
	}
	for i := range members {
		for j := range i {
			if members[i].name == members[j].name {
				return true
			}
		}
	}
	return false
}

func duplicateName(names []string) bool {
	if len(names) > fewNames {
		seen := make(map[string]struct{}, len(names))
		for _, name := range names {
			seen[name] = struct{}{}
		}
		return len(seen) != len(names)
	}
	for i := range names {
		for j := range i {
			if names[i] == names[j] {
				return true
			}
		}
	}
	return false
}
