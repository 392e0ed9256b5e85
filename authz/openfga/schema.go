package openfga

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
	"github.com/usher-auth/usher/authz/schema"
)

var _ schema.Reader = (*Engine)(nil)

// ReadSchema asks OpenFGA for the model that this engine's checks name: Config.ModelID,
// or else the one that was the store's newest at the engine's first use. It sends one
// request, or two if the model's id isn't known yet. A model that [Schema] refuses is
// EngineMisconfigured.
func (e *Engine) ReadSchema(ctx context.Context) (*schema.Schema, error) {
	ctx = adapter.WithoutOutgoing(ctx)
	id, err := e.pinned(ctx)
	if err != nil {
		return nil, err
	}
	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	response, err := e.client.ReadAuthorizationModel(request, &openfgav1.ReadAuthorizationModelRequest{StoreId: e.storeID, Id: id})
	if err != nil {
		return nil, classify(ctx, "ReadAuthorizationModel", err)
	}
	model := response.GetAuthorizationModel()
	if model.GetId() != id {
		return nil, unusable("ReadAuthorizationModel", fmt.Errorf("another model than %s", id))
	}
	s, err := Schema("OpenFGA model "+id, model)
	if err != nil {
		return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: err}
	}

	return s, nil
}

// Schema returns a model as a schema. The source is where the model is from, such as a
// file's name: faults show it. The model's schema version is 1.1, which is also the
// default, or 1.2: models of 1.0 don't tell who may have a relation. A type without
// definition is an error, and so is what [schema.New] refuses; references to types and
// relations that the model doesn't define are not, see [schema.Schema.Undefined].
func Schema(source string, model *openfgav1.AuthorizationModel) (*schema.Schema, error) {
	switch version := model.GetSchemaVersion(); version {
	case "", "1.1", "1.2":
	default:
		return nil, fmt.Errorf("openfga: %s: schema version %q is not 1.1 or 1.2", source, version)
	}
	if n := len(model.GetTypeDefinitions()); n > schema.MaxTypes {
		return nil, fmt.Errorf("openfga: %s: %d types are more than %d", source, n, schema.MaxTypes)
	}
	types := make([]schema.Type, 0, len(model.GetTypeDefinitions()))
	for _, definition := range model.GetTypeDefinitions() {
		t := schema.Type{Name: definition.GetType()}
		for _, name := range slices.Sorted(maps.Keys(definition.GetRelations())) {
			direct := subjects(definition.GetMetadata().GetRelations()[name].GetDirectlyRelatedUserTypes())
			expression, err := rewritten(definition.GetRelations()[name], direct, 1)
			if err != nil {
				return nil, fmt.Errorf("openfga: %s: relation %q of type %q: %w", source, name, definition.GetType(), err)
			}
			t.Relations = append(t.Relations, schema.Relation{Name: name, Expression: expression})
		}
		types = append(types, t)
	}
	conditions := make([]schema.Condition, 0, len(model.GetConditions()))
	for _, name := range slices.Sorted(maps.Keys(model.GetConditions())) {
		condition := schema.Condition{Name: name, Parameters: map[string]string{}}
		for parameter, ref := range model.GetConditions()[name].GetParameters() {
			condition.Parameters[parameter] = parameterType(ref, 1)
		}
		conditions = append(conditions, condition)
	}

	return schema.New(source, types, conditions)
}

// rewritten returns a rewrite as an expression; direct is what tuples of the relation
// itself may name. A rewrite of a kind that isn't known is an error: guessing who has a
// relation would make a wrong review look right.
func rewritten(rewrite *openfgav1.Userset, direct []schema.Subject, depth int) (schema.Expression, error) {
	if depth > schema.MaxDepth {
		return nil, fmt.Errorf("its definition is deeper than %d", schema.MaxDepth)
	}
	switch u := rewrite.GetUserset().(type) {
	case *openfgav1.Userset_This:
		return schema.Direct{Subjects: direct}, nil
	case *openfgav1.Userset_ComputedUserset:
		return schema.Computed{Relation: u.ComputedUserset.GetRelation()}, nil
	case *openfgav1.Userset_TupleToUserset:
		return schema.Through{
			Tupleset: u.TupleToUserset.GetTupleset().GetRelation(), Relation: u.TupleToUserset.GetComputedUserset().GetRelation(),
		}, nil
	case *openfgav1.Userset_Union:
		parts, err := children(u.Union, direct, depth)

		return schema.Union(parts), err
	case *openfgav1.Userset_Intersection:
		parts, err := children(u.Intersection, direct, depth)

		return schema.Intersection(parts), err
	case *openfgav1.Userset_Difference:
		base, err := rewritten(u.Difference.GetBase(), direct, depth+1)
		if err != nil {
			return nil, err
		}
		except, err := rewritten(u.Difference.GetSubtract(), direct, depth+1)

		return schema.Exclusion{Base: base, Except: except}, err
	case nil:
		return nil, errors.New("it has no definition, or one of a kind that isn't known")
	default:
		return nil, fmt.Errorf("its definition is of a kind that isn't known, %T", u)
	}
}

func children(of *openfgav1.Usersets, direct []schema.Subject, depth int) ([]schema.Expression, error) {
	parts := make([]schema.Expression, 0, len(of.GetChild()))
	for _, child := range of.GetChild() {
		part, err := rewritten(child, direct, depth+1)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}

	return parts, nil
}

func subjects(references []*openfgav1.RelationReference) []schema.Subject {
	out := make([]schema.Subject, 0, len(references))
	for _, reference := range references {
		out = append(out, schema.Subject{
			Type: reference.GetType(), Relation: reference.GetRelation(), Wildcard: reference.GetWildcard() != nil, Condition: reference.GetCondition(),
		})
	}

	return out
}

// parameterType returns a parameter's type as OpenFGA's language writes it, such as
// list<string>; empty if it isn't known.
func parameterType(ref *openfgav1.ConditionParamTypeRef, depth int) string {
	name := typeNames[ref.GetTypeName()]
	if len(ref.GetGenericTypes()) == 1 && depth < schema.MaxDepth {
		return name + "<" + parameterType(ref.GetGenericTypes()[0], depth+1) + ">"
	}

	return name
}

var typeNames = map[openfgav1.ConditionParamTypeRef_TypeName]string{
	openfgav1.ConditionParamTypeRef_TYPE_NAME_ANY:       "any",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_BOOL:      "bool",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_STRING:    "string",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_INT:       "int",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_UINT:      "uint",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_DOUBLE:    "double",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_DURATION:  "duration",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_TIMESTAMP: "timestamp",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_MAP:       "map",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_LIST:      "list",
	openfgav1.ConditionParamTypeRef_TYPE_NAME_IPADDRESS: "ipaddress",
}
