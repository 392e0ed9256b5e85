package lumoauthtest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// Judged is about which subject the native endpoints of permissions and attributes
// answer, and which one their answers name. LumoAuth's documents disagree about it.
type Judged uint8

// The ways to answer.
const (
	// JudgeSubject answers about the subject of the request, and names it; without
	// one, about the bearer.
	JudgeSubject Judged = iota
	// JudgeBearer ignores the subject of the request, answers about the bearer, and
	// names it. An adapter must never take its answers for the subject's.
	JudgeBearer
	// JudgeBearerUnnamed is JudgeBearer, with answers that name no subject.
	JudgeBearerUnnamed
	// JudgeUnnamed answers about the subject of the request, and doesn't name it.
	JudgeUnnamed
	// JudgeNamingAnother answers about the subject of the request, and names another
	// one.
	JudgeNamingAnother
)

// userType is the type of the subjects that user_id names.
const userType = "user"

// named is how a request to a native endpoint names its subject: both members are
// read, since LumoAuth's documents disagree.
type named struct {
	UserID  string `json:"user_id"`
	Subject *entity
}

// judge returns the subject that a request is answered about, and what its answer says
// of it. It answers with an error itself, and returns false, if the caller may not ask
// about the subject.
func (s *Server) judge(w http.ResponseWriter, caller grant, asked named) (authz.Subject, map[string]any, bool) {
	bearer := bearerSubject(caller)
	subject := bearer
	switch {
	case asked.Subject != nil:
		subject = authz.Subject{Type: asked.Subject.Type, ID: asked.Subject.ID}
	case asked.UserID != "":
		subject = authz.Subject{Type: userType, ID: asked.UserID}
	}
	switch s.config.Judged {
	case JudgeBearer, JudgeBearerUnnamed:
		subject = bearer
	case JudgeSubject, JudgeUnnamed, JudgeNamingAnother:
		if subject != bearer && !slices.Contains(caller.scopes, ScopeCheck) {
			writeError(w, http.StatusForbidden, "insufficient_permissions", "the authz:check scope is required")

			return authz.Subject{}, nil, false
		}
	}
	said := map[string]any{}
	switch s.config.Judged {
	case JudgeUnnamed, JudgeBearerUnnamed:
	case JudgeNamingAnother:
		said["user_id"] = subject.ID + "-another"
	case JudgeSubject, JudgeBearer:
		if subject.Type == userType {
			said["user_id"] = subject.ID
		} else {
			said["subject"] = map[string]any{"type": subject.Type, "id": subject.ID}
		}
	}

	return subject, said, true
}

// bearerSubject is the subject of the token itself. A client's has no type.
func bearerSubject(caller grant) authz.Subject {
	kind, id, ok := strings.Cut(caller.subject, ":")
	if !ok {
		return authz.Subject{Type: "client", ID: caller.subject}
	}

	return authz.Subject{Type: kind, ID: id}
}
