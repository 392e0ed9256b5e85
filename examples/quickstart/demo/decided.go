package demo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// decidedBy returns which query decided a call, from the server's own record of
// it: the first one that denied or, if none did, those that granted. A call
// without a query was decided by its rule's policy.
func decidedBy(decisions []*authz.Decision) string {
	if len(decisions) == 0 {
		return "no decision"
	}
	if decisions[0].Reason() == authz.ReasonRateLimited {
		return "rate limit"
	}
	var asked []string
	filtered := len(decisions) > 1 // a handler's own checks follow its rule's decision
	for _, decision := range decisions {
		for _, checked := range decision.Checks() {
			query := nameOf(&checked.Query)
			if !decision.Allowed() && checked.Answer.Effect != authz.EffectAllowed && !filtered {
				return query
			}
			if !slices.Contains(asked, query) {
				asked = append(asked, query)
			}
		}
	}
	switch len(asked) {
	case 0:
		rule := decisions[len(decisions)-1].Rule()
		policy, _, _ := strings.Cut(rule, " ")
		if policy == "permission" { // the token has it or not: nothing is asked
			return rule
		}
		return policy
	case 1:
		return asked[0]
	}
	return fmt.Sprintf("%s +%d", asked[0], len(asked)-1)
}

// nameOf returns what a query asks for, without its subject.
func nameOf(q *authz.Query) string {
	switch q.Kind {
	case authz.QueryPermission:
		if q.Object == (authz.Object{}) {
			return "permission " + q.Relation
		}
		return "permission " + q.Relation + " on " + q.Object.String()
	case authz.QueryAttributes:
		return q.Relation + " " + q.Object.String()
	default:
		return q.Object.String() + "#" + q.Relation
	}
}
