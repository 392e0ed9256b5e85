package lint

import (
	"context"
	"errors"
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
)

// Source is where the rules are from, and what the server's configuration adds to them.
type Source struct {
	// Files are the descriptors of the services, as a [protoregistry.Files] has them.
	// Required. Source info, if they have it, gives findings their lines.
	Files authz.Resolver
	// Subjects and IssuerSubjects are those of the server's [authz.Config]. Optional.
	// Default: they aren't known, and nothing that depends on them is judged.
	Subjects       authz.Subjects
	IssuerSubjects map[string]authz.Subjects
	// Issuers are the short names of the issuers that the server trusts. Optional.
	// Default: those that rules and IssuerSubjects name; if they name none, one. The
	// policy's Issuers are empty then: there may be others.
	Issuers []string
	// Rules are the server's rules in code. Optional.
	Rules []authz.MethodRule
	// Expressions compiles the expressions of rules. Optional. Default: expressions aren't
	// judged, and count as reading the whole request.
	Expressions authz.ExpressionCompiler
	// ClaimPermissions is set if the server's permissions are those of the caller's token.
	ClaimPermissions bool
}

// The types of subjects that aren't known. No rule is at fault for being about a subject
// that they could name, so a rule's own subject isn't of these types.
const (
	unknownService = "usher.unknown/service"
	unknownUser    = "usher.unknown/user"
)

var errNoFiles = errors.New("lint: Source.Files is nil")

// Compile returns the rules of a source, compiled as a server compiles them. It does no
// I/O. Faults of rules are in the policy. It returns an error, all faults joined, for a
// service that is in two files, and for faults of the configuration and of rules in code.
func Compile(source Source) (*authz.Policy, error) {
	if source.Files == nil {
		return nil, errNoFiles
	}
	config := authz.Config{
		Engine: anything{}, Subjects: source.Subjects, IssuerSubjects: source.IssuerSubjects, Rules: source.Rules,
		Resolver: source.Files, Expressions: source.Expressions, Breaker: authz.BreakerConfig{Disabled: true},
	}
	if config.Expressions == nil {
		config.Expressions = unread{}
	}
	if source.ClaimPermissions {
		config.Permissions = authz.ClaimPermissions{}
	}
	issuers := source.Issuers
	if len(issuers) == 0 {
		issuers = named(&source)
	}
	config.Issuers = authz.Issuers(issuers)
	unknown := source.Subjects == (authz.Subjects{}) && len(source.IssuerSubjects) == 0
	if unknown {
		config.Subjects = authz.Subjects{Service: unknownService + ":{$client_id}", User: unknownUser + ":{$sub}"}
		if len(issuers) > 1 {
			config.Subjects = authz.Subjects{Service: unknownService + ":{$issuer}/{$client_id}", User: unknownUser + ":{$issuer}/{$sub}"}
		}
	}
	authorizer, err := authz.New(config)
	if err != nil {
		return nil, err
	}
	policy := authorizer.Policy()
	if unknown {
		policy.Subjects = authz.Subjects{}
	}
	if len(source.Issuers) == 0 {
		policy.Issuers = nil // others may be trusted, too
	}

	return policy, nil
}

// named returns the issuers that the source names anywhere, or one made-up name.
func named(source *Source) []string {
	names := map[string]bool{}
	for name := range source.IssuerSubjects {
		names[name] = true
	}
	for _, rule := range source.Rules {
		for _, name := range rule.Rule.GetAccessToken().GetIssuers() {
			names[name] = true
		}
	}
	// The issuers that rules in .proto files name are known once they are compiled.
	config := authz.Config{
		Engine: anything{}, Resolver: source.Files, Expressions: unread{},
		Subjects: authz.Subjects{Service: unknownService + ":{$issuer}/{$client_id}", User: unknownUser + ":{$issuer}/{$sub}"},
	}
	if authorizer, err := authz.New(config); err == nil {
		for _, m := range authorizer.Policy().Methods {
			for _, name := range m.Rule.GetAccessToken().GetIssuers() {
				names[name] = true
			}
		}
	}
	delete(names, "")
	if len(names) == 0 {
		return []string{"issuer"}
	}

	return slices.Sorted(maps.Keys(names))
}

var errNeverAsked = errors.New("lint: rules are read here, and no engine is asked")

// anything stands for every engine: it supports whatever a rule may demand, and answers
// nothing.
type anything struct{}

func (anything) Check(context.Context, authz.Batch) (authz.Result, error) {
	return authz.Result{}, errNeverAsked
}

func (anything) CheckPermissions(context.Context, authz.Batch) (authz.Result, error) {
	return authz.Result{}, errNeverAsked
}

func (anything) EvaluateAttributes(context.Context, authz.Batch) (authz.Result, error) {
	return authz.Result{}, errNeverAsked
}

func (anything) SupportsConsistency(authz.Mode) bool { return true }

// unread stands for the expressions of a source that nothing compiles.
type unread struct{}

func (unread) CompileExpression(string, protoreflect.MessageDescriptor) (authz.Expression, error) {
	return unread{}, nil
}

func (unread) Reads() authz.ExpressionReads { return authz.ExpressionReads{Message: true} }

func (unread) Evaluate(*authz.ExpressionInput) (bool, error) { return false, errNeverAsked }
