package lumoauthtest

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/usher-auth/usher/authz"
)

// expand handles POST …/zanzibar/expand. LumoAuth documents the request and not the
// answer: this one is a tree of the test's own.
func (s *Server) expand(w http.ResponseWriter, r *http.Request, caller grant) {
	var body struct{ Object, Relation string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		writeError(w, http.StatusBadRequest, "INVALID_REQUEST", "not JSON")

		return
	}
	if !slices.Contains(caller.scopes, ScopeCheck) {
		writeError(w, http.StatusForbidden, "insufficient_permissions", "the authz:check scope is required")

		return
	}
	object, ok := parse(body.Object)
	if !ok || object.Relation != "" || body.Relation == "" {
		writeError(w, http.StatusBadRequest, "MISSING_FIELDS", "object and relation are required")

		return
	}
	// The subject of the engine's own explanation is of no matter for an expansion.
	explanation, err := authz.Explain(r.Context(), s.config.Engine, authz.Query{
		Object: authz.Object{Type: object.Type, ID: object.ID}, Relation: body.Relation, Subject: authz.Subject{Type: object.Type, ID: object.ID},
	}, authz.Consistency{})
	if err != nil || explanation.Answer.Err != nil {
		writeError(w, http.StatusBadRequest, "ZANZIBAR_EXPAND_FAILED", "unknown namespace or bad format")

		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": body.Object, "relation": body.Relation, "tree": tree(explanation.Trace)})
}

func tree(trace *authz.Trace) map[string]any {
	if trace == nil {
		return map[string]any{}
	}
	children := make([]any, len(trace.Steps))
	for i, step := range trace.Steps {
		children[i] = tree(step)
	}

	return map[string]any{"userset": trace.Object.String() + "#" + trace.Relation, "children": children}
}
