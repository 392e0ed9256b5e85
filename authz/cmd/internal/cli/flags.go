package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cel"
	"github.com/usher-auth/usher/authz/cmd/internal/load"
	"github.com/usher-auth/usher/authz/cmd/internal/model"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
)

// list is a flag that can be repeated, and that may have several values with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	for value := range strings.SplitSeq(text, ",") {
		if value = strings.TrimSpace(value); value == "" {
			return errors.New("an empty value")
		}
		*l = append(*l, value)
	}

	return nil
}

// paths is a flag that can be repeated.
type paths []string

func (p *paths) String() string { return strings.Join(*p, " ") }

func (p *paths) Set(text string) error {
	if text == "" {
		return errors.New("an empty path")
	}
	*p = append(*p, text)

	return nil
}

// common are the flags that all commands have: what is read, and what a server's
// configuration adds to it.
type common struct {
	in               paths
	roots            paths
	schema           string
	service, user    string
	issuers          list
	claimPermissions bool
	only             list

	lock *authz.Policy // how the server is configured, if no flag says so
}

func (c *common) register(flags *flag.FlagSet) {
	c.inputs(flags)
	flags.Func("schema", "judge by the engine's schema in `FILE` (.fga, .json, fga.mod, .zed, .yaml) or of the engine at a URL", set(&c.schema))
	flags.Var(&c.only, "only", "judge only methods that match `PATTERN`, as in pkg.Service/* or pkg.v1.*, repeated for more")
}

// set sets a flag. An empty value, such as of a variable that isn't set, is an error: what
// it asks for would be left out without a word.
func set(into *string) func(string) error {
	return func(text string) error {
		if text == "" {
			return errors.New("an empty value")
		}
		*into = text

		return nil
	}
}

// inputs are the flags of what is read.
func (c *common) inputs(flags *flag.FlagSet) {
	flags.Var(&c.in, "in", "read `INPUT`: .proto file, directory, image, descriptor set or lock file; - is stdin. The same as an argument")
	flags.Var(&c.roots, "I", "look up imports in `DIRECTORY`, repeated for more. Default: each directory given, and the working directory")
	flags.StringVar(&c.service, "subject-service", "", "the server's `TEMPLATE` of a service's subject, as in service:{$client_id}")
	flags.StringVar(&c.user, "subject-user", "", "the server's `TEMPLATE` of a user's subject, as in user:{$sub}")
	flags.Var(&c.issuers, "issuers", "the short `NAMES` of the issuers that the server trusts, with commas")
	flags.BoolVar(&c.claimPermissions, "claim-permissions", false, "the server takes permissions from the caller's token")
}

// source returns what the server's configuration adds.
func (c *common) source() (lint.Source, error) {
	expressions, err := cel.New(cel.Config{})
	if err != nil {
		return lint.Source{}, err
	}

	if c.lock != nil {
		return lint.Source{
			Subjects: c.lock.Subjects, IssuerSubjects: c.lock.IssuerSubjects, Issuers: c.lock.Issuers,
			ClaimPermissions: c.lock.ClaimPermissions, Expressions: expressions,
		}, nil
	}

	source := lint.Source{
		Subjects: authz.Subjects{Service: c.service, User: c.user}, Issuers: c.issuers,
		ClaimPermissions: c.claimPermissions, Expressions: expressions,
	}
	// What is wrong with the flags is said once, before anything is read.
	flags := source
	flags.Files = &protoregistry.Files{}
	if _, err := lint.Compile(flags); err != nil {
		return lint.Source{}, err
	}

	return source, nil
}

// input is what a command judges.
type input struct {
	sources  []*load.Source
	policies []*authz.Policy // of the sources
	policy   *authz.Policy   // all of them
	schema   *schema.Schema
}

// path returns a file's path on disk, or its name if it isn't known to be there.
func (in *input) path(file string) string {
	for _, source := range in.sources {
		if path := source.Path(file); path != file {
			return path
		}
	}

	return file
}

// read reads the inputs and the schema.
func (c *common) read(ctx context.Context, args []string, stdin io.Reader) (*input, error) {
	sources, err := load.Read(ctx, load.Config{Inputs: slices.Concat(c.in, args), Roots: c.roots, Stdin: stdin})
	if err != nil {
		return nil, err
	}
	template, err := c.source()
	if err != nil {
		return nil, err
	}
	in := &input{sources: sources}
	if in.policies, err = load.Policies(sources, template); err != nil {
		return nil, err
	}
	if in.policy, err = load.Join(sources, in.policies); err != nil {
		return nil, err
	}
	if in.policy, err = c.selected(in.policy); err != nil {
		return nil, err
	}
	if c.schema != "" {
		if in.schema, err = model.Load(ctx, c.schema, model.Config{}); err != nil {
			return nil, fmt.Errorf("--schema: %w", err)
		}
	}

	return in, nil
}

// selected returns the part of the policy that --only names. A pattern that matches
// nothing is an error: it would hide everything.
func (c *common) selected(policy *authz.Policy) (*authz.Policy, error) {
	used := make([]bool, len(c.only))
	part := c.part(policy, used)
	if i := slices.Index(used, false); i >= 0 {
		return nil, fmt.Errorf("--only %s: no method matches it", c.only[i])
	}

	return part, nil
}

// part returns the part of the policy that --only names, and notes the patterns that it
// used.
func (c *common) part(policy *authz.Policy, used []bool) *authz.Policy {
	if len(c.only) == 0 {
		return policy
	}
	part := *policy
	part.Methods, part.Faults = nil, nil
	take := func(name string) bool {
		taken := false
		for i, pattern := range c.only {
			if match(pattern, name) {
				used[i], taken = true, true
			}
		}

		return taken
	}
	for _, m := range policy.Methods {
		if take(m.Method) {
			part.Methods = append(part.Methods, m)
		}
	}
	for _, fault := range policy.Faults {
		// A fault of a whole service is one of each of its methods.
		if take(fault.Method + "/") {
			part.Faults = append(part.Faults, fault)
		}
	}

	return &part
}

// match reports whether a name matches a pattern, in which each * stands for any text. It
// takes time in proportion to both lengths.
func match(pattern, name string) bool {
	pattern = strings.TrimPrefix(pattern, "/")
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(name, first) || !strings.HasSuffix(name[len(first):], last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(name, part)
		if !found {
			return false
		}
		name = after
	}

	return true
}
