package explain

import (
	"context"
	"errors"
	"sync"

	"github.com/usher-auth/usher/authz"
)

// errNoEngine is the answer where no engine was named.
var errNoEngine = errors.New("no engine was named to ask")

var errOtherKind = errors.New("the engine that was named doesn't answer queries of this kind")

// recorder passes queries on to an engine and records them.
type recorder struct {
	// engine is nil if there is none; then answer is every answer.
	engine any
	answer authz.Answer

	mu    sync.Mutex
	asked []asked
}

type asked struct {
	query       authz.Query
	consistency authz.Consistency
}

var (
	_ authz.Engine           = (*recorder)(nil)
	_ authz.PermissionEngine = (*recorder)(nil)
	_ authz.AttributeEngine  = (*recorder)(nil)
)

// Check passes queries about relations on.
func (r *recorder) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if engine, ok := r.engine.(authz.Engine); ok {
		return r.pass(ctx, batch, engine.Check)
	}

	return r.pass(ctx, batch, nil)
}

// CheckPermissions passes queries about permissions on.
func (r *recorder) CheckPermissions(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if engine, ok := r.engine.(authz.PermissionEngine); ok {
		return r.pass(ctx, batch, engine.CheckPermissions)
	}

	return r.pass(ctx, batch, nil)
}

// EvaluateAttributes passes queries about attributes on.
func (r *recorder) EvaluateAttributes(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if engine, ok := r.engine.(authz.AttributeEngine); ok {
		return r.pass(ctx, batch, engine.EvaluateAttributes)
	}

	return r.pass(ctx, batch, nil)
}

func (r *recorder) pass(ctx context.Context, batch authz.Batch, ask func(context.Context, authz.Batch) (authz.Result, error)) (authz.Result, error) {
	r.mu.Lock()
	for _, query := range batch.Queries {
		r.asked = append(r.asked, asked{query, batch.Consistency})
	}
	r.mu.Unlock()
	switch {
	case ask != nil:
		return ask(ctx, batch)
	case r.engine != nil:
		return authz.Result{}, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errOtherKind}
	}
	result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
	for i := range result.Answers {
		result.Answers[i] = r.answer
	}

	return result, nil
}

// SupportsConsistency reports whether the engine supports a mode. Without an engine, each
// is taken to be supported.
func (r *recorder) SupportsConsistency(mode authz.Mode) bool {
	if r.engine == nil {
		return true
	}
	if engine, ok := r.engine.(authz.ConsistencySupporter); ok {
		return engine.SupportsConsistency(mode)
	}

	return mode == authz.ModeMinimizeLatency
}

// ValidateQuery asks the engine's own validator, if it has one.
func (r *recorder) ValidateQuery(query authz.Query) error {
	if engine, ok := r.engine.(authz.QueryValidator); ok {
		return engine.ValidateQuery(query)
	}

	return nil
}

// consistencyOf returns what a query was asked with.
func (r *recorder) consistencyOf(query authz.Query) (authz.Consistency, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.asked {
		if one.query.String() == query.String() {
			return one.consistency, true
		}
	}

	return authz.Consistency{}, false
}
