package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// subjectSet is the compiled Subjects of one issuer, or of all others.
type subjectSet struct{ service, user *subjectTemplate }

// subjectTemplate is a subject with the part of the query's key that is fixed.
type subjectTemplate struct {
	template *template
	prefix   string
}

func newSubjectTemplate(t *template) *subjectTemplate {
	return &subjectTemplate{template: t, prefix: keySubject(t.objectType, t.relation)}
}

// compiledSubjects are all configured subjects.
type compiledSubjects struct {
	rest    subjectSet
	issuers map[string]subjectSet
	// none says that no subject is configured at all.
	none bool
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

func compileSubjects(config *Config) (compiledSubjects, error) {
	var errs []error
	shared := len(config.Issuers) > 1 || len(config.IssuerSubjects) > 0
	subjects := compiledSubjects{issuers: map[string]subjectSet{}}
	subjects.rest = compileSubjectSet("Subjects", config.Subjects, shared, &errs)
	taken := map[string]string{}
	for _, issuer := range slices.Sorted(maps.Keys(config.IssuerSubjects)) {
		name := fmt.Sprintf("IssuerSubjects[%q]", issuer)
		set := compileSubjectSet(name, config.IssuerSubjects[issuer], false, &errs)
		subjects.issuers[issuer] = set
		for _, t := range []*subjectTemplate{set.service, set.user} {
			if t == nil || t.template.uses(sourceIssuer) {
				continue
			}
			if other := taken[t.template.text]; other != "" && other != issuer {
				errs = append(errs, fmt.Errorf("authz: %s: template %q is that of issuer %q: the same sub under two issuers must be two subjects; use {$issuer}", name, t.template.text, other))
			}
			taken[t.template.text] = issuer
		}
	}
	for _, issuer := range config.Issuers {
		if len(config.Issuers) > 1 && screenID([]byte(issuer)) != statusOK {
			errs = append(errs, fmt.Errorf("authz: Issuers: %q can't stand in a subject; give the issuer a short name", issuer))
		}
	}

	errs = append(errs, subjects.collisions(config)...)
	subjects.none = subjects.rest == subjectSet{} && len(subjects.issuers) == 0

	return subjects, errors.Join(errs...)
}

func compileSubjectSet(name string, subjects Subjects, shared bool, errs *[]error) subjectSet {
	compile := func(kind, text string) *subjectTemplate {
		if text == "" {
			return nil
		}
		where := "authz: " + name + "." + kind
		t, bad := parseTemplate(text, roleConfiguredSubject, nil)
		switch {
		case bad != nil:
			*errs = append(*errs, fmt.Errorf("%s: column %d: %s; %s", where, bad.column, bad.problem, bad.fix))

			return nil
		case kind == "User" && t.uses(sourceClientID):
			*errs = append(*errs, fmt.Errorf("%s: {$client_id} would give a user's token the rights of the client that it was minted through; use {$sub}", where))

			return nil
		case !t.uses(sourceSubject) && !t.uses(sourceClientID) && !t.uses(sourceClaim):
			*errs = append(*errs, fmt.Errorf("%s: %q makes every caller the same subject; use {$sub} or {$client_id}", where, text))

			return nil
		case shared && !t.uses(sourceIssuer):
			*errs = append(*errs, fmt.Errorf("%s: with several issuers the template must hold {$issuer}, or each issuer its own IssuerSubjects: the same sub under two issuers is two subjects", where))

			return nil
		}

		return newSubjectTemplate(t)
	}

	return subjectSet{service: compile("Service", subjects.Service), user: compile("User", subjects.User)}
}
