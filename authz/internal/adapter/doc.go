// Package adapter has functions that every engine adapter needs. They convert a
// condition context to JSON values, encode ids into an engine's grammar and decode
// them, and cut a batch into requests, of which a bounded number run at once.
//
// It is for authors of an [authz.Engine]. A minimal adapter that sends its
// engine at most 50 queries in a request, and 4 requests at once:
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
