package authz

import (
	"slices"
	"time"
)

// maxClockSkew is how far in the future an authentication may seem to be: the most
// that verifiers allow two clocks to differ. One that is further in the future has
// no age, and meets no max_age.
const maxClockSkew = 5 * time.Minute

// tokenRule is what a rule requires of the caller's access token.
type tokenRule struct {
	scopes    []string
	anyScope  []string
	acrValues []string
	// issuers are the short names of the issuers admitted; none means all.
	issuers []string
	maxAge  time.Duration
	// kinds is set if the rule limits the kinds; otherwise service and user are
	// ignored.
	kinds         bool
	service, user bool
}

// admits refuses a token of an issuer that the rule doesn't name.
func (t *tokenRule) admits(principal Principal) *Error {
	if len(t.issuers) == 0 || slices.Contains(t.issuers, principal.IssuerName()) {
		return nil
	}

	return refusal(ReasonIssuerDenied, "the rule doesn't admit the issuer %s: access_token.issuers has %s",
		quoted(principal.IssuerName()), quotedAll(t.issuers))
}

func (t *tokenRule) check(principal Principal, now func() time.Time) *Error {
	if t.kinds && (!t.service || !principal.IsService()) && (!t.user || !principal.IsUser()) {
		return refusal(ReasonKindDenied, "the rule doesn't admit this kind of token")
	}
	for _, scope := range t.scopes {
		if !principal.HasScope(scope) {
			return &Error{Reason: ReasonInsufficientScope, RequiredScopes: slices.Clone(t.scopes)}
		}
	}
	if len(t.anyScope) > 0 && !slices.ContainsFunc(t.anyScope, principal.HasScope) {
		return &Error{Reason: ReasonInsufficientScope, RequiredScopes: slices.Clone(t.anyScope)}
	}
	weak := len(t.acrValues) > 0 && !slices.Contains(t.acrValues, principal.ACR())
	old := false
	if t.maxAge > 0 {
		authTime := principal.AuthTime()
		age := now().Sub(authTime)
		old = authTime.IsZero() || age > t.maxAge || age < -maxClockSkew
	}
	if !weak && !old {
		return nil
	}
	// RFC 9470 §3: the challenge carries every requirement, so that one step-up
	// meets them all.
	return &Error{Reason: ReasonStepUpRequired, ACRValues: slices.Clone(t.acrValues), MaxAge: t.maxAge}
}
