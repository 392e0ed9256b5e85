package demo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// decidedBy returns which relation decided a call, from the server's own record of
// it: the first one that denied or, if none did, those that granted. A call
// without a check was decided by its rule's policy.
func decidedBy(decisions []*authz.Decision) string {
	if len(decisions) == 0 {
		return "no decision"
	}
	var asked []string
	filtered := len(decisions) > 1 // a handler's own checks follow its rule's decision
	for _, decision := range decisions {
		for _, checked := range decision.Checks() {
			relation := checked.Query.Object.String() + "#" + checked.Query.Relation
			if !decision.Allowed() && checked.Answer.Effect != authz.EffectAllowed && !filtered {
				return relation
			}
			if !slices.Contains(asked, relation) {
				asked = append(asked, relation)
			}
		}
	}
	switch len(asked) {
	case 0:
		policy, _, _ := strings.Cut(decisions[len(decisions)-1].Rule(), " ")
		return policy
	case 1:
		return asked[0]
	}
	return fmt.Sprintf("%s +%d", asked[0], len(asked)-1)
}
