package lint

import "github.com/usher-auth/usher/authz"

// MatrixRefusal is what a refused caller sees.
type MatrixRefusal struct {
	// When says which call is refused.
	When string `json:"when"`
	// Code is the gRPC code, such as "PERMISSION_DENIED".
	Code string `json:"code"`
	// Reason is the reason in the status, as in [authz.Reason]. Empty if the status has
	// none.
	Reason authz.Reason `json:"reason,omitempty"`
}

const (
	codeInternal          = "INTERNAL"
	codeUnauthenticated   = "UNAUTHENTICATED"
	codePermissionDenied  = "PERMISSION_DENIED"
	codeInvalidArgument   = "INVALID_ARGUMENT"
	codeResourceExhausted = "RESOURCE_EXHAUSTED"
	codeUnavailable       = "UNAVAILABLE"
)

// refusals are what refused callers of the method see.
func (m *MatrixMethod) refusals() []MatrixRefusal {
	switch {
	case len(m.Faults) > 0:
		return []MatrixRefusal{{"every call", codeInternal, authz.ReasonMisconfigured}}
	case m.Policy == "":
		return []MatrixRefusal{{"every call", codePermissionDenied, authz.ReasonRuleMissing}}
	}
	all := []MatrixRefusal{}
	add := func(does bool, when, code string, reason authz.Reason) {
		if does {
			all = append(all, MatrixRefusal{when, code, reason})
		}
	}
	limited := func() {
		add(m.RateLimit != nil, "a call beyond the limit", codeResourceExhausted, authz.ReasonRateLimited)
	}
	if m.Access == AccessPublic {
		limited()

		return all
	}
	add(true, "no token", codeUnauthenticated, authz.ReasonTokenMissing)
	add(true, "an invalid token", codeUnauthenticated, authz.ReasonTokenInvalid)
	add(true, "an expired token", codeUnauthenticated, authz.ReasonTokenExpired)
	if m.Access == AccessDenied {
		add(true, "every other call", codePermissionDenied, authz.ReasonMethodDenied)

		return all
	}
	if t := m.Token; t != nil {
		add(len(t.Issuers) > 0, "a token of another issuer", codePermissionDenied, authz.ReasonIssuerDenied)
		add(len(t.Kinds) > 0, "a caller of another kind", codePermissionDenied, authz.ReasonKindDenied)
	}
	add(m.Token == nil || len(m.Token.Kinds) == 0, "a caller of a kind without a subject", codePermissionDenied, authz.ReasonSubjectUnmapped)
	if t := m.Token; t != nil {
		add(len(t.Scopes)+len(t.AnyScope) > 0, "a token without a scope", codePermissionDenied, authz.ReasonInsufficientScope)
		add(len(t.ACRValues) > 0 || t.MaxAge != "", "a user whose authentication is too weak or too old", codeUnauthenticated, authz.ReasonStepUpRequired)
	}
	limited()
	add(m.names(), "a request that doesn't name what the rule reads", codeInvalidArgument, authz.ReasonObjectMissing)
	denied := authz.ReasonRelationDenied
	if m.OnDeny == "NOT_FOUND" {
		denied = ""
	}
	add(m.Access == AccessCondition || m.Access == AccessHandler, "a caller that the policy denies", m.OnDeny, denied)
	add(m.Freshness != nil, "an engine without an answer", codeUnavailable, authz.ReasonEngineUnavailable)

	return all
}

// names reports whether a request that leaves out what the rule reads, or has an id that
// can't be one, is refused with INVALID_ARGUMENT.
func (m *MatrixMethod) names() bool {
	return !m.Condition.each(func(c *MatrixCondition) bool {
		if c.Kind == "match" || c.Kind == "expression" {
			return true
		}
		one := MatrixCondition{
			Object: c.Object, Subject: c.Subject, Context: c.Context, ResourceProperties: c.ResourceProperties,
			SubjectProperties: c.SubjectProperties, ActionProperties: c.ActionProperties,
		}

		return len(one.reads()) == 0
	})
}
