package lumoauth

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

// CheckPermissions asks LumoAuth for permissions, by AuthZEN evaluations or, with
// [Config.NativePermissions], at the Permissions API. What [Engine.Check] says of
// answers and errors is true of it, too.
func (e *Engine) CheckPermissions(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if !e.config.NativePermissions {
		return e.authzen.CheckPermissions(ctx, batch)
	}

	return bulk{
		http: e.checks, kind: authz.QueryPermission, validate: validatePermission, ask: e.askPermissions,
		shared: func(q authz.Query) (map[string]any, error) { return values("context", q.Context) },
	}.batch(ctx, batch)
}

// validatePermission refuses what the Permissions API can't be asked.
func validatePermission(q authz.Query) error {
	switch {
	case q.Subject.Relation != "":
		return misconfigured("the Permissions API has no usersets: a subject can't have a relation")
	case q.Object != (authz.Object{}):
		return misconfigured("the Permissions API can't limit a permission to an object: unset NativePermissions, or remove on from the rule")
	default:
		return httpapi.ValidatePermission("lumoauth", q, maxName)
	}
}

// askPermissions sends one check-bulk.
func (e *Engine) askPermissions(ctx context.Context, request bulkRequest) error {
	wanted := make(map[string]bool, len(request.queries))
	names := make([]string, 0, len(request.queries))
	for _, q := range request.queries {
		if !wanted[q.Relation] {
			wanted[q.Relation] = true
			names = append(names, q.Relation)
		}
	}
	body := map[string]any{"permissions": names}
	nameSubject(body, request.subject())
	if len(request.shared) > 0 {
		body["context"] = request.shared
	}
	object, err := e.checks.Post(ctx, e.permissionsURL, request.subject(), body)
	if err != nil {
		return err
	}
	if err := e.checks.Fault(object); err != nil {
		return err
	}
	results, ok := object["results"].(map[string]any)
	if !ok {
		return e.checks.Unusable(errors.New("no results"))
	}
	if err := subjectOf(object, request.subject()).err("NativePermissions"); err != nil {
		return err
	}
	effects := make(map[string]authz.Effect, len(results))
	for name, result := range results {
		allowed, ok := result.(bool)
		switch {
		case !wanted[name]:
			return e.checks.Unusable(errors.New("a permission that wasn't asked for"))
		case !ok:
			return e.checks.Unusable(errors.New("a result that is neither true nor false"))
		case allowed:
			effects[name] = authz.EffectAllowed
		default:
			effects[name] = authz.EffectDenied
		}
	}
	if len(effects) != len(names) {
		return e.checks.Unusable(errors.New("a permission without a result"))
	}
	for i, q := range request.queries {
		request.answers[i].Effect = effects[q.Relation]
	}

	return nil
}
