package interceptor

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/authz"
)

// Ready returns everything that would keep the server from deciding calls, at once:
//
//   - every fault that [Interceptor.ValidateServer] returns;
//   - why the verifier isn't ready, if it has a method Ready(context.Context) error, as
//     those of package verify have: the issuer's keys can't be fetched;
//   - why an engine can't be asked, and each rule that doesn't fit the schema of the
//     engine of relations, if its adapter can read it: see [authz.Authorizer.Ready].
//
// Call it after the last registration, before the server serves, if the server should
// fail to start rather than answer INTERNAL or UNAVAILABLE. The verifier and the engines
// are asked at the same time, with I/O, and until ctx ends: give it a deadline. A server
// that isn't ready is safe to serve: what it can't decide, it refuses.
//
// A fault of a rule is an [*authz.RuleError], and calling again won't mend it. Anything
// else may be an outage, an [*authz.EngineError] or the verifier's own error: Ready may
// be called again until it is over. It changes nothing, and is safe for concurrent use.
func (i *Interceptor) Ready(ctx context.Context, server ServiceInfoProvider) error {
	verifier := make(chan error, 1)
	go func() { verifier <- i.verifierReady(ctx) }()
	methods, err := methodsOf(server)
	if err == nil {
		err = i.ValidateServer(server)
	}
	errs := unjoined(err)
	engines := i.authorizer.Ready(ctx, methods...)

	return errors.Join(append(append(errs, <-verifier), unjoined(engines)...)...)
}

// Policy returns the rules that the interceptor enforces as data: see
// [authz.Authorizer.Policy].
func (i *Interceptor) Policy() *authz.Policy { return i.authorizer.Policy() }

// verifierReady asks the verifier whether it is ready. A verifier that ignores its
// context keeps one goroutine until it returns.
func (i *Interceptor) verifierReady(ctx context.Context) error {
	verifier, ok := i.verifier.(interface {
		Ready(ctx context.Context) error
	})
	if !ok {
		return nil
	}
	answer := make(chan error, 1)
	go func() {
		var err error = errVerifierGone
		defer func() {
			if recover() != nil {
				err = errVerifierPanicked
			}
			answer <- err
		}()
		if err = verifier.Ready(ctx); err != nil && holdsNil(err) {
			err = errVerifierUnready
		}
	}()
	var err error
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}

	return fmt.Errorf("interceptor: the verifier isn't ready: %w", err)
}
