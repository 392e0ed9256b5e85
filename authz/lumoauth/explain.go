package lumoauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

var _ authz.Explainer = (*Engine)(nil)

const (
	// maxExpandSteps bounds what is read of an expansion.
	maxExpandSteps = authz.MaxTraceNodes
	// maxExpandDepth bounds its nesting.
	maxExpandDepth = authz.MaxTraceDepth
)

// Explain asks LumoAuth one query. For a relation, unless [Config.Evaluations] is set, it
// also asks for the relation's expansion, which needs the authz:check scope. LumoAuth
// documents no form of it, so its members become the trace's steps as they are: they say
// who has the relation and not how the answer came about, and name other subjects. Other
// answers have what LumoAuth says about them in their Context: reason and
// matchedPolicies. A failed expansion is the trace's Detail.
func (e *Engine) Explain(ctx context.Context, query authz.Query, consistency authz.Consistency) (authz.Explanation, error) {
	ask := e.Check
	switch query.Kind {
	case authz.QueryPermission:
		ask = e.CheckPermissions
	case authz.QueryAttributes:
		ask = e.EvaluateAttributes
	case authz.QueryRelation:
	}
	result, err := ask(ctx, authz.Batch{Queries: []authz.Query{query}, Consistency: consistency})
	if err != nil {
		return authz.Explanation{}, adapter.EngineError(err)
	}
	explanation := authz.Explanation{Answer: result.Answers[0]}
	if query.Kind != authz.QueryRelation || e.config.Evaluations || e.expandURL == "" || explanation.Answer.Err != nil {
		return explanation, nil //nolint:nilerr // the fault is the answer's own
	}
	root := &authz.Trace{Object: query.Object, Relation: query.Relation, Subject: query.Subject, Effect: explanation.Answer.Effect}
	if err := e.expand(ctx, query, root); err != nil {
		root.Detail = "no expansion: " + err.Error()
	}
	explanation.Trace = root.Bounded()

	return explanation, nil
}

// expand adds the relation's expansion to the trace.
func (e *Engine) expand(ctx context.Context, query authz.Query, root *authz.Trace) error {
	object, err := e.checks.Post(ctx, e.expandURL, query.Subject, map[string]string{"object": query.Object.String(), "relation": query.Relation})
	if err != nil {
		return err
	}
	if err := e.checks.Fault(object); err != nil {
		return err
	}
	for member, want := range map[string]string{"object": query.Object.String(), "relation": query.Relation} {
		if got, present := object[member]; present && got != want {
			return e.checks.Unusable(fmt.Errorf("it is about another %s", member))
		}
		delete(object, member)
	}
	if len(object) == 0 {
		return e.checks.Unusable(errors.New("an empty expansion"))
	}
	steps := maxExpandSteps
	members(root, object, maxExpandDepth, &steps)

	return nil
}

// members adds the members of an object, sorted, as steps.
func members(into *authz.Trace, object map[string]any, depth int, steps *int) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		step(into, name, object[name], depth, steps)
	}
}

// step adds one value as a step.
func step(into *authz.Trace, name string, value any, depth int, steps *int) {
	if depth == 0 || *steps <= 0 {
		into.Omitted++

		return
	}
	*steps--
	at := &authz.Trace{Detail: name}
	into.Steps = append(into.Steps, at)
	switch value := value.(type) {
	case map[string]any:
		members(at, value, depth-1, steps)
	case []any:
		for i, item := range value {
			if *steps <= 0 {
				at.Omitted += len(value) - i

				break
			}
			step(at, strconv.Itoa(i), item, depth-1, steps)
		}
	case string:
		at.Detail += ": " + value
	case json.Number:
		at.Detail += ": " + value.String()
	case bool:
		at.Detail += ": " + strconv.FormatBool(value)
	}
}
