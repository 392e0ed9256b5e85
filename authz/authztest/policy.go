package authztest

import (
	"context"

	"github.com/usher-auth/usher/authz"
)

// Policy decides one query of kind [authz.QueryAttributes], by its subject, action
// (Relation), object, Properties and Context. It must be safe for concurrent use.
type Policy func(query authz.Query) authz.Answer

// SetPolicy makes the engine decide attributes by a policy. Until then, and with nil,
// they are denied.
//
//	engine.SetPolicy(func(q authz.Query) authz.Answer {
//		if q.Relation == "edit" && q.Properties.Resource["draft"] == true {
//			return authz.Answer{Effect: authz.EffectAllowed}
//		}
//		return authz.Answer{Effect: authz.EffectDenied}
//	})
//
// Properties is never nil in a policy. Their values, and those of Context, have the
// types that [authz.Query] lists: an integer of the request is an int64 or a uint64, and
// a [json.Number] if it comes from a claim or through lumoauthtest.
func (e *Engine) SetPolicy(policy Policy) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.policy = policy
	e.revision++
}

// EvaluateAttributes decides by the policy of [Engine.SetPolicy].
func (e *Engine) EvaluateAttributes(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	e.mu.RLock()
	policy := e.policy
	e.mu.RUnlock()
	if policy == nil {
		policy = func(authz.Query) authz.Answer { return authz.Answer{Effect: authz.EffectDenied} }
	}
	result, err := e.decide(ctx, batch, authz.QueryAttributes, func(authz.Query) authz.Answer { return authz.Answer{} })
	if err != nil {
		return authz.Result{}, err
	}
	// The policy is the test's own code, and may use the engine.
	for i, query := range batch.Queries {
		if result.Answers[i].Err != nil {
			continue
		}
		if query.Properties == nil {
			query.Properties = &authz.Properties{}
		}
		result.Answers[i] = policy(query)
	}

	return result, nil
}
