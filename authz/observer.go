package authz

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/notify"
)

// Observer is told of events in authz. Its functions run within the call, so they
// must be fast and safe for concurrent use; any may be nil. A panic in one is
// contained: the call goes on as if the function had returned.
type Observer struct {
	// RuleFault is called, while New runs, for each fault of a rule among the
	// linked services. The method is denied. New doesn't return the fault, but
	// [Authorizer.ValidateMethods] does.
	RuleFault func(fault *RuleError)
	// Decided is called for each decision: of Authorize, and of each check that a
	// handler makes itself. If it is set, every Decision is complete, and a grant
	// from the cache is no longer free of allocations.
	Decided func(ctx context.Context, decision *Decision)
	// Asked is called for each request to the engine, and for each request that an
	// open circuit breaker refused.
	Asked func(ctx context.Context, asked EngineAsked)
	// BreakerChanged is called when a circuit breaker opens or closes.
	BreakerChanged func(changed BreakerChanged)
}

// BreakerChanged is a change of one circuit breaker.
type BreakerChanged struct {
	// Kind is what the breaker's requests ask for.
	Kind QueryKind
	// Open is the breaker's new state.
	Open bool
}

// EngineAsked is one request to the engine.
type EngineAsked struct {
	// Kind is what the request asks for.
	Kind QueryKind
	// Queries is the size of the batch.
	Queries int
	// Combined is how many calls' queries were combined in the request, which then has
	// a context without their values; see [Combiner]. Zero if it is of one call.
	Combined int
	// Duration is how long the engine took.
	Duration time.Duration
	// Err is the failure of the batch as a whole, nil if it was answered.
	Err error
}

// contained returns the observer with its panics contained: some of its functions
// run in goroutines where no caller could recover from them.
func (o Observer) contained() Observer {
	o.RuleFault = notify.Contained(o.RuleFault)
	o.Decided = notify.ContainedIn(o.Decided)
	o.Asked = notify.ContainedIn(o.Asked)
	o.BreakerChanged = notify.Contained(o.BreakerChanged)

	return o
}
