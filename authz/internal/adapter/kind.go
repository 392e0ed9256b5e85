package adapter

import (
	"fmt"

	"github.com/usher-auth/usher/authz"
)

// WrongKind returns the error for a query of another kind than the method that got it
// answers, or nil. Such a query must not be sent: a permission isn't a relation that
// happens to have the same name.
func WrongKind(engine string, q authz.Query, want authz.QueryKind) error {
	if q.Kind == want {
		return nil
	}

	return &authz.EngineError{
		Kind: authz.EngineMisconfigured,
		Err:  fmt.Errorf("%s: a query of kind %s where only the kind %s is answered", engine, q.Kind, want),
	}
}
