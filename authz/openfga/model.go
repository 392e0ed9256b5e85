package openfga

import (
	"context"
	"errors"
	"fmt"
	"slices"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

// model is what the adapter keeps of an authorization model: the names that it
// defines and, for each relation, the condition parameters within its reach. It is
// immutable.
type model struct {
	id    string
	types map[string]map[string][]string // type, relation, parameters (sorted)
}

// pinned returns the model id that every request names. It reads the store's newest
// model if none was configured.
func (e *Engine) pinned(ctx context.Context) (string, error) {
	if e.modelID != "" {
		return e.modelID, nil
	}
	m, err := e.schema(ctx)
	if err != nil {
		return "", err
	}

	return m.id, nil
}

// schema returns the model, read at most once, since a model never changes under
// its id. The read is shared and doesn't end with its callers, each of which leaves
// at its own deadline. A failed read is not remembered.
func (e *Engine) schema(ctx context.Context) (*model, error) {
	if m := e.model.Load(); m != nil {
		return m, nil
	}
	read := e.inflight.DoChan("model", func() (any, error) {
		if m := e.model.Load(); m != nil {
			return m, nil
		}
		m, err := adapter.Contained(func() (*model, error) { return e.readModel(context.WithoutCancel(ctx)) })
		if err == nil {
			e.model.Store(m)
		}

		return m, err
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("openfga: reading the model: %w", ctx.Err())
	case result := <-read:
		if result.Err != nil {
			return nil, result.Err
		}
		m, _ := result.Val.(*model)

		return m, nil
	}
}

func (e *Engine) readModel(ctx context.Context) (*model, error) {
	request, cancel := context.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	if e.modelID != "" {
		response, err := e.client.ReadAuthorizationModel(request, &openfgav1.ReadAuthorizationModelRequest{StoreId: e.storeID, Id: e.modelID})
		if err != nil {
			return nil, classify(ctx, "ReadAuthorizationModel", err)
		}
		if id := response.GetAuthorizationModel().GetId(); id != e.modelID {
			return nil, unusable("ReadAuthorizationModel", fmt.Errorf("another model than %s", e.modelID))
		}

		return newModel(response.GetAuthorizationModel()), nil
	}

	// Newest first.
	response, err := e.client.ReadAuthorizationModels(request, &openfgav1.ReadAuthorizationModelsRequest{StoreId: e.storeID})
	if err != nil {
		return nil, classify(ctx, "ReadAuthorizationModels", err)
	}
	if len(response.GetAuthorizationModels()) == 0 {
		return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("openfga: store %s has no model", e.storeID)}
	}
	newest := response.GetAuthorizationModels()[0]
	if !isULID(newest.GetId()) {
		return nil, unusable("ReadAuthorizationModels", errors.New("a model without an id"))
	}

	return newModel(newest), nil
}

// defines returns an error that tells which name of the query the model lacks. Its
// text holds names from rules and the model only.
func (m *model) defines(q authz.Query) error {
	relations, ok := m.types[q.Object.Type]
	if !ok {
		return fmt.Errorf("openfga: model %s defines no type %q", m.id, q.Object.Type)
	}
	if _, ok := relations[q.Relation]; !ok {
		return fmt.Errorf("openfga: model %s defines no relation %q on type %q", m.id, q.Relation, q.Object.Type)
	}
	relations, ok = m.types[q.Subject.Type]
	if !ok {
		return fmt.Errorf("openfga: model %s defines no type %q", m.id, q.Subject.Type)
	}
	if r := q.Subject.Relation; r != "" {
		if _, ok := relations[r]; !ok {
			return fmt.Errorf("openfga: model %s defines no relation %q on type %q", m.id, r, q.Subject.Type)
		}
	}

	return nil
}

// missing returns the condition parameters within the query's reach that its
// context doesn't have.
func (m *model) missing(q authz.Query) []string {
	var names []string
	for _, name := range m.types[q.Object.Type][q.Relation] {
		if _, ok := q.Context[name]; !ok {
			names = append(names, name)
		}
	}

	return names
}

func newModel(am *openfgav1.AuthorizationModel) *model {
	m := &model{id: am.GetId(), types: make(map[string]map[string][]string, len(am.GetTypeDefinitions()))}
	definitions := make(map[string]*openfgav1.TypeDefinition, len(am.GetTypeDefinitions()))
	for _, definition := range am.GetTypeDefinitions() {
		definitions[definition.GetType()] = definition
	}
	for name, definition := range definitions {
		relations := make(map[string][]string, len(definition.GetRelations()))
		for relation := range definition.GetRelations() {
			walk := reach{definitions: definitions, seen: make(map[relationRef]bool), conditions: make(map[string]bool)}
			walk.relation(relationRef{name, relation})
			relations[relation] = parameters(am.GetConditions(), walk.conditions)
		}
		m.types[name] = relations
	}

	return m
}

func parameters(conditions map[string]*openfgav1.Condition, used map[string]bool) []string {
	var names []string
	for condition := range used {
		for name := range conditions[condition].GetParameters() {
			names = append(names, name)
		}
	}
	slices.Sort(names)

	return slices.Compact(names)
}

type relationRef struct{ typeName, relation string }

// reach collects the conditions on the tuples that can take part in a relation's
// evaluation, by walking its rewrite over the whole model. A relation is visited
// once, so cycles end.
type reach struct {
	definitions map[string]*openfgav1.TypeDefinition
	seen        map[relationRef]bool
	conditions  map[string]bool
}

func (r *reach) relation(ref relationRef) {
	rewrite := r.definitions[ref.typeName].GetRelations()[ref.relation]
	if rewrite == nil || r.seen[ref] {
		return
	}
	r.seen[ref] = true
	r.rewrite(ref, rewrite)
}

func (r *reach) rewrite(ref relationRef, rewrite *openfgav1.Userset) {
	switch u := rewrite.GetUserset().(type) {
	case *openfgav1.Userset_This:
		for _, direct := range r.direct(ref) {
			if direct.GetRelation() != "" {
				r.relation(relationRef{direct.GetType(), direct.GetRelation()})
			}
		}
	case *openfgav1.Userset_ComputedUserset:
		r.relation(relationRef{ref.typeName, u.ComputedUserset.GetRelation()})
	case *openfgav1.Userset_TupleToUserset:
		tupleset := relationRef{ref.typeName, u.TupleToUserset.GetTupleset().GetRelation()}
		for _, parent := range r.direct(tupleset) {
			r.relation(relationRef{parent.GetType(), u.TupleToUserset.GetComputedUserset().GetRelation()})
		}
	case *openfgav1.Userset_Union:
		r.children(ref, u.Union.GetChild())
	case *openfgav1.Userset_Intersection:
		r.children(ref, u.Intersection.GetChild())
	case *openfgav1.Userset_Difference:
		r.rewrite(ref, u.Difference.GetBase())
		r.rewrite(ref, u.Difference.GetSubtract())
	}
}

func (r *reach) children(ref relationRef, children []*openfgav1.Userset) {
	for _, child := range children {
		r.rewrite(ref, child)
	}
}

// direct returns the types that tuples of the relation may name, and records their
// conditions.
func (r *reach) direct(ref relationRef) []*openfgav1.RelationReference {
	related := r.definitions[ref.typeName].GetMetadata().GetRelations()[ref.relation].GetDirectlyRelatedUserTypes()
	for _, reference := range related {
		if condition := reference.GetCondition(); condition != "" {
			r.conditions[condition] = true
		}
	}

	return related
}
