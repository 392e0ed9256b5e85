package authztest

import (
	"context"

	"github.com/usher-auth/usher/authz"
)

var _ authz.Explainer = (*Engine)(nil)

// Explain answers one query, of any kind, and tells which relations the engine walked for
// it. Permissions and attributes have no trace. The query is one of [Engine.Asked].
func (e *Engine) Explain(ctx context.Context, query authz.Query, consistency authz.Consistency) (authz.Explanation, error) {
	batch := authz.Batch{Queries: []authz.Query{query}, Consistency: consistency}
	var trace *authz.Trace
	ask := func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
		return e.decide(ctx, batch, authz.QueryRelation, func(query authz.Query) (answer authz.Answer) {
			answer, trace = e.walked(query)

			return answer
		})
	}
	switch query.Kind {
	case authz.QueryPermission:
		ask = e.CheckPermissions
	case authz.QueryAttributes:
		ask = e.EvaluateAttributes
	case authz.QueryRelation:
	}
	result, err := ask(ctx, batch)
	if err != nil {
		return authz.Explanation{}, err
	}

	return authz.Explanation{Answer: result.Answers[0], CheckedAt: result.CheckedAt, Trace: trace.Bounded()}, nil
}

// walked answers a query and returns the walk.
func (e *Engine) walked(query authz.Query) (authz.Answer, *authz.Trace) {
	if err := e.known(query); err != nil {
		return authz.Answer{Err: err}, nil
	}
	root := &authz.Trace{}
	answer := e.answerBy(&walk{engine: e, context: query.Context, subject: query.Subject, step: root}, query)
	if len(root.Steps) == 0 {
		return answer, nil
	}
	root.Steps[0].Missing = answer.Missing

	return answer, root.Steps[0]
}
