// Package adapter holds what every engine adapter needs: condition context as
// JSON values, ids encoded into an engine's grammar and back, and a batch cut
// into requests that run side by side within a bound.
//
// It is for writers of an [authz.Engine]. A minimal adapter that asks its
// engine for at most 50 queries at a time, 4 requests at once:
//
//	func (e *Engine) Check(ctx context.Context, b authz.Batch) (authz.Result, error) {
//		answers := make([]authz.Answer, len(b.Queries))
//		err := adapter.Chunks(ctx, answers, 50, 4, func(ctx context.Context, lo, hi int) error {
//			return e.ask(ctx, b.Queries[lo:hi], answers[lo:hi])
//		})
//		return authz.Result{Answers: answers}, err
//	}
//
// Nothing here ever turns an error into a grant: an answer that was not set
// stays [authz.EffectUnknown].
//
// [authz.Engine]: https://pkg.go.dev/github.com/usher-auth/usher/authz#Engine
package adapter
