package load

import (
	"cmp"
	"errors"
	"fmt"
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

// Policy compiles all sources into one policy. A method that is in two of them, and a
// policy without any method, is an error.
func Policy(sources []*Source, template lint.Source) (*authz.Policy, error) {
	policies, err := Policies(sources, template)
	if err != nil {
		return nil, err
	}
	var whole authz.Policy
	from := map[string]string{}
	var errs []error
	for i, policy := range policies {
		if i == 0 {
			whole = *policy
			whole.Methods, whole.Faults = nil, nil
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
