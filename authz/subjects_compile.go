package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/usher-auth/usher/authz/internal/template"
)

// subjectSet is the compiled Subjects of one issuer, or of all other issuers.
type subjectSet struct{ service, user *subjectTemplate }

// subjectTemplate is a subject with the fixed part of the query's key.
type subjectTemplate struct {
	template *template.Template
	prefix   string
	// where is the template's place, as in "Subjects.User".
	where string
}

func newSubjectTemplate(t *template.Template, where string) *subjectTemplate {
	return &subjectTemplate{template: t, prefix: keySubject(t.Type(), t.Relation()), where: where}
}

// compiledSubjects are all configured subjects.
type compiledSubjects struct {
	rest    subjectSet
	issuers map[string]subjectSet
	// named lists all templates, sorted by their place.
	named []namedTemplate
	// none is set if no subject is configured at all.
	none bool
	// given and givenByIssuer are the texts.
	given         Subjects
	givenByIssuer map[string]Subjects
}

// of returns the template for a principal, nil if its kind has none.
func (s *compiledSubjects) of(principal Principal) *subjectTemplate {
	set := s.rest
	if len(s.issuers) > 0 {
		if own, ok := s.issuers[principal.IssuerName()]; ok {
			set = own
		}
	}
	switch {
	case principal.IsService():
		return set.service
	case principal.IsUser():
		return set.user
	default:
		return nil
	}
}

// all returns every configured template.
func (s *compiledSubjects) all() []*subjectTemplate {
	var all []*subjectTemplate
	sets := []subjectSet{s.rest}
	for _, issuer := range slices.Sorted(maps.Keys(s.issuers)) {
		sets = append(sets, s.issuers[issuer])
	}
	for _, set := range sets {
		for _, t := range []*subjectTemplate{set.service, set.user} {
			if t != nil {
				all = append(all, t)
			}
		}
	}

	return all
}

func compileSubjects(config *Config) (compiledSubjects, error) {
	var errs []error
	subjects := compiledSubjects{issuers: map[string]subjectSet{}, given: config.Subjects, givenByIssuer: maps.Clone(config.IssuerSubjects)}
	rest := config.rest()
	if len(config.issuers) > 0 && len(rest) == 0 {
		rest = config.issuers[:1] // no issuer uses it: each has its own
	}
	subjects.rest = compileSubjectSet("Subjects", config.Subjects, rest, &errs)
	for _, issuer := range slices.Sorted(maps.Keys(config.IssuerSubjects)) {
		name := fmt.Sprintf("IssuerSubjects[%q]", issuer)
		subjects.issuers[issuer] = compileSubjectSet(name, config.IssuerSubjects[issuer], issuerNames{issuer}, &errs)
	}
	subjects.named = subjects.names(config)
	errs = append(errs, subjects.collisions()...)
	subjects.none = subjects.rest == subjectSet{} && len(subjects.issuers) == 0

	return subjects, errors.Join(errs...)
}

// rest returns the issuers that have no subjects of their own.
func (c *Config) rest() issuerNames {
	return slices.DeleteFunc(slices.Clone(c.issuers), func(issuer string) bool {
		_, own := c.IssuerSubjects[issuer]

		return own
	})
}

// compileSubjectSet compiles the subjects of some issuers.
func compileSubjectSet(name string, subjects Subjects, issuers issuerNames, errs *[]error) subjectSet {
	compile := func(kind, text string) *subjectTemplate {
		if text == "" {
			return nil
		}
		where := name + "." + kind
		t, bad := template.Parse(text, template.RoleConfiguredSubject, nil)
		if bad == nil {
			bad = issuers.unusable(t)
		}
		if bad != nil {
			*errs = append(*errs, fmt.Errorf("authz: %s: column %d: %s; %s", where, bad.Column, bad.Problem, bad.Fix))

			return nil
		}
		if err := judgeSubject(t, kind, issuers); err != nil {
			*errs = append(*errs, fmt.Errorf("authz: %s: %w", where, err))

			return nil
		}

		return newSubjectTemplate(t, where)
	}

	return subjectSet{service: compile("Service", subjects.Service), user: compile("User", subjects.User)}
}

// judgeSubject returns why a configured template can't identify a caller, nil if it
// can.
func judgeSubject(t *template.Template, kind string, issuers issuerNames) error {
	client := readsClient(t)
	switch {
	case kind == "User" && t.Reads(template.SourceClientID) != nil:
		return errors.New("{$client_id} would give a user's token the rights of the client that it was minted through; use {$sub}")
	case kind == "User" && client != nil:
		return fmt.Errorf("{%s} would give a user's token the rights of the client that it was minted through; use {$sub}", client.Name())
	case readsPrincipal(t) == nil:
		return fmt.Errorf("%q makes every caller the same subject; use {$sub} or {$client_id}", t.String())
	case issuers.one() || readsIssuer(t):
		return nil
	case len(issuers) > 0:
		return errors.New("with several issuers the template must hold {$issuer}, or each issuer its own IssuerSubjects: the same sub under two issuers is two subjects")
	default:
		return errors.New("the issuers aren't known, so the template must hold {$issuer}: the same sub under two issuers is two subjects; or " + fixIssuers)
	}
}
