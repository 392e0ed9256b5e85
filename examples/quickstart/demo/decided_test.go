package demo

import (
	"testing"

	"github.com/usher-auth/usher/authz"
)

// The table names a query of each kind as its rule does.
func TestQueriesAreNamedByTheirKind(t *testing.T) {
	document := authz.Object{Type: "document", ID: "1"}
	for want, query := range map[string]authz.Query{
		"document:1#viewer":                       {Object: document, Relation: "viewer"},
		"permission documents.edit":               {Kind: authz.QueryPermission, Relation: "documents.edit"},
		"permission documents.edit on document:1": {Kind: authz.QueryPermission, Relation: "documents.edit", Object: document},
		"edit document:1":                         {Kind: authz.QueryAttributes, Relation: "edit", Object: document},
	} {
		query.Subject = authz.Subject{Type: "user", ID: "alice"}
		if got := nameOf(&query); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
