package lumoauthtest

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/usher-auth/usher/authz"
)

type entity struct {
	Type, ID   string
	Properties map[string]any
}

// evaluationBody is an evaluation, or an item or the defaults of evaluations.
type evaluationBody struct {
	Subject, Resource *entity
	Action            *struct {
		Name       string
		Properties map[string]any
	}
	Context map[string]any
}

// or fills in what the item leaves out from the request's defaults.
func (b evaluationBody) or(defaults evaluationBody) evaluationBody {
	if b.Subject == nil {
		b.Subject = defaults.Subject
	}
	if b.Resource == nil {
		b.Resource = defaults.Resource
	}
	if b.Action == nil {
		b.Action = defaults.Action
	}
	if b.Context == nil {
		b.Context = defaults.Context
	}

	return b
}

func (s *Server) query(b evaluationBody) (authz.Query, bool) {
	if b.Subject == nil || b.Resource == nil || b.Action == nil {
		return authz.Query{}, false
	}
	q := authz.Query{
		Object: authz.Object{Type: b.Resource.Type, ID: b.Resource.ID}, Relation: b.Action.Name,
		Subject: authz.Subject{Type: b.Subject.Type, ID: b.Subject.ID}, Context: b.Context,
	}
	if s.config.EvaluationKind != nil {
		q.Kind = s.config.EvaluationKind(q.Relation)
	}
	if q.Kind == authz.QueryAttributes {
		q.Properties = &authz.Properties{Subject: b.Subject.Properties, Action: b.Action.Properties, Resource: b.Resource.Properties}
	}

	return q, true
}

// evaluation handles POST /api/v1/authz/v1/evaluation.
func (s *Server) evaluation(w http.ResponseWriter, r *http.Request, caller grant) {
	var body evaluationBody
	if !decode(w, r, &body) || !authorized(w, caller) {
		return
	}
	query, ok := s.query(body)
	if !ok {
		writeError(w, http.StatusBadRequest, "MISSING_FIELDS", "subject, action and resource are required")

		return
	}
	answer := s.ask(r, query)
	if status := statusOf(answer.Err); status != http.StatusOK {
		writeError(w, status, "CHECK_FAILED", "the evaluation failed")

		return
	}
	writeJSON(w, http.StatusOK, decisionOf(answer))
}

// evaluations handles POST /api/v1/authz/v1/evaluations, with execute_all
// semantics.
func (s *Server) evaluations(w http.ResponseWriter, r *http.Request, caller grant) {
	var body struct {
		evaluationBody

		Evaluations []evaluationBody
	}
	if !decode(w, r, &body) || !authorized(w, caller) {
		return
	}
	answers := make([]map[string]any, len(body.Evaluations))
	for i, item := range body.Evaluations {
		query, ok := s.query(item.or(body.evaluationBody))
		if !ok {
			answers[i] = itemError(http.StatusBadRequest)

			continue
		}
		answer := s.ask(r, query)
		if status := statusOf(answer.Err); status != http.StatusOK {
			answers[i] = itemError(status)

			continue
		}
		answers[i] = decisionOf(answer)
	}
	writeJSON(w, http.StatusOK, map[string]any{"evaluations": answers})
}

func decisionOf(answer authz.Answer) map[string]any {
	out := map[string]any{"decision": answer.Effect == authz.EffectAllowed}
	if len(answer.Context) > 0 {
		out["context"] = answer.Context
	}

	return out
}

func itemError(status int) map[string]any {
	return map[string]any{"decision": false, "context": map[string]any{
		"error": map[string]any{"status": status, "message": "the evaluation failed"},
	}}
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		writeError(w, http.StatusBadRequest, "INVALID_REQUEST", "not JSON")

		return false
	}

	return true
}

// authorized requires the scope always, since an evaluation names its subject.
func authorized(w http.ResponseWriter, caller grant) bool {
	if slices.Contains(caller.scopes, ScopeCheck) {
		return true
	}
	writeError(w, http.StatusForbidden, "insufficient_permissions", "the authz:check scope is required")

	return false
}
