package httpapi

import (
	"fmt"

	"github.com/usher-auth/usher/authz"
)

// ValidateQuery refuses a query whose types, relations or ids [ValidateName]
// refuses, with the error that [authz.QueryValidator] asks for. The error shows
// types and relations, which are the operator's, but not ids, which are the caller's.
func ValidateQuery(engine string, q authz.Query, limit int) error {
	for _, name := range [...]struct{ what, value string }{
		{"object type", q.Object.Type}, {"relation", q.Relation}, {"subject type", q.Subject.Type}, {"subject relation", q.Subject.Relation},
	} {
		if name.value == "" && name.what == "subject relation" {
			continue
		}
		if err := ValidateName(name.value, limit); err != nil {
			return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("%s: %s %q: %w", engine, name.what, name.value, err)}
		}
	}
	if err := ValidateName(q.Object.ID, limit); err != nil {
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: fmt.Errorf("%s: object id: %w", engine, err)}
	}
	if err := ValidateName(q.Subject.ID, limit); err != nil {
		return &authz.EngineError{Kind: authz.EngineBadSubject, Err: fmt.Errorf("%s: subject id: %w", engine, err)}
	}

	return nil
}
