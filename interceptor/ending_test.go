package interceptor

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// endedCall returns a call of alice's, under a rule of the policy that hides or not.
func endedCall(t *testing.T, handlerDecides, hides bool) *callContext {
	t.Helper()
	rule := &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}
	if handlerDecides {
		rule.Policy = &authzv1.Rule_Handler{Handler: &authzv1.Handler{}}
	}
	if hides {
		rule.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND
	}
	authorizer, err := authz.New(authz.Config{
		Engine: authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
			answers := make([]authz.Answer, len(batch.Queries))
			for i := range answers {
				answers[i].Effect = authz.EffectDenied
			}

			return authz.Result{Answers: answers}, nil
		}),
		Subjects: authz.Subjects{User: "user:{$issuer}/{$sub}"},
		Rules:    []authz.MethodRule{{Selector: "testing.testpb.v1.TestService/Ping", Rule: rule}},
	})
	if err != nil {
		t.Fatal(err)
	}
	principal, err := verify.NewPrincipal(verify.PrincipalConfig{Claims: map[string]any{"iss": "i", "sub": "alice", "client_id": "app"}})
	if err != nil {
		t.Fatal(err)
	}
	call := &callContext{Context: t.Context(), principal: principal, method: authorizer.Method("/testing.testpb.v1.TestService/Ping")}
	t.Cleanup(call.end)

	return call
}

// What passes of a handler's outcome is one rule for unary calls and streams.
func TestEnding(t *testing.T) {
	var (
		gone     = status.Error(codes.NotFound, "document 7 is gone")
		closed   = status.Error(codes.FailedPrecondition, "closed")
		denied   = &authz.Error{Reason: authz.ReasonRelationDenied}
		nothing  = &testpb.PingResponse{}
		secret   = &testpb.PingResponse{Value: "secret"}
		another  = refusals{}.make(authz.ReasonTokenInvalid, errNotBearer, extras{})
		wrapping = fmt.Errorf("onward: %w", another)
	)
	const (
		decides, hides                = true, true
		asksNothing, granted, filters = "", "granted", "filters"
	)
	for name, c := range map[string]struct {
		decides, hides bool
		did            string
		answer         any
		err            error
		refusal, want  error
		metadata       bool
	}{
		"an answer":                      {false, false, asksNothing, secret, nil, nil, nil, true},
		"an answer, where hidden":        {false, hides, asksNothing, secret, nil, nil, nil, true},
		"a stream's OK":                  {false, hides, asksNothing, noAnswer, nil, nil, nil, true},
		"its own error":                  {false, false, asksNothing, nil, closed, nil, closed, true},
		"its own error, where hidden":    {false, hides, asksNothing, nil, closed, nil, closed, true},
		"NOT_FOUND":                      {false, false, asksNothing, nil, gone, nil, gone, true},
		"NOT_FOUND, where hidden":        {false, hides, asksNothing, nil, gone, nil, notFound.Err(), false},
		"NOT_FOUND in another error":     {false, hides, asksNothing, nil, fmt.Errorf("x: %w", gone), nil, notFound.Err(), false},
		"NOT_FOUND after a check":        {decides, hides, granted, nil, gone, nil, notFound.Err(), false},
		"an answer without a check":      {decides, false, asksNothing, secret, nil, errUnchecked, nil, false},
		"nothing without a check":        {decides, false, asksNothing, nothing, nil, errUnchecked, nil, false},
		"a stream's OK without a check":  {decides, false, asksNothing, noAnswer, nil, errUnchecked, nil, false},
		"no answer without a check":      {decides, false, asksNothing, nil, nil, errUnchecked, nil, false},
		"an answer after a check":        {decides, false, granted, secret, nil, nil, nil, true},
		"an answer after a filter":       {decides, false, filters, secret, nil, errUnchecked, nil, false},
		"no message after a filter":      {decides, false, filters, nil, nil, errUnchecked, nil, false},
		"nothing after a filter":         {decides, false, filters, nothing, nil, nil, nil, false},
		"a stream's OK after a filter":   {decides, false, filters, noAnswer, nil, nil, nil, false},
		"its own error without a check":  {decides, false, asksNothing, nil, closed, nil, closed, false},
		"its own error after a check":    {decides, false, granted, nil, closed, nil, closed, true},
		"what its check said":            {decides, false, asksNothing, nil, denied, denied, nil, false},
		"what its check said, elsewhere": {false, hides, asksNothing, nil, denied, denied, nil, false},
		"what refused another call":      {false, hides, asksNothing, nil, another, nil, another, false},
		"the same in another error":      {decides, false, granted, nil, wrapping, nil, wrapping, false},
	} {
		t.Run(name, func(t *testing.T) {
			call := endedCall(t, c.decides, c.hides)
			switch c.did {
			case granted:
				if err := authz.EmptyFromContext(call); err != nil {
					t.Fatal(err)
				}
			case filters:
				if _, err := authz.FilterFromContext(call, []string{"document:1"}, "viewer"); err != nil {
					t.Fatal(err)
				}
			}
			got := endingOf(call, c.answer, c.err)
			same := func(a, b error) bool { return errors.Is(a, b) || a != nil && b != nil && a.Error() == b.Error() }
			if !same(got.refusal, c.refusal) || !same(got.err, c.want) || got.metadata != c.metadata {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// An answer that passes costs no heap.
func TestEndingOfAnAnswerCostsNoHeap(t *testing.T) {
	call, answer := endedCall(t, false, true), &testpb.PingResponse{Value: "1"}
	if n := testing.AllocsPerRun(100, func() { _ = endingOf(call, answer, nil) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
