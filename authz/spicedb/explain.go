package spicedb

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

var _ authz.Explainer = (*Engine)(nil)

// maxTraceDepth bounds how deep a trace of SpiceDB is read. Its own dispatches nest at
// most 50 levels unless it is configured otherwise.
const maxTraceDepth = 2 * authz.MaxTraceDepth

// Explain asks SpiceDB one query with tracing (CheckPermissionRequest.with_tracing), which
// makes the check slower there. The trace has the permissions and relations that were
// checked on the way, with the results of caveats; a step that only lacks relationships
// has nothing within. Context values of relationships aren't in it.
func (e *Engine) Explain(ctx context.Context, query authz.Query, consistency authz.Consistency) (authz.Explanation, error) {
	if err := adapter.WrongKind("spicedb", query, authz.QueryRelation); err != nil {
		return authz.Explanation{}, err
	}
	ctx = adapter.WithoutOutgoing(ctx)
	fresh, err := consistencyOf(consistency)
	if err != nil {
		return authz.Explanation{}, err
	}
	item, err := e.item(query)
	if err != nil {
		return authz.Explanation{}, err
	}
	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	response, err := e.client.CheckPermission(request, &v1.CheckPermissionRequest{
		Consistency: fresh, Resource: item.GetResource(), Permission: item.GetPermission(),
		Subject: item.GetSubject(), Context: item.GetContext(), WithTracing: true,
	})
	if err != nil {
		return authz.Explanation{}, adapter.EngineError(classify(ctx, "CheckPermission", fresh, err))
	}
	explanation := authz.Explanation{
		Answer:    answerOf(response.GetPermissionship(), response.GetPartialCaveatInfo()),
		CheckedAt: authz.Revision(response.GetCheckedAt().GetToken()),
	}
	if trace := response.GetDebugTrace().GetCheck(); trace != nil {
		root := e.trace(trace, maxTraceDepth)
		if root.Object != query.Object || root.Relation != query.Relation {
			// A permission that is another one by another name is traced as that.
			root = &authz.Trace{Object: query.Object, Relation: query.Relation, Subject: query.Subject, Steps: []*authz.Trace{root}}
		}
		// A caveat may decide it, which SpiceDB's own root doesn't tell.
		root.Effect, root.Missing = explanation.Answer.Effect, explanation.Answer.Missing
		explanation.Trace = root.Bounded()
	}

	return explanation, nil
}

func (e *Engine) trace(t *v1.CheckDebugTrace, depth int) *authz.Trace {
	step := &authz.Trace{
		Object:   authz.Object{Type: t.GetResource().GetObjectType(), ID: e.decoded(t.GetResource().GetObjectId())},
		Relation: t.GetPermission(),
		Subject: authz.Subject{
			Type: t.GetSubject().GetObject().GetObjectType(), ID: e.decoded(t.GetSubject().GetObject().GetObjectId()),
			Relation: strings.TrimPrefix(t.GetSubject().GetOptionalRelation(), "..."),
		},
		Cached: t.GetWasCachedResult(), Duration: t.GetDuration().AsDuration(),
	}
	switch t.GetResult() {
	case v1.CheckDebugTrace_PERMISSIONSHIP_HAS_PERMISSION:
		step.Effect = authz.EffectAllowed
	case v1.CheckDebugTrace_PERMISSIONSHIP_NO_PERMISSION:
		step.Effect = authz.EffectDenied
	case v1.CheckDebugTrace_PERMISSIONSHIP_CONDITIONAL_PERMISSION:
		step.Effect = authz.EffectConditional
	case v1.CheckDebugTrace_PERMISSIONSHIP_UNSPECIFIED:
	}
	step.Detail, step.Missing = caveat(t.GetCaveatEvaluationInfo())
	if step.Effect == authz.EffectConditional {
		// That is how SpiceDB reports each step with a caveat, whatever the caveat came to.
		switch t.GetCaveatEvaluationInfo().GetResult() {
		case v1.CaveatEvalInfo_RESULT_TRUE:
			step.Effect = authz.EffectAllowed
		case v1.CaveatEvalInfo_RESULT_FALSE:
			step.Effect = authz.EffectDenied
		case v1.CaveatEvalInfo_RESULT_MISSING_SOME_CONTEXT, v1.CaveatEvalInfo_RESULT_UNEVALUATED, v1.CaveatEvalInfo_RESULT_UNSPECIFIED:
		}
	}
	within := t.GetSubProblems().GetTraces()
	if depth <= 1 {
		step.Omitted = len(within)

		return step
	}
	for _, sub := range within {
		step.Steps = append(step.Steps, e.trace(sub, depth-1))
	}

	return step
}

// caveat returns what a caveat came to. Its context isn't repeated: it holds the values of
// relationships.
func caveat(info *v1.CaveatEvalInfo) (detail string, missing []string) {
	if info == nil {
		return "", nil
	}
	result := "unknown"
	switch info.GetResult() {
	case v1.CaveatEvalInfo_RESULT_TRUE:
		result = "true"
	case v1.CaveatEvalInfo_RESULT_FALSE:
		result = "false"
	case v1.CaveatEvalInfo_RESULT_MISSING_SOME_CONTEXT:
		result = "open"
	case v1.CaveatEvalInfo_RESULT_UNEVALUATED:
		result = "not evaluated"
	case v1.CaveatEvalInfo_RESULT_UNSPECIFIED:
	}

	return fmt.Sprintf("caveat %s (%s) is %s", info.GetCaveatName(), info.GetExpression(), result),
		info.GetPartialCaveatInfo().GetMissingRequiredContext()
}

// decoded returns an id as queries have it. SpiceDB may write several, separated by
// commas.
func (e *Engine) decoded(id string) string {
	if !e.encode {
		return id
	}
	ids := strings.Split(id, ",")
	for i, one := range ids {
		if plain, err := DecodeID(one); err == nil {
			ids[i] = plain
		}
	}

	return strings.Join(ids, ",")
}
