package model

import (
	"errors"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/schema"
)

// anyStore is a store's id of the right form. A model is checked as the request that
// writes it, which names one.
const anyStore = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

// openfgaSchema returns a model's schema, with the lines of its names.
func openfgaSchema(file string, m *openfgav1.AuthorizationModel, at *lines) (*schema.Schema, error) {
	switch m.GetSchemaVersion() {
	case "1.1", "1.2":
	case "":
		return nil, fault(file, 0, 0, "the model has no schema version; it needs 1.1 or 1.2")
	default:
		return nil, fault(file, 0, 0, "the model has schema version %q; it needs 1.1 or 1.2", m.GetSchemaVersion())
	}
	if err := requestFaults(file, m); err != nil {
		return nil, err
	}
	s, err := contained(file, func() (*schema.Schema, error) { return openfga.Schema(file, m) })
	if err != nil {
		return nil, fault(file, 0, 0, "%v", err)
	}
	if at == nil {
		return s, nil
	}

	return withLines(s, at)
}

// requestFaults returns what the API's own validation finds in a model, such as names
// that OpenFGA refuses.
func requestFaults(file string, m *openfgav1.AuthorizationModel) error {
	_, err := contained(file, func() (struct{}, error) {
		return struct{}{}, (&openfgav1.WriteAuthorizationModelRequest{
			StoreId: anyStore, TypeDefinitions: m.GetTypeDefinitions(), SchemaVersion: m.GetSchemaVersion(), Conditions: m.GetConditions(),
		}).ValidateAll()
	})
	var (
		list faults
		all  openfgav1.WriteAuthorizationModelRequestMultiError
		own  *FileError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case !errors.As(err, &all):
		return fault(file, 0, 0, "%v", err)
	}
	for _, one := range all {
		list.addf(file, 0, 0, "%v", one)
	}

	return list.err()
}

// withLines returns the schema with the lines of its types, relations and conditions.
func withLines(s *schema.Schema, at *lines) (*schema.Schema, error) {
	types := make([]schema.Type, 0, len(s.Types()))
	for _, name := range s.Types() {
		was := s.Type(name)
		t := schema.Type{Name: name, Line: at.types[name], Relations: make([]schema.Relation, len(was.Relations))}
		for i, r := range was.Relations {
			r.Line = at.relations[schema.Reference{Type: name, Relation: r.Name}]
			t.Relations[i] = r
		}
		types = append(types, t)
	}
	conditions := make([]schema.Condition, 0, len(s.Conditions()))
	for _, name := range s.Conditions() {
		c := *s.Condition(name)
		c.Line = at.conditions[name]
		conditions = append(conditions, c)
	}

	return schema.New(s.Source(), types, conditions)
}
