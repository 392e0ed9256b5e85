package load

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
)

var errNoMethods = errors.New("there is no service in the input")

// Policies compiles each source as template says, whose Files it replaces. The policy of a
// lock file is taken as it is.
func Policies(sources []*Source, template lint.Source) ([]*authz.Policy, error) {
	policies := make([]*authz.Policy, len(sources))
	var errs []error
	for i, source := range sources {
		if source.Lock != nil {
			policies[i] = source.Lock

			continue
		}
		template.Files = source.Files
		policy, err := compile(template)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", source.Name, err))

			continue
		}
		policies[i] = policy
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}

	return policies, nil
}

// compile compiles one source. Descriptors of a broken image may be such that reading them
// panics: that is an error.
func compile(source lint.Source) (policy *authz.Policy, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			policy, err = nil, fmt.Errorf("a broken descriptor: %v", recovered)
		}
	}()

	return lint.Compile(source)
}

// Policy compiles all sources into one policy, as [Policies] and [Join] do.
func Policy(sources []*Source, template lint.Source) (*authz.Policy, error) {
	policies, err := Policies(sources, template)
	if err != nil {
		return nil, err
	}

	return Join(sources, policies)
}

// Join makes one policy of those of sources. It is an error if a method is in two of them,
// if they have different subjects or issuers, which only lock files can have, and if there
// is no method.
func Join(sources []*Source, policies []*authz.Policy) (*authz.Policy, error) {
	var whole authz.Policy
	from := map[string]string{}
	var errs []error
	for i, policy := range policies {
		switch {
		case i == 0:
			whole = *policy
			whole.Methods, whole.Faults = nil, nil
		case !sameSubjects(&whole, policy):
			errs = append(errs, fmt.Errorf("%s and %s are of servers with different subjects or issuers: judge them one at a time", sources[0].Name, sources[i].Name))
		case len(policy.Issuers) == 0:
			whole.Issuers = nil // there may be others
		}
		for _, m := range policy.Methods {
			if other, ok := from[m.Method]; ok && len(errs) < maxErrors {
				errs = append(errs, fmt.Errorf("method %s is in %s and in %s", m.Method, other, sources[i].Name))
			}
			from[m.Method] = sources[i].Name
		}
		whole.Methods = append(whole.Methods, policy.Methods...)
		whole.Faults = append(whole.Faults, policy.Faults...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if len(whole.Methods)+len(whole.Faults) == 0 {
		return nil, errNoMethods
	}
	slices.SortFunc(whole.Methods, func(a, b authz.MethodPolicy) int { return cmp.Compare(a.Method, b.Method) })

	return &whole, nil
}

// sameSubjects reports whether two policies are of servers that are configured alike.
// Issuers that one of them doesn't know don't count.
func sameSubjects(a, b *authz.Policy) bool {
	if len(a.Issuers) > 0 && len(b.Issuers) > 0 && !slices.Equal(slices.Sorted(slices.Values(a.Issuers)), slices.Sorted(slices.Values(b.Issuers))) {
		return false
	}

	return a.Subjects == b.Subjects && maps.Equal(a.IssuerSubjects, b.IssuerSubjects) && a.ClaimPermissions == b.ClaimPermissions
}
