package lumoauthtest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// api authenticates a request, by bearer token or X-API-Key but not both, and
// counts it.
func (s *Server) api(next func(http.ResponseWriter, *http.Request, grant)) http.HandlerFunc {
	return s.limited("api ", s.config.CheckLimit, next)
}

// limited is api with the requests counted under a name of their own.
func (s *Server) limited(name string, limit int, next func(http.ResponseWriter, *http.Request, grant)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		bearer, hasBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		key := r.Header.Get("X-Api-Key")
		var caller grant
		ok := false
		switch {
		case hasBearer && key != "":
			writeError(w, http.StatusBadRequest, "INVALID_REQUEST", "a bearer token and an API key")

			return
		case hasBearer:
			caller, ok = s.lookup(bearer)
		case key != "":
			caller, ok = grant{scopes: []string{ScopeCheck}}, slices.Contains(s.config.APIKeys, key)
		}
		if !ok {
			writeError(w, http.StatusUnauthorized, "unauthorized", "no valid credentials")

			return
		}
		if s.admit(w, name+bearer+key, limit) {
			next(w, r, caller)
		}
	}
}

// check handles POST …/zanzibar/check.
func (s *Server) check(w http.ResponseWriter, r *http.Request, caller grant) {
	var body struct{ Object, Relation, Subject, User string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		writeError(w, http.StatusBadRequest, "INVALID_REQUEST", "not JSON")

		return
	}
	if body.Subject == "" {
		body.Subject = body.User
	}
	if body.Object == "" || body.Relation == "" || body.Subject == "" {
		writeError(w, http.StatusBadRequest, "MISSING_FIELDS", "object, relation and subject are required")

		return
	}
	if body.Subject != caller.subject && !slices.Contains(caller.scopes, ScopeCheck) {
		writeError(w, http.StatusForbidden, "insufficient_permissions", "the authz:check scope is required")

		return
	}
	object, okObject := parse(body.Object)
	subject, okSubject := parse(body.Subject)
	if !okObject || !okSubject || object.Relation != "" {
		writeError(w, http.StatusBadRequest, "ZANZIBAR_CHECK_FAILED", "bad format")

		return
	}
	answer := s.ask(r, authz.Query{Object: authz.Object{Type: object.Type, ID: object.ID}, Relation: body.Relation, Subject: subject})
	switch status := statusOf(answer.Err); status {
	case http.StatusOK:
		writeJSON(w, http.StatusOK, map[string]any{
			"allowed": answer.Effect == authz.EffectAllowed,
			"object":  body.Object, "relation": body.Relation, "subject": body.Subject,
		})
	case http.StatusBadRequest:
		writeError(w, status, "ZANZIBAR_CHECK_FAILED", "unknown namespace or bad format")
	default:
		writeError(w, http.StatusInternalServerError, "CHECK_FAILED", "the check failed")
	}
}

// parse splits type:id or type:id#relation.
func parse(text string) (authz.Subject, bool) {
	object, relation, _ := strings.Cut(text, "#")
	kind, id, ok := strings.Cut(object, ":")

	return authz.Subject{Type: kind, ID: id, Relation: relation}, ok && kind != "" && id != ""
}

func (s *Server) ask(r *http.Request, q authz.Query) authz.Answer {
	ask := s.config.Engine.Check
	switch {
	case q.Kind == authz.QueryPermission && s.config.Permissions != nil:
		ask = s.config.Permissions.CheckPermissions
	case q.Kind == authz.QueryAttributes && s.config.Attributes != nil:
		ask = s.config.Attributes.EvaluateAttributes
	case q.Kind != authz.QueryRelation:
		return authz.Answer{Err: &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New("lumoauthtest: no engine answers the kind " + q.Kind.String())}}
	}
	result, err := ask(r.Context(), authz.Batch{Queries: []authz.Query{q}})
	if err != nil {
		return authz.Answer{Err: err}
	}
	if len(result.Answers) != 1 {
		return authz.Answer{Err: errors.New("lumoauthtest: the engine gave no answer")}
	}

	return result.Answers[0]
}

// statusOf returns the status with which LumoAuth reports an engine's error.
func statusOf(err error) int {
	var fault *authz.EngineError
	switch {
	case err == nil:
		return http.StatusOK
	case !errors.As(err, &fault):
		return http.StatusInternalServerError
	}
	switch fault.Kind {
	case authz.EngineMisconfigured, authz.EngineBadRequest, authz.EngineBadSubject:
		return http.StatusBadRequest
	case authz.EngineUnavailable, authz.EngineRefused, authz.EngineBadRevision:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"error": true, "status": status, "code": code, "message": message})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // maps of plain values; a peer that left reads nothing
}
