package telemetry

import (
	"context"
	"errors"
	"slices"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

func (i *instruments) credentialsObserver() credentials.Observer {
	return credentials.Observer{
		FetchEnded: func(e credentials.FetchEnded) {
			outcome := outcomeOK
			if e.Err != nil {
				outcome = outcomeRefused
			}
			i.fetched.Record(context.Background(), e.Duration.Seconds(), labels(attribute.String(labelOutcome, outcome)))
		},
		TokenInvalidated: func(e credentials.TokenInvalidated) {
			reason := "caller"
			if e.Reason == credentials.ReasonChallenge {
				reason = "challenge"
			}
			i.invalidated.Add(context.Background(), 1, labels(attribute.String(labelReason, reason)))
		},
	}
}

func (i *instruments) verifyObserver() verify.Observer {
	return verify.Observer{
		Verified: func(e verify.Verified) {
			i.verified.Record(context.Background(), e.Duration.Seconds(), labels(
				attribute.String(labelOutcome, verifyOutcome(e.Err)),
				attribute.String(labelSource, e.Source.String()),
				attribute.String(labelIssuer, e.Issuer),
			))
		},
		KeysFetched: func(e verify.KeysFetched) {
			outcome := outcomeOK
			if e.Err != nil {
				outcome = outcomeUnavailable
			} else {
				i.keysLoaded(e.Issuer)
			}
			i.keyFetches.Add(context.Background(), 1, labels(
				attribute.String(labelOutcome, outcome), attribute.String(labelIssuer, e.Issuer),
			))
		},
		Introspected: func(e verify.Introspected) {
			outcome := outcomeOK
			switch {
			case e.Err != nil:
				outcome = outcomeUnavailable
			case !e.Active && !e.Probe:
				outcome = outcomeRefused
			}
			i.introspected.Record(context.Background(), e.Duration.Seconds(), labels(
				attribute.String(labelOutcome, outcome), attribute.String(labelIssuer, e.Issuer),
			))
		},
	}
}

func verifyOutcome(err error) string {
	if err == nil {
		return outcomeOK
	}
	var fault *verify.Error
	if !errors.As(err, &fault) {
		return outcomeCanceled
	}
	switch fault.Kind {
	case verify.CredentialFault:
		return outcomeRefused
	case verify.DependencyFault:
		return outcomeUnavailable
	case verify.ConfigurationFault:
		return outcomeFault
	default:
		return outcomeFault
	}
}

func authzObserver(i *instruments, a *audit) authz.Observer {
	return authz.Observer{
		RuleFault: a.ruleFault,
		Decided: func(ctx context.Context, decision *authz.Decision) {
			// The decisions of rules are in the interceptor's events; only those of
			// a handler's own checks are recorded here.
			if _, handler := authz.FromContext(ctx); !handler {
				return
			}
			i.count(ctx, decision)
			a.handlerDecided(ctx, decision)
		},
		Asked: func(ctx context.Context, e authz.EngineAsked) {
			outcome := outcomeOK
			if e.Err != nil {
				outcome = outcomeUnavailable
			}
			i.asked.Record(ctx, e.Duration.Seconds(), labels(attribute.String(labelOutcome, outcome), attribute.String(labelKind, e.Kind.String())))
			if e.Combined > 0 {
				i.combined.Add(ctx, int64(e.Queries))
			}
		},
		BreakerChanged: func(e authz.BreakerChanged) {
			value := int64(0)
			if e.Open {
				value = 1
			}
			i.breaker.Record(context.Background(), value, labels(attribute.String(labelKind, e.Kind.String())))
		},
	}
}

// count counts the checks of a decision.
func (i *instruments) count(ctx context.Context, decision *authz.Decision) {
	if decision == nil {
		return
	}
	for _, checked := range decision.Checks() {
		i.checks.Add(ctx, 1, labels(
			attribute.String(labelKind, checked.Query.Kind.String()),
			attribute.String(labelEffect, checked.Answer.Effect.String()), attribute.Bool(labelCached, checked.Cached),
		))
	}
}

func interceptorObserver(i *instruments, a *audit) interceptor.Observer {
	return interceptor.Observer{
		Authenticated: func(ctx context.Context, e interceptor.Authenticated) {
			// The fields that go-grpc-middleware's logging keeps in the context
			// aren't safe for concurrent use: they may be added only in the call's
			// own goroutine, before anything else runs.
			logging.AddFields(ctx, logging.Fields{
				"auth.issuer", e.Principal.IssuerName(), "auth.sub", e.Principal.Subject(), "auth.client_id", e.Principal.ClientID(),
			})
		},
		Decided: func(ctx context.Context, e interceptor.Decided) {
			i.decided.Record(ctx, e.Duration.Seconds(), labels(
				attribute.String(labelOutcome, outcomeOf(e.Code)),
				attribute.String(labelReason, string(e.Reason)),
				attribute.String(labelOccasion, e.Occasion.String()),
				attribute.String(labelMethod, methodLabel(e)),
			))
			i.count(ctx, e.Decision)
			if e.Occasion == interceptor.OccasionCall && !e.Allowed() {
				logging.AddFields(ctx, logging.Fields{"auth.reason", string(e.Reason), "auth.decision_id", e.DecisionID})
			}
			annotate(trace.SpanFromContext(ctx), e)
			a.decided(ctx, e)
		},
		HandlerOverran: func(ctx context.Context, e interceptor.HandlerOverran) {
			if e.Returned {
				i.abandoned.Add(ctx, -1)

				return
			}
			i.abandoned.Add(ctx, 1)
			a.handlerOverran(ctx, e)
		},
		HandlerPanicked: func(ctx context.Context, e interceptor.HandlerPanicked) {
			i.panics.Add(ctx, 1, labels(attribute.String(labelWhere, "handler")))
			a.panicked(ctx, "handler", e.Method, e.Stack)
		},
		HookPanicked: func(ctx context.Context, e interceptor.HookPanicked) {
			i.panics.Add(ctx, 1, labels(attribute.String(labelWhere, "hook")))
			a.panicked(ctx, "hook", e.Hook, e.Stack)
		},
	}
}

func methodLabel(e interceptor.Decided) string {
	if !e.Known {
		return otherMethod
	}

	return e.Method
}

func outcomeOf(code codes.Code) string {
	switch code {
	case codes.OK:
		return outcomeOK
	case codes.Unavailable:
		return outcomeUnavailable
	case codes.Canceled, codes.DeadlineExceeded:
		return outcomeCanceled
	case codes.Internal:
		return outcomeFault
	default:
		return outcomeRefused
	}
}

// maxAsked bounds how many queries a span tells apart.
const maxAsked = 8

// asked returns what was asked for, in the rule's order and each once, as in
// "permission documents.edit": the names that the rule has, without the objects.
func asked(decision *authz.Decision) []string {
	var names []string
	for _, checked := range decision.Checks() {
		name := checked.Query.Kind.String() + " " + checked.Query.Relation
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if len(names) == maxAsked {
			break
		}
	}

	return names
}

// annotate sets the attributes of a verdict on the server's span.
func annotate(span trace.Span, e interceptor.Decided) {
	if !span.IsRecording() {
		return
	}
	attributes := []attribute.KeyValue{
		attribute.Bool("usher.allowed", e.Allowed()), attribute.String("usher.occasion", e.Occasion.String()),
	}
	if e.Principal != nil {
		attributes = append(attributes,
			attribute.String("usher.issuer", e.Principal.IssuerName()),
			attribute.String("usher.subject", e.Principal.Subject()),
			attribute.String("usher.client_id", e.Principal.ClientID()),
		)
	}
	if e.Decision != nil {
		attributes = append(attributes, attribute.String("usher.rule", e.Decision.Rule()))
		if asked := asked(e.Decision); len(asked) > 0 {
			attributes = append(attributes, attribute.StringSlice("usher.asked", asked))
		}
	}
	if !e.Allowed() {
		attributes = append(attributes,
			attribute.String("usher.reason", string(e.Reason)), attribute.String("usher.decision_id", e.DecisionID))
	}
	span.SetAttributes(attributes...)
}
