package authztest

import (
	"fmt"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// Tuple is one relation between an object and a subject.
type Tuple struct {
	Object   authz.Object
	Relation string
	Subject  authz.Subject
	// Condition is the name of the condition (a caveat) under which the tuple holds,
	// empty if it always holds. The suite uses one, see [SuiteModel].
	Condition string
}

// String returns the tuple as Zanzibar writes it, object#relation@subject, and
// after it any condition, as in "document:1#guest@user:bob[on_network]".
func (t Tuple) String() string {
	text := authz.Query{Object: t.Object, Relation: t.Relation, Subject: t.Subject}.String()
	if t.Condition != "" {
		text += "[" + t.Condition + "]"
	}

	return text
}

// ParseTuple parses the text that String returns.
func ParseTuple(text string) (Tuple, error) {
	rest, condition, conditional := strings.Cut(text, "[")
	if conditional {
		var closed bool
		if condition, closed = strings.CutSuffix(condition, "]"); !closed || condition == "" {
			return Tuple{}, fmt.Errorf("authztest: tuple %q: the condition isn't [name]", text)
		}
	}
	left, right, hasSubject := strings.Cut(rest, "@")
	object, relation, hasRelation := strings.Cut(left, "#")
	objectType, objectID, hasObject := strings.Cut(object, ":")
	subjectType, subject, typed := strings.Cut(right, ":")
	subjectID, userset, _ := strings.Cut(subject, "#")
	if !hasSubject || !hasRelation || !hasObject || !typed ||
		objectType == "" || objectID == "" || relation == "" || subjectType == "" || subjectID == "" {
		return Tuple{}, fmt.Errorf("authztest: tuple %q isn't type:id#relation@type:id", text)
	}

	return Tuple{
		Object:   authz.Object{Type: objectType, ID: objectID},
		Relation: relation, Condition: condition,
		Subject: authz.Subject{Type: subjectType, ID: subjectID, Relation: userset},
	}, nil
}

// MustTuples parses tuples for literals in tests. It panics on a text that isn't a
// tuple.
func MustTuples(texts ...string) []Tuple {
	parsed := make([]Tuple, len(texts))
	for i, text := range texts {
		var err error
		if parsed[i], err = ParseTuple(text); err != nil {
			panic(err)
		}
	}

	return parsed
}
