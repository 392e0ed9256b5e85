package spicedb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
	"github.com/usher-auth/usher/authz/schema"
)

const (
	// maxPermissions is how many permissions ReadSchema asks about, each in a request.
	maxPermissions = 1000
	// maxReads bounds the relations that all permissions read, about 10 MB.
	maxReads = 200_000
)

// SchemaClient is the part of SpiceDB's API that [Engine.ReadSchema] uses.
// [v1.SchemaServiceClient] and authzed-go's Client implement it. It must be safe for
// concurrent use.
type SchemaClient interface {
	ReadSchema(ctx context.Context, in *v1.ReadSchemaRequest, opts ...grpc.CallOption) (*v1.ReadSchemaResponse, error)
	ReflectSchema(ctx context.Context, in *v1.ReflectSchemaRequest, opts ...grpc.CallOption) (*v1.ReflectSchemaResponse, error)
	DependentRelations(ctx context.Context, in *v1.DependentRelationsRequest, opts ...grpc.CallOption) (*v1.DependentRelationsResponse, error)
}

var _ schema.Reader = (*Engine)(nil)

// ReadSchema asks SpiceDB for its schema. SpiceDB tells relations with who they may name,
// caveats with their parameters, and permissions by name alone: each is a
// [schema.Unknown] with the relations that it depends on, for which ReadSchema sends a
// request for each permission, Config.Parallelism at once. So those that a relation
// excludes or leads through count as holders of the permission too, and no relation is
// known to imply it. If SpiceDB doesn't answer these requests, or for permissions after
// the first 1000, who has them isn't known at all. The schema in its own language, which
// the command usher reads, tells everything.
//
// It needs Config.SchemaClient.
func (e *Engine) ReadSchema(ctx context.Context) (*schema.Schema, error) {
	if e.schemas == nil {
		return nil, &authz.EngineError{
			Kind: authz.EngineMisconfigured,
			Err:  errors.New("spicedb: reading the schema needs Config.SchemaClient, such as v1.NewSchemaServiceClient(conn)"),
		}
	}
	ctx = adapter.WithoutOutgoing(ctx)
	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	reflected, err := e.schemas.ReflectSchema(request, &v1.ReflectSchemaRequest{Consistency: fullyConsistent()})
	if err != nil {
		return nil, advise(classify(ctx, "ReflectSchema", nil, err))
	}
	if n := len(reflected.GetDefinitions()); n > schema.MaxTypes {
		return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("spicedb: %d definitions are more than %d", n, schema.MaxTypes)}
	}
	reads, err := e.readsOf(ctx, reflected)
	if err != nil {
		return nil, err
	}
	self := e.usesSelf(ctx)
	types := make([]schema.Type, 0, len(reflected.GetDefinitions()))
	for _, definition := range reflected.GetDefinitions() {
		t := schema.Type{Name: definition.GetName()}
		for _, relation := range definition.GetRelations() {
			subjects, err := subjectsOf(relation)
			if err != nil {
				return nil, err
			}
			t.Relations = append(t.Relations, schema.Relation{Name: relation.GetName(), Expression: schema.Direct{Subjects: subjects}})
		}
		for _, permission := range definition.GetPermissions() {
			unknown := schema.Unknown{Reads: reads[schema.Reference{Type: t.Name, Relation: permission.GetName()}]}
			if self {
				unknown.Subjects = []schema.Subject{{Type: t.Name}}
			}
			t.Relations = append(t.Relations, schema.Relation{Name: permission.GetName(), Expression: unknown})
		}
		types = append(types, t)
	}
	s, err := schema.New("SpiceDB", types, caveats(reflected.GetCaveats()))
	if err != nil {
		return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("spicedb: %w", err)}
	}

	return s, nil
}

func fullyConsistent() *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}
}

// advise adds what to do to an error that asking again doesn't end.
func advise(err error) error {
	var fault *authz.EngineError
	if !errors.As(err, &fault) {
		return err
	}
	switch {
	case unanswered(err) && fault.Kind == authz.EngineRefused:
		fault.Err = fmt.Errorf("%w: the key may check permissions, but not read the schema; give it that right, or give the schema as a file", fault.Err)
	case unanswered(err):
		fault.Err = fmt.Errorf("%w: this SpiceDB can't tell its schema; update it, or give the schema as a file", fault.Err)
	}

	return err
}

