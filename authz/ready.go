package authz

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/usher-auth/usher/authz/schema"
)

// errNoSchema is an engine that returns neither a schema nor an error.
var errNoSchema = errors.New("the engine returned neither a schema nor an error")

// Ready asks the engines whether they can answer what the rules of the methods ask, each
// method named as in "/pkg.Service/Method", and returns everything that is wrong at once:
//
//   - A rule that doesn't fit the schema of the engine of relations is a [*RuleError]: see
//     [Policy.ValidateSchema]. The schema is read once, if the engine is a
//     [schema.Reader]. Left out are faults that don't stop a method from working, which
//     package authz/lint finds: FaultSchemaContextLacking, FaultSchemaContext of a value
//     that no condition takes, since engines ignore it, and FaultSchemaSubject of a kind
//     of callers while others can pass.
//   - An engine that can't be asked is an [*EngineError]; if ctx ends, the error wraps its
//     error. An engine that has a method Ready(context.Context) error is asked by it.
//
// Only engines that these rules ask are asked; a rule of a handler asks the engine of
// relations. If the rules ask none, Ready does no I/O. Faults that ValidateMethods returns
// aren't among those of Ready.
//
// Ready changes nothing, and may be called again until what it waits for is up. It
// returns when ctx ends: an engine that ignores its context keeps one goroutine until it
// returns. A panic in an engine is an error.
func (a *Authorizer) Ready(ctx context.Context, fullMethods ...string) error {
	asked := a.asked(fullMethods)
	var waiting []<-chan error
	for kind, one := range a.fronts.of {
		if one == nil || !asked[kind] {
			continue
		}
		var policy *Policy
		if one.kind == QueryRelation {
			policy = a.Policy().Only(fullMethods...)
		}
		if policy == nil && a.fronts.askedBefore(QueryKind(kind), asked) {
			continue // by one that is the same engine
		}
		answer := make(chan error, 1)
		go func() { answer <- one.ready(ctx, policy) }()
		waiting = append(waiting, answer)
	}
	errs := make([]error, 0, len(waiting))
	for _, answer := range waiting {
		errs = append(errs, <-answer)
	}

	return errors.Join(errs...)
}

// asked returns which kinds of queries the rules of the methods ask.
func (a *Authorizer) asked(fullMethods []string) (asked [queryKinds]bool) {
	for _, name := range fullMethods {
		m := a.methods["/"+strings.TrimPrefix(name, "/")]
		if m == nil || len(m.faults) > 0 {
			continue
		}
		if m.policy == policyHandler {
			asked[QueryRelation] = true
		}
		m.root.asks(&asked)
	}

	return asked
}

// asks sets the kinds of queries that a condition asks.
func (n *node) asks(asked *[queryKinds]bool) {
	if n == nil {
		return
	}
	if n.check != nil {
		asked[n.check.kind] = true
	}
	for _, child := range n.children {
		child.asks(asked)
	}
}

// askedBefore reports whether the engine of a kind is that of an earlier one, too.
func (f *fronts) askedBefore(kind QueryKind, asked [queryKinds]bool) bool {
	pointer := func(kind QueryKind) (reflect.Value, bool) {
		v := reflect.ValueOf(f.of[kind].engine)

		return v, v.Kind() == reflect.Pointer
	}
	own, ok := pointer(kind)
	for earlier := range kind {
		if !ok || !asked[earlier] || f.of[earlier] == nil {
			continue
		}
		if other, isPointer := pointer(earlier); isPointer && other.Type() == own.Type() && other.Pointer() == own.Pointer() {
			return true
		}
	}

	return false
}

// ready asks the engine whether it is ready, and validates the policy against its schema.
func (f *front) ready(ctx context.Context, policy *Policy) error {
	if asks, can := f.engine.(interface {
		Ready(ctx context.Context) error
	}); can {
		if _, err := contain(ctx, func() (struct{}, error) { return struct{}{}, asks.Ready(ctx) }); err != nil {
			return fmt.Errorf("authz: the %s engine isn't ready: %w", f.kind, err)
		}
	}
	reader, can := f.engine.(schema.Reader)
	if policy == nil || !can {
		return nil
	}
	model, err := contain(ctx, func() (*schema.Schema, error) { return reader.ReadSchema(ctx) })
	if err == nil && model == nil {
		err = &EngineError{Kind: EngineMisconfigured, Err: errNoSchema}
	}
	if err != nil {
		return fmt.Errorf("authz: the schema of the %s engine can't be read: %w", f.kind, err)
	}
	var faults []*RuleError
	for _, fault := range policy.judgeSchema(model) {
		if !fault.review {
			faults = append(faults, fault.fault)
		}
	}

	return joinRuleErrors(faults)
}

// contain calls an engine, and returns an error if it panics, ends its goroutine, or goes
// on when ctx has ended.
func contain[T any](ctx context.Context, call func() (T, error)) (value T, err error) {
	if err := ctx.Err(); err != nil {
		return value, err
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		said := answer{err: errGone}
		defer func() {
			if recover() != nil {
				said = answer{err: &EngineError{Kind: EngineMisconfigured, Err: errPanicked}}
			}
			answers <- said
		}()
		value, err := call()
		if err != nil {
			read(err)
			if ctx.Err() == nil {
				err = asEngineError(err)
			}
		}
		said = answer{value, err}
	}()
	select {
	case said := <-answers:
		if said.err != nil && ctx.Err() != nil {
			return value, ctx.Err()
		}

		return said.value, said.err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}
