package authz

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/notify"
)

// Observer is told what happens in authz. Its functions run in the call, so they
// must be fast and safe for concurrent use; any may be nil. A function that panics
// is contained: the call goes on as if it had returned.
type Observer struct {
	// RuleFault is told, while New runs, of each faulty rule among the linked
	// services. The method is denied; it is an error for ValidateMethods only.
	RuleFault func(fault *RuleError)
	// Decided is told of each decision: of Authorize, and of each check that a
	// handler makes itself. Setting it makes every Decision complete, which costs
	// the warm path its freedom from allocations.
	Decided func(ctx context.Context, decision *Decision)
	// Asked is told of each request to the engine, and of each that an open circuit
	// breaker kept from it.
	Asked func(ctx context.Context, asked EngineAsked)
	// BreakerChanged is told when the circuit breaker opens or closes.
	BreakerChanged func(open bool)
}

// EngineAsked is one request to the engine.
type EngineAsked struct {
	// Queries is the size of the batch.
	Queries int
	// Combined is how many calls' queries were combined in it, which is then asked
	// under a context that has nothing of theirs; see [Combiner]. Zero: it is of one.
	Combined int
	// Duration is how long the engine took.
	Duration time.Duration
	// Err is the failure of the batch as a whole, nil if it was answered.
	Err error
}

// contained is the observer with its panics kept away from calls: some of its
// functions run in goroutines where nobody else could stop them.
func (o Observer) contained() Observer {
	o.RuleFault = notify.Contained(o.RuleFault)
	o.Decided = notify.ContainedIn(o.Decided)
	o.Asked = notify.ContainedIn(o.Asked)
	o.BreakerChanged = notify.Contained(o.BreakerChanged)

	return o
}
