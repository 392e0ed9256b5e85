package lumoauthtest

import (
	"maps"
	"net/http"

	"github.com/usher-auth/usher/authz"
)

// attributeCheck is a question to the attribute endpoints.
type attributeCheck struct {
	ResourceType, ResourceID, Action string
	Context                          struct{ Resource, Environment map[string]any }
	Environment                      map[string]any
}

func (c attributeCheck) query(subject authz.Subject) authz.Query {
	environment := c.Context.Environment
	if environment == nil {
		environment = c.Environment
	}

	return authz.Query{
		Kind: authz.QueryAttributes, Object: authz.Object{Type: c.ResourceType, ID: c.ResourceID}, Relation: c.Action, Subject: subject,
		Context: environment, Properties: &authz.Properties{Resource: c.Context.Resource},
	}
}

// attributes handles POST …/abac/check.
func (s *Server) attributes(w http.ResponseWriter, r *http.Request, caller grant) {
	var body struct {
		named
		attributeCheck
	}
	if !decode(w, r, &body) {
		return
	}
	subject, said, ok := s.judge(w, caller, body.named)
	if !ok {
		return
	}
	out, ok := s.decideAttributes(w, r, subject, body.attributeCheck)
	if !ok {
		return
	}
	maps.Copy(out, said)
	writeJSON(w, http.StatusOK, out)
}

// attributesBulk handles POST …/abac/check-bulk.
func (s *Server) attributesBulk(w http.ResponseWriter, r *http.Request, caller grant) {
	var body struct {
		named

		Requests []attributeCheck
	}
	if !decode(w, r, &body) || !sized(w, len(body.Requests)) {
		return
	}
	subject, out, ok := s.judge(w, caller, body.named)
	if !ok {
		return
	}
	results := make([]map[string]any, len(body.Requests))
	for i, check := range body.Requests {
		if results[i], ok = s.decideAttributes(w, r, subject, check); !ok {
			return
		}
	}
	out["results"] = results
	writeJSON(w, http.StatusOK, out)
}

// decideAttributes returns the answer to one question. It answers the request itself,
// and returns false, if there is none.
func (s *Server) decideAttributes(w http.ResponseWriter, r *http.Request, subject authz.Subject, check attributeCheck) (map[string]any, bool) {
	if check.ResourceType == "" || check.Action == "" {
		writeError(w, http.StatusBadRequest, "MISSING_FIELDS", "resourceType and action are required")

		return nil, false
	}
	answer := s.ask(r, check.query(subject))
	if !answered(w, answer) {
		return nil, false
	}
	if answer.Effect == authz.EffectAllowed {
		return map[string]any{"allowed": true, "reason": "a policy allows it", "matchedPolicies": []any{}}, true
	}

	return map[string]any{"allowed": false, "reason": "no policy allows it", "matchedPolicies": []any{}}, true
}
