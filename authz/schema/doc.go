// Package schema is a model of what an engine knows about relations: its types, their
// relations, which subjects can have them, which relation implies which, and the
// parameters of its conditions. It is the same for every engine, and holds no tuples.
//
// An engine's adapter reads the schema from the engine itself, through [Reader]:
//
//	model, err := engine.ReadSchema(ctx)
//	if err != nil {
//		return err
//	}
//	if model.Relation("document", "viewer") == nil {
//		return errors.New("the model has no viewer of documents")
//	}
//	holders := model.Holders("document", "viewer") // user, team#member
//
// The command usher reads it from a file: an OpenFGA model, a SpiceDB schema, or
// LumoAuth's YAML. Rules are checked against it by authz.Policy.ValidateSchema, by
// package authz/lint, and at start by Ready of package interceptor.
package schema
