package openfga

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/authz"
)

// Limits of OpenFGA's API, in characters (openfga/v1 CheckRequestTupleKey and
// TypeDefinition).
const (
	maxTypeLength     = 254
	maxRelationLength = 50
	maxObjectLength   = 256 // with the type and its colon
	maxUserLength     = 512 // with the type, its colon and the relation
	ulidLength        = 26
)

// ValidateQuery refuses, without I/O, what OpenFGA would refuse: ids outside its
// grammar or limits and every wildcard (EngineBadRequest, EngineBadSubject), names
// of types and relations outside its grammar and, once the model has been read,
// types and relations that it doesn't define (EngineMisconfigured).
func (e *Engine) ValidateQuery(q authz.Query) error {
	if err := e.validateNames(q); err != nil {
		return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: err}
	}
	if err := validateID(q.Object.ID); err != nil {
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: fmt.Errorf("openfga: object id: %w", err)}
	}
	if err := validateID(q.Subject.ID); err != nil {
		return &authz.EngineError{Kind: authz.EngineBadSubject, Err: fmt.Errorf("openfga: subject id: %w", err)}
	}
	if longer(maxObjectLength-len(q.Object.Type)-1, q.Object.ID) {
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: fmt.Errorf("openfga: object of more than %d characters", maxObjectLength)}
	}
	userset := 0
	if q.Subject.Relation != "" {
		userset = len(q.Subject.Relation) + 1
	}
	if longer(maxUserLength-len(q.Subject.Type)-1-userset, q.Subject.ID) {
		return &authz.EngineError{Kind: authz.EngineBadSubject, Err: fmt.Errorf("openfga: subject of more than %d characters", maxUserLength)}
	}

	return nil
}

func (e *Engine) validateNames(q authz.Query) error {
	if m := e.model.Load(); m != nil {
		return m.defines(q)
	}
	for _, name := range [...]struct {
		what, value string
		limit       int
	}{
		{"object type", q.Object.Type, maxTypeLength},
		{"relation", q.Relation, maxRelationLength},
		{"subject type", q.Subject.Type, maxTypeLength},
	} {
		if !isName(name.value, name.limit) {
			return fmt.Errorf("openfga: %s %q is outside OpenFGA's grammar", name.what, name.value)
		}
	}
	if r := q.Subject.Relation; r != "" && !isName(r, maxRelationLength) {
		return fmt.Errorf("openfga: subject relation %q is outside OpenFGA's grammar", r)
	}

	return nil
}

// validateID's errors don't hold the id, which is the caller's data.
func validateID(id string) error {
	if id == "" {
		return errors.New("empty")
	}
	if id == "*" {
		return errors.New("a wildcard")
	}
	for _, r := range id {
		if r == ':' || r == '#' || r == utf8.RuneError || unicode.IsSpace(r) || unicode.IsControl(r) {
			return errors.New("a character outside OpenFGA's grammar")
		}
	}

	return nil
}

func isName(name string, limit int) bool {
	if name == "" || longer(limit, name) || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if r == ':' || r == '#' || r == '@' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return false
		}
	}

	return true
}

// longer counts characters only if the number of bytes doesn't decide it.
func longer(limit int, s string) bool {
	return len(s) > limit && utf8.RuneCountInString(s) > limit
}

// isULID matches OpenFGA's own pattern for store and model ids.
func isULID(id string) bool {
	if len(id) != ulidLength {
		return false
	}
	for i := range len(id) {
		switch b := id[i]; {
		case b >= '0' && b <= '9':
		case b >= 'A' && b <= 'Z' && b != 'I' && b != 'L' && b != 'O' && b != 'U':
		default:
			return false
		}
	}

	return true
}
