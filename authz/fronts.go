package authz

import (
	"context"
	"hash/maphash"
	"reflect"
	"slices"
	"time"
)

// queryKinds is the number of kinds of queries.
const queryKinds = int(QueryAttributes) + 1

// fronts are what an Authorizer asks: one front for each kind of query, nil for a kind
// that nothing answers. They share the decision cache and its clock.
type fronts struct {
	of    [queryKinds]*front
	cache *decisionCache
	base  time.Time
}

// landings are the counts of the flights that had landed at each front before the
// cache was asked.
type landings [queryKinds]uint64

func newFronts(config *Config) *fronts {
	f := &fronts{cache: newDecisionCache(config.Cache), base: time.Now()}
	if engine := config.Engine; engine != nil {
		f.of[QueryRelation] = f.newFront(config, QueryRelation, engine, engine.Check)
	}
	permissions := config.Permissions
	if permissions == nil {
		permissions, _ = config.Engine.(PermissionEngine)
	}
	if permissions != nil && !areClaims(permissions) {
		f.of[QueryPermission] = f.newFront(config, QueryPermission, permissions, permissions.CheckPermissions)
	}
	attributes := config.Attributes
	if attributes == nil {
		attributes, _ = config.Engine.(AttributeEngine)
	}
	if attributes != nil {
		f.of[QueryAttributes] = f.newFront(config, QueryAttributes, attributes, attributes.EvaluateAttributes)
	}

	return f
}

func (f *fronts) newFront(config *Config, kind QueryKind, engine any, check func(context.Context, Batch) (Result, error)) *front {
	one := &front{
		kind: kind, engine: engine, check: check, timeout: config.Timeout, observer: config.Observer, cache: f.cache, clock: f.clock, seed: maphash.MakeSeed(),
		inFlight: map[flightKey]*seat{}, left: map[uint64]int{},
		supports: func(mode Mode) bool { return mode == ModeMinimizeLatency },
	}
	one.breaker = newBreaker(config.Breaker, kind, f.clock, &one.observer)
	if one.timeout == 0 {
		one.timeout = defaultTimeout
	}
	if validator, ok := engine.(QueryValidator); ok {
		one.validate = validator.ValidateQuery
	}
	if honorer, ok := engine.(ContextHonorer); ok {
		one.inline.able.Store(honorer.HonorsContext())
	}
	if kind == QueryRelation {
		one.combiner = newCombiner(one, config)
	}
	if supporter, ok := engine.(ConsistencySupporter); ok {
		one.supports = supporter.SupportsConsistency
	}

	return one
}

// clock is monotonic time since the fronts were made: it doesn't jump.
func (f *fronts) clock() time.Duration { return time.Since(f.base) }

func (f *fronts) landed() (before landings) {
	for kind, one := range f.of {
		if one != nil {
			before[kind] = one.landed.Load()
		}
	}

	return before
}

// recall answers what the cache knows of the wanted questions. It reports whether
// that is anything.
func (f *fronts) recall(e *evaluation) (hit bool) {
	if f.cache == nil || !e.shares() {
		return false
	}
	now := f.clock()
	for i := range e.questions {
		q := &e.questions[i]
		if !q.wanted || !q.check.cacheable {
			continue
		}
		if effect, known := f.cache.get(e.buf[q.key.from:q.key.to], now); known {
			q.recalled(effect)
			hit = true
		}
	}

	return hit
}

// ask answers the wanted questions: from what is in flight for the caller already,
// and the rest from the engines, in one flight to each. It returns as soon as the
// answers decide the root, if there is one: an engine that is slow or down doesn't
// keep a decision that needs nothing of it. The error is the context's.
func (f *fronts) ask(ctx context.Context, e *evaluation, root *node, before landings) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var own [queryKinds]*flight
	wanted, kinds := e.wantedKinds()
	for kind, one := range f.of {
		if wanted[kind] {
			own[kind] = one.send(ctx, e, before[kind], kinds == 1)
		}
	}
	open, err := e.await(ctx, root)
	for _, flight := range own {
		switch {
		case err != nil:
			flight.leave()
		case open:
			flight.dispense()
		}
	}

	return err
}

// wantedKinds returns of what kinds the wanted questions are, and how many kinds these
// are.
func (e *evaluation) wantedKinds() (wanted [queryKinds]bool, kinds int) {
	for i := range e.questions {
		if q := &e.questions[i]; q.wanted && !wanted[q.check.kind] {
			wanted[q.check.kind] = true
			kinds++
		}
	}

	return wanted, kinds
}

// send finds a seat for each wanted question of the front's kind, and sends the flight
// that the call needs for that, if any. Alone says that the call asks nothing else, so
// that it may wait in the engine.
func (f *front) send(ctx context.Context, e *evaluation, landed uint64, alone bool) *flight {
	caller := f.callerOf(e.call.Principal)
	own, refused := f.board(ctx, caller, e, landed, alone)
	switch {
	case own == nil:
	case refused:
		own.refuse(&EngineError{Kind: EngineUnavailable, RetryAfter: retryNow, Err: errLeft})
	case !f.overdue.admits(caller):
		own.refuse(&EngineError{Kind: EngineUnavailable, Err: errOverdue})
	default:
		f.combiner.send(own)
	}

	return own
}

// await takes the answers of the questions that have a seat, in the order in which
// their flights land. It stops once they decide the root, if there is one, and
// reports whether flights are open then. The error is the context's.
func (e *evaluation) await(ctx context.Context, root *node) (open bool, err error) {
	var room [queryKinds]*flight
	waiting := room[:0]
	for i := range e.questions {
		if s := e.questions[i].seat; s != nil && !slices.Contains(waiting, s.flight) {
			waiting = append(waiting, s.flight)
		}
	}
	for len(waiting) > 0 {
		// Before the first, too: the cache may have had an answer just now.
		if root != nil && e.fold(root) != verdictPending {
			return true, nil
		}
		of := waiting
		if root == nil {
			// All are needed, so the order doesn't matter. There may be thousands.
			of = waiting[:1]
		}
		at, err := first(ctx, of)
		if err != nil {
			return true, err
		}
		if err := e.take(ctx, waiting[at]); err != nil {
			return true, err
		}
		waiting = slices.Delete(waiting, at, at+1)
	}

	return false, nil
}

// take takes the answers of a flight that has landed.
func (e *evaluation) take(ctx context.Context, landed *flight) error {
	for i := range e.questions {
		q := &e.questions[i]
		if q.seat == nil || q.seat.flight != landed {
			continue
		}
		if q.seat.answer.Err != nil {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		q.told(&q.seat.answer)
	}

	return nil
}

// first waits until one of the flights has landed, and returns its index.
func first(ctx context.Context, flights []*flight) (int, error) {
	switch len(flights) {
	case 1:
		select {
		case <-flights[0].done:
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	case 2:
		select {
		case <-flights[0].done:
			return 0, nil
		case <-flights[1].done:
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	cases := make([]reflect.SelectCase, 0, len(flights)+1)
	for _, f := range flights {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(f.done)})
	}
	cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())})
	if at, _, _ := reflect.Select(cases); at < len(flights) {
		return at, nil
	}

	return 0, ctx.Err()
}
