package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cmd/internal/load"
)

// draft is what each tool judges.
type draft struct {
	Source string `json:"source,omitempty" jsonschema:"text of a .proto file to judge, complete; without it the files that the operator named are judged"`
	Path   string `json:"path,omitempty"   jsonschema:"name of the draft as imports give it, such as docs/v1/docs.proto; it takes the place of the operator's file of that name, and nothing is written. Default draft.proto"`
}

// scope is which methods a tool judges.
type scope struct {
	Only []string `json:"only,omitempty" jsonschema:"judge only these methods, as pkg.Service/Method or pkg.Service"`
}

const (
	defaultPath = "draft.proto"
	maxPath     = 256
	maxOnly     = 100
)

var (
	errNothing = errors.New("there is nothing to judge: the operator named no files, so give the source")
	errSource  = fmt.Errorf("the source is larger than %d KiB", MaxSource>>10)
	errPath    = errors.New("the path isn't a name like docs/v1/docs.proto")
)

// sources reads the operator's files with the draft in the place of its own.
func (t *tools) sources(ctx context.Context, d draft) ([]*load.Source, error) {
	config := load.Config{Inputs: t.config.Inputs, Roots: t.config.Roots}
	switch {
	case d.Source == "" && d.Path != "":
		return nil, errors.New("there is a path and no source: a path names a draft, and no file to read")
	case d.Source == "" && len(config.Inputs) == 0:
		return nil, errNothing
	case len(d.Source) > MaxSource:
		return nil, errSource
	case d.Source != "":
		path := d.Path
		if path == "" {
			path = defaultPath
		}
		if len(path) > maxPath || !fs.ValidPath(path) || !strings.HasSuffix(path, ".proto") || strings.ContainsAny(path, "\\\x00") {
			return nil, errPath
		}
		config.Sources = map[string][]byte{path: []byte(d.Source)}
	}

	return load.Read(ctx, config)
}

// policy compiles what a tool judges.
func (t *tools) policy(ctx context.Context, d draft, s scope) (*authz.Policy, []*load.Source, error) {
	sources, err := t.sources(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	policy, err := load.Policy(sources, t.config.Template)
	if err != nil {
		return nil, nil, err
	}
	if policy, err = s.of(policy); err != nil {
		return nil, nil, err
	}

	return policy, sources, nil
}

// of returns the part of a policy that the scope names. A name that matches nothing is an
// error, since it would hide everything.
func (s scope) of(policy *authz.Policy) (*authz.Policy, error) {
	if len(s.Only) > maxOnly {
		return nil, fmt.Errorf("only has more than %d names", maxOnly)
	}
	for _, name := range s.Only {
		one := scope{Only: []string{name}}
		if !slices.ContainsFunc(policy.Methods, func(m authz.MethodPolicy) bool { return one.names(m.Method) }) &&
			!slices.ContainsFunc(policy.Faults, func(f *authz.RuleError) bool { return one.names(f.Method) }) {
			return nil, fmt.Errorf("only: no method or service is %.100q", name)
		}
	}

	return s.within(policy), nil
}

// within returns the part of a policy that the scope names, which may be nothing.
func (s scope) within(policy *authz.Policy) *authz.Policy {
	if len(s.Only) == 0 {
		return policy
	}
	part := *policy
	part.Methods, part.Faults = nil, nil
	for _, m := range policy.Methods {
		if s.names(m.Method) {
			part.Methods = append(part.Methods, m)
		}
	}
	for _, fault := range policy.Faults {
		if s.names(fault.Method) {
			part.Faults = append(part.Faults, fault)
		}
	}

	return &part
}

// names reports whether the scope names a method or a service.
func (s scope) names(method string) bool {
	return slices.ContainsFunc(s.Only, func(name string) bool {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "/"), "/*")

		return method == name || strings.HasPrefix(method, name+"/")
	})
}
