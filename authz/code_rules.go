package authz

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// codeRules are the rules in code, by selector.
type codeRules struct {
	rules  []*codeRule
	exact  map[string]*codeRule
	prefix map[string]*codeRule
}

type codeRule struct {
	rule    MethodRule
	matched bool
}

func newCodeRules(rules []MethodRule) (*codeRules, error) {
	var errs []error
	c := &codeRules{exact: map[string]*codeRule{}, prefix: map[string]*codeRule{}}
	for _, rule := range rules {
		entry := &codeRule{rule: rule}
		if err := checkCodeRule(rule); err != nil {
			errs = append(errs, err)

			continue
		}
		c.rules = append(c.rules, entry)
		for _, selector := range append([]string{rule.Selector}, rule.alternatives...) {
			index, key := c.exact, strings.TrimPrefix(selector, "/")
			if service, all := strings.CutSuffix(key, "/*"); all {
				index, key = c.prefix, service
			}
			if index[key] != nil {
				errs = append(errs, fmt.Errorf("authz: Rules: selector %q is given twice; remove one", selector))

				continue
			}
			index[key] = entry
		}
	}

	return c, errors.Join(errs...)
}

func checkCodeRule(rule MethodRule) error {
	service, method, ok := strings.Cut(strings.TrimPrefix(rule.Selector, "/"), "/")
	valid := ok && protoreflect.FullName(service).IsValid() && (method == "*" || protoreflect.Name(method).IsValid())
	if !valid {
		return fmt.Errorf("authz: Rules: selector %q isn't one; write pkg.Service/Method or pkg.Service/*", rule.Selector)
	}
	if rule.Rule == nil {
		return fmt.Errorf("authz: Rules: selector %q has no rule", rule.Selector)
	}
	wire, err := proto.Marshal(rule.Rule)
	if err == nil {
		err = verifyWire((*authzv1.Rule)(nil).ProtoReflect().Descriptor(), wire, "")
	}
	if err != nil {
		return fmt.Errorf("authz: Rules: selector %q: %w", rule.Selector, err)
	}

	return nil
}

func (c *codeRules) find(service protoreflect.FullName, method protoreflect.Name) *authzv1.Rule {
	entry := c.exact[string(service)+"/"+string(method)]
	if all := c.prefix[string(service)]; all != nil {
		all.matched = true
		if entry == nil {
			entry = all
		}
	}
	if entry == nil {
		return nil
	}
	entry.matched = true
	if own := entry.rule.methods[string(method)]; own != nil {
		return own
	}

	return entry.rule.Rule
}

func (c *codeRules) unmatched() error {
	var errs []error
	for _, entry := range c.rules {
		if !entry.matched {
			errs = append(errs, fmt.Errorf("authz: Rules: selector %q matches no linked method; link the service or leave the rule out", entry.rule.Selector))
		}
	}

	return errors.Join(errs...)
}
