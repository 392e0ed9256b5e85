package authz

import (
	"fmt"
	"slices"
	"strings"
)

// namedTemplate is a subject's template with the issuer whose tokens fill it in;
// the issuer is empty where it isn't known.
type namedTemplate struct {
	where, issuer string
	template      *template
}

// collisions are the pairs of templates by which a token of one issuer could name
// the subject of another's: who registers with one would choose a name to be
// somebody of the other.
func (s *compiledSubjects) collisions(config *Config) []error {
	var all []namedTemplate
	add := func(where, issuer string, set subjectSet) {
		for kind, t := range map[string]*subjectTemplate{"Service": set.service, "User": set.user} {
			if t != nil {
				all = append(all, namedTemplate{where + "." + kind, issuer, t.template})
			}
		}
	}
	for issuer, set := range s.issuers {
		add(fmt.Sprintf("IssuerSubjects[%q]", issuer), issuer, set)
	}
	rest := slices.DeleteFunc(slices.Clone(config.Issuers), func(issuer string) bool {
		_, own := s.issuers[issuer]

		return own
	})
	if len(rest) == 0 {
		rest = []string{""}
	}
	for _, issuer := range rest {
		add("Subjects", issuer, s.rest)
	}
	slices.SortFunc(all, func(a, b namedTemplate) int { return strings.Compare(a.where+a.issuer, b.where+b.issuer) })
	var errs []error
	told := map[string]bool{}
	for i := range all {
		for _, b := range all[i+1:] {
			if a := all[i]; a.collides(b) && !told[a.where+b.where] {
				told[a.where+b.where] = true
				errs = append(errs, fmt.Errorf(
					"authz: %s %q and %s %q: a token of one issuer can name the subject of another's; give each a type, a prefix or a suffix of its own",
					a.where, a.template.text, b.where, b.template.text))
			}
		}
	}

	return errs
}

// collides says whether two templates of different issuers may give one subject.
// The same template with {$issuer} in it doesn't: no value holds what follows it.
func (n namedTemplate) collides(other namedTemplate) bool {
	a, b := n.template, other.template
	if n.issuer == other.issuer || a.objectType != b.objectType || a.relation != b.relation || a.text == b.text {
		return false
	}
	aStart, aEnd := a.fixed(n.issuer)
	bStart, bEnd := b.fixed(other.issuer)

	return (strings.HasPrefix(aStart, bStart) || strings.HasPrefix(bStart, aStart)) &&
		(strings.HasSuffix(aEnd, bEnd) || strings.HasSuffix(bEnd, aEnd))
}

// fixed is the text that every value of the template starts and ends with, for
// tokens of the issuer.
func (t *template) fixed(issuer string) (start, end string) {
	text := func(p *part) (string, bool) {
		if p.source == sourceIssuer {
			return issuer, issuer != ""
		}

		return p.literal, p.source == sourceLiteral
	}
	var first, last []string
	for i := range t.parts {
		piece, known := text(&t.parts[i])
		if !known {
			break
		}
		first = append(first, piece)
	}
	for _, p := range slices.Backward(t.parts) {
		piece, known := text(&p)
		if !known {
			break
		}
		last = append(last, piece)
	}
	slices.Reverse(last)

	return strings.Join(first, ""), strings.Join(last, "")
}
