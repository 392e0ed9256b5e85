package authz

import (
	"encoding/binary"

	"github.com/usher-auth/usher/authz/internal/template"
)

// A question's key holds all of its query, so that equal keys are equal queries:
// its kind, unless that is a relation, the relation, the object's type and id, the subject's type, relation and id, the
// context and how fresh the answer must be. Names and ids hold no control
// characters, so NUL is an unambiguous separator.

// appendPrefix begins a key, with the kind, the relation and the object's type. A
// relation isn't empty, so no key of one begins with NUL.
func appendPrefix(key []byte, kind QueryKind, relation, objectType string) []byte {
	if kind != QueryRelation {
		key = append(key, 0, byte(kind))
	}
	key = append(append(key, relation...), 0)

	return append(append(key, objectType...), 0)
}

// keyPrefix returns the key's prefix for a check whose type is known.
func keyPrefix(kind QueryKind, relation, objectType string) string {
	return string(appendPrefix(nil, kind, relation, objectType))
}

// keySubject returns the part of a key between the object's id and the subject's.
func keySubject(subjectType, relation string) string {
	return "\x00" + subjectType + "\x00" + relation + "\x00"
}

// ids are the two ids in a key.
type ids struct{ object, subject span }

// appendObject appends the prefix and the object's id; i is the element of the list
// that the object fans out over.
func (c *check) appendObject(key []byte, in *template.Input, i int, at *ids) ([]byte, template.Status, *template.Part) {
	key = append(key, c.prefix...)
	at.object.from = len(key)
	if c.object == nil {
		at.object.to = len(key)

		return key, template.StatusOK, nil
	}
	key, st, bad := c.object.Append(key, in, i)
	at.object.to = len(key)

	return key, st, bad
}

// append appends the subject's id and the part of the key before it.
func (t *subjectTemplate) append(key []byte, in *template.Input, at *ids) ([]byte, template.Status, *template.Part) {
	key = append(key, t.prefix...)
	at.subject.from = len(key)
	key, st, bad := t.template.Append(key, in, 0)
	at.subject.to = len(key)

	return key, st, bad
}

// appendConsistency ends a key with how fresh its answer must be.
func appendConsistency(key []byte, consistency Consistency) []byte {
	if consistency.Mode == ModeMinimizeLatency {
		return key
	}
	key = append(key, 0, 'm', byte(consistency.Mode))

	return append(key, consistency.Revision...)
}

// appendGiven adds the context and the properties of a check to a key. It returns false
// as appendContext does.
func (c *check) appendGiven(key []byte, context map[string]any, given *Properties) ([]byte, bool) {
	key, ok := appendContext(key, 'c', c.context, context)
	if given == nil || !ok {
		return key, ok
	}
	if key, ok = appendContext(key, 's', c.properties.subject, given.Subject); !ok {
		return key, false
	}
	if key, ok = appendContext(key, 'a', c.properties.action, given.Action); !ok {
		return key, false
	}

	return appendContext(key, 'r', c.properties.resource, given.Resource)
}

// appendContext adds a context, or properties, to a key, marked by a letter: each value
// with its name and type, in the rule's fixed order. It returns false for a value that
// isn't one of [Query]'s Context, which only a custom Principal can have.
func appendContext(key []byte, mark byte, values []contextValue, context map[string]any) ([]byte, bool) {
	for i := range values {
		value, set := context[values[i].name]
		if !set {
			continue
		}
		key = appendSized(append(key, 0, mark), values[i].name)
		var ok bool
		if key, ok = appendValue(key, value, maxContextDepth); !ok {
			return key, false
		}
	}

	return key, true
}

func appendSized(key []byte, text string) []byte {
	key = binary.AppendUvarint(key, uint64(len(text)))

	return append(key, text...)
}
