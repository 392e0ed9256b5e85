package authz

import (
	"strconv"

	"github.com/usher-auth/usher/authz/internal/template"
)

// ruledSubject is a rule's own subject that reads the token.
type ruledSubject struct {
	method   *Method
	site     *site
	path     string
	template *template.Template
	// issuers are those whose tokens the rule admits.
	issuers issuerNames
	// fault is the fault that tellApart finds, if any.
	fault *RuleError
}

// meets reports whether two rules may give one subject to callers of two issuers.
func (r *ruledSubject) meets(other *ruledSubject) bool {
	if tellsIssuers(r.template, other.template) {
		return false // no value holds what follows the issuer
	}
	for _, issuer := range r.issuers.orUnknown() {
		for _, others := range other.issuers.orUnknown() {
			a, b := namedTemplate{issuer: issuer, template: r.template}, namedTemplate{kind: "other", issuer: others, template: other.template}
			if (issuer == "" || issuer != others) && a.collides(b) {
				return true
			}
		}
	}

	return false
}

// orUnknown returns the names, or one empty name if they aren't known.
func (n issuerNames) orUnknown() issuerNames {
	if len(n) == 0 {
		return issuerNames{""}
	}

	return n
}

// tellApart returns the subjects of one service's rules by which a token of one
// issuer could name the subject of another's token, and sets their faults. It
// doesn't compare rules of other services, since a service that is merely linked
// must not stop a server.
func tellApart(subjects []*ruledSubject) []*ruledSubject {
	var faulty []*ruledSubject
	for i, r := range subjects {
		for j, other := range subjects {
			if i == j || !r.meets(other) {
				continue
			}
			r.fault = &RuleError{
				ID: FaultRuleInvalid, File: r.site.file, Line: r.site.line, Method: r.site.method, Path: r.path, Column: -1,
				Problem: "a token of one issuer can name the subject of another's, by " + strconv.Quote(r.template.String()) + " here and " +
					strconv.Quote(other.template.String()) + " in " + other.site.method,
				Fix: "give each a type, a prefix or a suffix of its own, or put {$issuer} into both in the same way",
			}
			faulty = append(faulty, r)

			break
		}
	}

	return faulty
}
