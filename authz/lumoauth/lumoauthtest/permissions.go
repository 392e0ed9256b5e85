package lumoauthtest

import (
	"net/http"

	"github.com/usher-auth/usher/authz"
)

// maxBulk is how many questions one request of a bulk endpoint may hold.
const maxBulk = 100

// permission handles POST /api/v1/authz/check.
func (s *Server) permission(w http.ResponseWriter, r *http.Request, caller grant) {
	var body struct {
		named

		Permission string
		Context    map[string]any
	}
	if !decode(w, r, &body) {
		return
	}
	if body.Permission == "" {
		writeError(w, http.StatusBadRequest, "MISSING_FIELDS", "permission is required")

		return
	}
	subject, out, ok := s.judge(w, caller, body.named)
	if !ok {
		return
	}
	answer := s.ask(r, authz.Query{Kind: authz.QueryPermission, Relation: body.Permission, Subject: subject, Context: body.Context})
	if !answered(w, answer) {
		return
	}
	out["allowed"], out["permission"] = answer.Effect == authz.EffectAllowed, body.Permission
	writeJSON(w, http.StatusOK, out)
}

// permissions handles POST /api/v1/authz/check-bulk.
func (s *Server) permissions(w http.ResponseWriter, r *http.Request, caller grant) {
	var body struct {
		named

		Permissions []string
		Context     map[string]any
	}
	if !decode(w, r, &body) || !sized(w, len(body.Permissions)) {
		return
	}
	subject, out, ok := s.judge(w, caller, body.named)
	if !ok {
		return
	}
	results := map[string]bool{}
	for _, name := range body.Permissions {
		answer := s.ask(r, authz.Query{Kind: authz.QueryPermission, Relation: name, Subject: subject, Context: body.Context})
		if !answered(w, answer) {
			return
		}
		results[name] = answer.Effect == authz.EffectAllowed
	}
	out["results"] = results
	writeJSON(w, http.StatusOK, out)
}

// sized reports whether a bulk request has a number of questions that is allowed, and
// answers itself if it doesn't.
func sized(w http.ResponseWriter, n int) bool {
	if n >= 1 && n <= maxBulk {
		return true
	}
	writeError(w, http.StatusBadRequest, "INVALID_REQUEST", "from 1 to 100 questions")

	return false
}

// answered reports whether an answer has no error, and reports the error itself.
func answered(w http.ResponseWriter, answer authz.Answer) bool {
	status := statusOf(answer.Err)
	if status == http.StatusOK {
		return true
	}
	writeError(w, status, "CHECK_FAILED", "the check failed")

	return false
}
