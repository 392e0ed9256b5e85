package lint

import (
	"slices"
	"strings"
	"unicode"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// minReason is the number of letters and digits that a reason has at least.
const minReason = 4

// fillers are reasons that give none.
var fillers = []string{"todo", "tbd", "fixme", "none", "reason", "temporary", "temp", "test", "because", "unknown"}

// reason reports a policy that takes a decision from the rules, or all callers, and
// doesn't say why.
func (l *linter) reason(m *authz.MethodPolicy) {
	var part, reason, what string
	switch policy := m.Rule.GetPolicy().(type) {
	case *authzv1.Rule_Public:
		part, reason, what = "public", policy.Public.GetReason(), "anyone may call"
	case *authzv1.Rule_Handler:
		part, reason, what = "handler", policy.Handler.GetReason(), "the handler decides"
	case *authzv1.Rule_Deny:
		part, reason, what = "deny", policy.Deny.GetReason(), "no caller may call"
	default:
		return
	}
	count := 0
	for _, r := range reason {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			count++
		}
	}
	filler := slices.Contains(fillers, strings.ToLower(strings.Trim(reason, " .!?:-")))
	if count >= minReason && !filler {
		return
	}
	problem := what + ", and the rule doesn't say why"
	if reason != "" {
		problem = what + ", and the reason says nothing"
	}
	l.add(m, Finding{
		ID: IDReason, Path: m.Path(part), Offset: -1, Problem: problem,
		Fix: "write " + part + `: { reason: "…" }, for reviewers`,
	}, false)
}
