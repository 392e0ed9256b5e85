package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// What a verifier of one's own says wrongly names in the cause what it should say;
// what it says rightly is left as it is.
func TestVerifierWithAPlainErrorIsToldWhatToReturn(t *testing.T) {
	noKey := errors.New("no such key")
	const wanted = `for a bad credential return &verify.Error{Kind: verify.CredentialFault, Err: …}`
	for name, test := range map[string]struct {
		err    error
		reason authz.Reason
		told   bool
	}{
		"a plain error":              {noKey, authz.ReasonMisconfigured, true},
		"a context error of its own": {fmt.Errorf("%w: %w", noKey, context.DeadlineExceeded), authz.ReasonMisconfigured, true},
		"an Error without a kind":    {&verify.Error{Err: noKey}, authz.ReasonMisconfigured, true},
		"an Error without a cause":   {fmt.Errorf("%w: %w", noKey, &verify.Error{}), authz.ReasonMisconfigured, true},
		"a credential fault":         {&verify.Error{Kind: verify.CredentialFault, Err: noKey}, authz.ReasonTokenInvalid, false},
		"a wrapped credential fault": {fmt.Errorf("keys: %w", &verify.Error{Kind: verify.CredentialFault, Err: noKey}), authz.ReasonTokenInvalid, false},
		"a dependency fault":         {&verify.Error{Kind: verify.DependencyFault, Err: noKey}, authz.ReasonVerifierUnavailable, false},
		"a configuration fault":      {&verify.Error{Kind: verify.ConfigurationFault, Err: noKey}, authz.ReasonMisconfigured, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := start(t, w, setupConfig{rules: byValue(), config: func(c *parts) {
				c.Verifier = verify.VerifierFunc(func(context.Context, string, verify.Requirements) (*verify.Principal, error) { return nil, test.err })
			}})
			_, err := s.Ping(as(t, "odd"), &testpb.PingRequest{Value: "1"})
			if st := wantStatus(t, err, interceptor.Code(test.reason), test.reason); strings.Contains(st.String(), "no such key") || strings.Contains(st.String(), "verify.") {
				t.Errorf("the caller reads %v", st)
			}
			events := w.decided()
			if len(events) != 1 {
				t.Fatalf("%d verdicts", len(events))
			}
			cause := events[0].Err
			var fault *verify.Error
			if errors.As(cause, &fault) && fault.Err != nil {
				cause = fault.Err
			}
			if !errors.Is(cause, noKey) || !strings.Contains(cause.Error(), "no such key") || strings.Contains(cause.Error(), wanted) != test.told {
				t.Errorf("cause %v", cause)
			}
		})
	}
}

// The page's verifier of API keys, and what it says about them.
func TestVerifierOfKeysAsThePageHasIt(t *testing.T) {
	errNoKey := errors.New("no such key")
	w := newWorld(t)
	w.allow("document:1#viewer@service:indexer")
	s := start(t, w, setupConfig{rules: byValue(), config: func(c *parts) {
		c.authz.Issuers = authz.Issuers{"keys"}
		c.Verifier = verify.VerifierFunc(func(_ context.Context, key string, _ verify.Requirements) (*verify.Principal, error) {
			id, ok := map[string]string{"abc-1": "indexer"}[key]
			if !ok {
				return nil, &verify.Error{Kind: verify.CredentialFault, Err: errNoKey}
			}

			return verify.NewPrincipal(verify.PrincipalConfig{Claims: map[string]any{"iss": "https://keys.corp", "sub": id, "client_id": id}, IssuerName: "keys"})
		})
	}})
	if _, err := s.Ping(as(t, "abc-1"), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Errorf("a key: %v", err)
	}
	_, err := s.Ping(as(t, "made-up"), &testpb.PingRequest{Value: "1"})
	wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenInvalid)
	_, err = s.Ping(as(t, "key:1"), &testpb.PingRequest{Value: "1"})
	wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenInvalid)
	_, err = s.Ping(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "abc-1"), &testpb.PingRequest{Value: "1"})
	wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenMissing)
	if events := w.decided(); len(events) != 4 || !errors.Is(events[1].Err, errNoKey) || errors.Is(events[2].Err, errNoKey) {
		t.Errorf("causes %v", events)
	}
}
