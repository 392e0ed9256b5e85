package httpapi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// ValidateQuery refuses a query whose types, relations or ids [ValidateName]
// refuses, with the error that [authz.QueryValidator] asks for. The error shows
// types and relations, which are the operator's, but not ids, which are the caller's.
// The names of permissions and actions may contain colons but no asterisk, which a
// server could take for "any".
func ValidateQuery(engine string, q authz.Query, limit int) error {
	for _, name := range [...]struct{ what, value string }{
		{"object type", q.Object.Type}, {"subject type", q.Subject.Type}, {"subject relation", q.Subject.Relation},
	} {
		if name.value == "" && name.what == "subject relation" {
			continue
		}
		if err := ValidateName(name.value, limit); err != nil {
			return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("%s: %s %q: %w", engine, name.what, name.value, err)}
		}
	}
	if err := validateRelation(engine, q, limit); err != nil {
		return err
	}
	if err := ValidateName(q.Object.ID, limit); err != nil {
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: fmt.Errorf("%s: object id: %w", engine, err)}
	}
	if err := ValidateName(q.Subject.ID, limit); err != nil {
		return &authz.EngineError{Kind: authz.EngineBadSubject, Err: fmt.Errorf("%s: subject id: %w", engine, err)}
	}

	return nil
}

// ValidatePermission is [ValidateQuery] for a permission that isn't limited to an
// object.
func ValidatePermission(engine string, q authz.Query, limit int) error {
	q.Object = authz.Object{Type: "none", ID: "none"}

	return ValidateQuery(engine, q, limit)
}

// validateRelation checks what a query asks for.
func validateRelation(engine string, q authz.Query, limit int) error {
	what, name := "relation", q.Relation
	if q.Kind != authz.QueryRelation {
		what, name = "permission", strings.ReplaceAll(name, ":", ".")
		if q.Kind == authz.QueryAttributes {
			what = "action"
		}
	}
	err := ValidateName(name, limit)
	if err == nil && q.Kind != authz.QueryRelation && strings.Contains(name, "*") {
		err = errors.New("holds an asterisk")
	}
	if err != nil {
		return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("%s: %s %q: %w", engine, what, q.Relation, err)}
	}

	return nil
}
