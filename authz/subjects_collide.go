package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz/internal/template"
)

// namedTemplate is a subject's template, with the issuer and the kind of the tokens
// that fill it in. The issuer is empty if it isn't known.
type namedTemplate struct {
	where, kind, issuer string
	template            *template.Template
}

// collisions returns an error for each pair of templates by which one token could
// name the subject of another: of a token of another issuer, or of a user for a
// service's token. A caller could otherwise register a client or a user under a
// name that makes it another caller.
func (s *compiledSubjects) collisions() []error {
	all := s.named
	var errs []error
	told := map[string]bool{}
	for i := range all {
		for _, b := range all[i+1:] {
			if a := all[i]; a.collides(b) && !told[a.where+b.where] {
				told[a.where+b.where] = true
				errs = append(errs, fmt.Errorf(
					"authz: %s %q and %s %q: %s; give each a type, a prefix or a suffix of its own",
					a.where, a.template.String(), b.where, b.template.String(), a.danger(b)))
			}
		}
	}

	return errs
}

// names lists the templates, each with every issuer whose tokens fill it in.
func (s *compiledSubjects) names(config *Config) []namedTemplate {
	var all []namedTemplate
	add := func(where, issuer string, set subjectSet) {
		for kind, t := range map[string]*subjectTemplate{"Service": set.service, "User": set.user} {
			if t != nil {
				all = append(all, namedTemplate{where + "." + kind, kind, issuer, t.template})
			}
		}
	}
	for issuer, set := range s.issuers {
		add(fmt.Sprintf("IssuerSubjects[%q]", issuer), issuer, set)
	}
	rest := config.rest()
	if len(config.issuers) == 0 {
		rest = issuerNames{""}
	}
	for _, issuer := range rest {
		add("Subjects", issuer, s.rest)
	}
	slices.SortFunc(all, func(a, b namedTemplate) int { return strings.Compare(a.where+a.issuer, b.where+b.issuer) })

	return all
}

// taken returns the configured template by which a caller of another issuer may be
// the subject that a rule's own template gives to the callers it admits, nil if
// there is none. Within one issuer, a rule may give a caller the subject of
// another: that is the rule's decision.
func (s *compiledSubjects) taken(t *template.Template, admitted issuerNames) *namedTemplate {
	if readsPrincipal(t) == nil {
		return nil
	}
	for _, issuer := range admitted.orUnknown() {
		for i := range s.named {
			of := &s.named[i]
			if (issuer == "" || issuer != of.issuer) && !tellsIssuers(t, of.template) && (namedTemplate{issuer: issuer, template: t}).collides(*of) {
				return of
			}
		}
	}

	return nil
}

// tellsIssuers reports whether two templates have {$issuer} in the same way, so
// that the tokens of two issuers never give them one value.
func tellsIssuers(a, b *template.Template) bool {
	return a.String() == b.String() && readsIssuer(a) || a.SameIssuerStart(b)
}

func (n namedTemplate) danger(other namedTemplate) string {
	if n.issuer == other.issuer {
		return "a client with a user's name is that user's subject"
	}

	return "a token of one issuer can name the subject of another's"
}

// collides reports whether two templates may give one subject to two callers. One
// template with {$issuer} in it doesn't for different issuers, since no value holds
// what follows it.
func (n namedTemplate) collides(other namedTemplate) bool {
	a, b := n.template, other.template
	if a.Type() != b.Type() || a.Relation() != b.Relation() {
		return false
	}
	if n.issuer == other.issuer && n.kind == other.kind {
		return false
	}
	if n.issuer != other.issuer && a.String() == b.String() && readsIssuer(a) {
		return false
	}
	aStart, aEnd := a.Fixed(n.issuer)
	bStart, bEnd := b.Fixed(other.issuer)

	return (strings.HasPrefix(aStart, bStart) || strings.HasPrefix(bStart, aStart)) &&
		(strings.HasSuffix(aEnd, bEnd) || strings.HasSuffix(bEnd, aEnd))
}
