package lumoauth

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

// EvaluateAttributes asks LumoAuth to decide by attributes, by AuthZEN evaluations or,
// with [Config.NativeAttributes], at the ABAC API. What [Engine.Check] says of answers
// and errors is true of it, too.
func (e *Engine) EvaluateAttributes(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if !e.config.NativeAttributes {
		return e.authzen.EvaluateAttributes(ctx, batch)
	}

	return bulk{
		http: e.attributes, kind: authz.QueryAttributes, validate: validateAttributes, ask: e.askAttributes,
		shared: func(authz.Query) (map[string]any, error) { return nil, nil },
	}.batch(ctx, batch)
}

// validateAttributes refuses what the ABAC API can't be asked.
func validateAttributes(q authz.Query) error {
	if q.Subject.Relation != "" {
		return misconfigured("the ABAC API has no usersets: a subject can't have a relation")
	}
	if p := q.Properties; p != nil && len(p.Subject)+len(p.Action) > 0 {
		return misconfigured("the ABAC API takes properties of the resource only: unset NativeAttributes, or remove those of the subject and the action from the rule")
	}

	return httpapi.ValidateQuery("lumoauth", q, maxName)
}

// attributeCheck is one question of a check-bulk.
type attributeCheck struct {
	ResourceType string           `json:"resourceType"`
	ResourceID   string           `json:"resourceId"`
	Action       string           `json:"action"`
	Context      attributeContext `json:"context"`
}

type attributeContext struct {
	Resource    map[string]any `json:"resource,omitempty"`
	Environment map[string]any `json:"environment,omitempty"`
}

func newAttributeCheck(q authz.Query) (attributeCheck, error) {
	check := attributeCheck{ResourceType: q.Object.Type, ResourceID: q.Object.ID, Action: q.Relation}
	var err error
	if check.Context.Environment, err = values("context", q.Context); err != nil {
		return check, err
	}
	if q.Properties != nil {
		check.Context.Resource, err = values("resource property", q.Properties.Resource)
	}

	return check, err
}

// askAttributes sends one check-bulk.
func (e *Engine) askAttributes(ctx context.Context, request bulkRequest) error {
	checks := make([]attributeCheck, 0, len(request.queries))
	asked := make([]int, 0, len(request.queries))
	for i, q := range request.queries {
		check, err := newAttributeCheck(q)
		if err != nil {
			request.answers[i].Err = err

			continue
		}
		checks = append(checks, check)
		asked = append(asked, i)
	}
	if len(checks) == 0 {
		return nil
	}
	body := map[string]any{"requests": checks}
	nameSubject(body, request.subject())
	object, err := e.attributes.Post(ctx, e.attributesURL, request.subject(), body)
	if err != nil {
		return err
	}
	if err := e.attributes.Fault(object); err != nil {
		return err
	}
	results, ok := object["results"].([]any)
	if !ok || len(results) != len(checks) {
		return e.attributes.Unusable(fmt.Errorf("not %d results", len(checks)))
	}
	whole := subjectOf(object, request.subject())
	if whole == aboutAnother {
		return whole.err("NativeAttributes")
	}
	read := make([]authz.Answer, len(results))
	for i, result := range results {
		if read[i], err = e.attributeAnswer(result, checks[i], request.subject(), whole); err != nil {
			return err
		}
	}
	for i, answer := range read {
		*request.answers[asked[i]] = answer
	}

	return nil
}

// attributeAnswer reads one result. The subject is named by it or by the whole answer.
func (e *Engine) attributeAnswer(result any, check attributeCheck, subject authz.Subject, whole about) (authz.Answer, error) {
	object, ok := result.(map[string]any)
	if !ok {
		return authz.Answer{}, e.attributes.Unusable(errors.New("a result that is no object"))
	}
	if err := max(whole, subjectOf(object, subject)).err("NativeAttributes"); err != nil {
		return authz.Answer{}, err
	}
	for member, want := range map[string]string{"resourceType": check.ResourceType, "resourceId": check.ResourceID, "action": check.Action} {
		if got, present := object[member]; present && got != want {
			return authz.Answer{}, e.attributes.Unusable(fmt.Errorf("it is about another %s", member))
		}
	}
	if err := e.attributes.Fault(object); err != nil {
		return authz.Answer{Err: err}, nil //nolint:nilerr // the fault is the answer's own
	}
	allowed, ok := object["allowed"].(bool)
	if !ok {
		return authz.Answer{}, e.attributes.Unusable(errors.New("no verdict"))
	}
	why := map[string]any{}
	for _, member := range [...]string{"reason", "matchedPolicies"} {
		if value, present := object[member]; present {
			why[member] = value
		}
	}
	answer := authz.Answer{Effect: authz.EffectDenied, Context: adapter.AnswerContext(why)}
	if allowed {
		answer.Effect = authz.EffectAllowed
	}

	return answer, nil
}