// unanswered reports whether SpiceDB doesn't have the request, or refuses it to this key.
func unanswered(err error) bool {
	var status *StatusError

	return errors.As(err, &status) &&
		(status.Code == codes.Unimplemented || status.Code == codes.PermissionDenied || status.Code == codes.Unauthenticated)
}

// readsOf returns the relations that each permission depends on, as far as SpiceDB tells.
func (e *Engine) readsOf(ctx context.Context, reflected *v1.ReflectSchemaResponse) (map[schema.Reference][]schema.Reference, error) {
	var permissions []schema.Reference
	for _, definition := range reflected.GetDefinitions() {
		for _, permission := range definition.GetPermissions() {
			if len(permissions) < maxPermissions {
				permissions = append(permissions, schema.Reference{Type: definition.GetName(), Relation: permission.GetName()})
			}
		}
	}
	// The permissions of the schema that was reflected, even if another is written since.
	consistency := fullyConsistent()
	if at := reflected.GetReadAt(); at.GetToken() != "" {
		consistency = &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: at}}
	}
	found := make([][]schema.Reference, len(permissions))
	outcomes := make([]authz.Answer, len(permissions))
	var silent atomic.Bool
	var total atomic.Int64
	_ = adapter.Chunks(ctx, outcomes, 1, e.limits.Parallelism, func(ctx context.Context, i, _ int) error {
		if silent.Load() {
			return nil
		}
		reads, err := e.dependent(ctx, consistency, permissions[i])
		if unanswered(err) {
			silent.Store(true)

			return nil
		}
		if total.Add(int64(len(reads))) <= maxReads {
			found[i] = reads
		}

		return err
	})
	reads := make(map[schema.Reference][]schema.Reference, len(permissions))
	for i, permission := range permissions {
		if err := outcomes[i].Err; err != nil {
			return nil, err
		}
		if !silent.Load() {
			reads[permission] = found[i]
		}
	}

	return reads, nil
}

// dependent returns the relations that a permission depends on; not nil without an error.
func (e *Engine) dependent(ctx context.Context, consistency *v1.Consistency, of schema.Reference) ([]schema.Reference, error) {
	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	response, err := e.schemas.DependentRelations(request, &v1.DependentRelationsRequest{
		Consistency: consistency, DefinitionName: of.Type, PermissionName: of.Relation,
	})
	if err != nil {
		return nil, classify(ctx, "DependentRelations", nil, err)
	}
	reads := make([]schema.Reference, 0, len(response.GetRelations()))
	for _, relation := range response.GetRelations() {
		reads = append(reads, schema.Reference{Type: relation.GetDefinitionName(), Relation: relation.GetRelationName()})
	}

	return reads, nil
}

var selfWord = regexp.MustCompile(`\bself\b`)

// usesSelf reports whether a permission may hold the object itself: SpiceDB's self, which
// is no relation that a permission depends on, so that only the schema's text shows it.
func (e *Engine) usesSelf(ctx context.Context) bool {
	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	response, err := e.schemas.ReadSchema(request, &v1.ReadSchemaRequest{})

	return err != nil || selfWord.MatchString(response.GetSchemaText())
}

func subjectsOf(relation *v1.ReflectionRelation) ([]schema.Subject, error) {
	subjects := make([]schema.Subject, 0, len(relation.GetSubjectTypes()))
	for _, reference := range relation.GetSubjectTypes() {
		subject := schema.Subject{Type: reference.GetSubjectDefinitionName(), Condition: reference.GetOptionalCaveatName()}
		switch kind := reference.GetTyperef().(type) {
		case *v1.ReflectionTypeReference_IsTerminalSubject:
		case *v1.ReflectionTypeReference_IsPublicWildcard:
			subject.Wildcard = true
		case *v1.ReflectionTypeReference_OptionalRelationName:
			subject.Relation = kind.OptionalRelationName
		default:
			return nil, unusable(errors.New("a subject type of no known kind"))
		}
		subjects = append(subjects, subject)
	}

	return subjects, nil
}

func caveats(reflected []*v1.ReflectionCaveat) []schema.Condition {
	conditions := make([]schema.Condition, 0, len(reflected))
	for _, caveat := range reflected {
		parameters := make(map[string]string, len(caveat.GetParameters()))
		for _, parameter := range caveat.GetParameters() {
			parameters[parameter.GetName()] = parameter.GetType()
		}
		conditions = append(conditions, schema.Condition{Name: caveat.GetName(), Parameters: parameters})
	}

	return conditions
}
