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
	// Condition, when set, names the condition (a caveat) under which the tuple
	// holds. The suite uses one, see [SuiteModel].
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

// ParseTuple reads what String writes.
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

// MustTuples reads tuples and panics on one that isn't: for literals in tests.
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
