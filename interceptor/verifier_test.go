package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// named is a verifier that knows its issuers.
type named struct {
	verify.Verifier

	names []string
}

func (n named) IssuerNames() []string { return n.names }

// The verifier knows whose tokens it accepts. An authorizer for others is a fault
// that names both.
func TestVerifierSaysWhichIssuers(t *testing.T) {
	const both = `the verifier accepts the tokens of ["a" "b"], but the authorizer's Config.Issuers has ["a"]; set authz.Config.Issuers to the verifier`
	for name, test := range map[string]struct {
		names, issuers []string
		fault          string
	}{
		"the same names":                    {[]string{"a", "b"}, []string{"a", "b"}, ""},
		"the same names in another order":   {[]string{"a", "b"}, []string{"b", "a"}, ""},
		"fewer names than the verifier has": {[]string{"a", "b"}, []string{"a"}, both},
		"another name":                      {[]string{"a"}, []string{"b"}, `accepts the tokens of ["a"], but the authorizer's Config.Issuers has ["b"]`},
		"more names than the verifier has":  {[]string{"a"}, []string{"a", "b"}, `accepts the tokens of ["a"], but the authorizer's Config.Issuers has ["a" "b"]`},
		"one name for two issuers":          {[]string{"a", "a"}, []string{"a"}, `accepts the tokens of ["a" "a"], but the authorizer's Config.Issuers has ["a"]`},
		"a verifier that doesn't say":       {nil, []string{"a", "b"}, ""},
		"an authorizer that doesn't":        {[]string{"a", "b"}, nil, ""},
		"neither of them":                   {nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, err := parts{
				Config: interceptor.Config{Verifier: named{w, test.names}},
				authz: authz.Config{
					Engine: w, Issuers: authz.Issuers(test.issuers),
					Subjects: authz.Subjects{User: "user:{$issuer}/{$sub}", Service: "service:{$issuer}/{$client_id}"},
				},
			}.build()
			switch {
			case test.fault == "" && err != nil:
				t.Error(err)
			case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)):
				t.Errorf("%v, want a fault about %s", err, test.fault)
			}
		})
	}
}

// Row 21a: two issuers behind one verifier, and a template that doesn't tell them
// apart, is a fault at start.
func TestTwoIssuersOfOneVerifierNeedTheIssuerInTheSubject(t *testing.T) {
	jwt := func(issuer, name string) *verify.JWT {
		v, err := verify.NewJWT(verify.JWTConfig{Issuer: issuer, IssuerName: name, Audiences: []string{"docs"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = v.Close() })

		return v
	}
	both, err := verify.NewMultiIssuer(jwt("https://a.example", "a"), jwt("https://b.example", "b"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for template, good := range map[string]bool{"user:{$sub}": false, "user:{$issuer}/{$sub}": true} {
		_, err := parts{
			Config: interceptor.Config{Verifier: both},
			authz:  authz.Config{Engine: w, Issuers: both, Subjects: authz.Subjects{User: template}},
		}.build()
		if (err == nil) != good {
			t.Errorf("%s: %v", template, err)
		}
	}
	_, err = parts{Config: interceptor.Config{Verifier: both}, authz: authz.Config{
		Engine: w, Issuers: both,
		IssuerSubjects: map[string]authz.Subjects{"a": {User: "user:a/{$sub}"}, "b": {User: "user:b/{$sub}"}},
	}}.build()
	if err != nil {
		t.Errorf("subjects for each issuer: %v", err)
	}
}

// A verifier that isn't there is found at start, however it is written.
func TestNilVerifierIsAFaultAtStart(t *testing.T) {
	for name, verifier := range map[string]verify.Verifier{
		"nil": nil, "a nil function": verify.VerifierFunc(nil), "a nil pointer": (*verify.JWT)(nil), "nil of several issuers": (*verify.MultiIssuer)(nil),
	} {
		if _, err := interceptor.New(interceptor.Config{Verifier: verifier}); err == nil || !strings.Contains(err.Error(), "Config.Verifier") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// oddError is an error type whose nil pointer can't be read.
type oddError struct{ text string }

func (e *oddError) Error() string { return e.text }

// unreadable is an error of which one method panics.
type unreadable struct{ text, unwrap, is, as string }

func (u unreadable) Error() string { return panicIf(u.text, "unreadable") }
func (u unreadable) Unwrap() error { panicIf(u.unwrap, ""); return nil }
func (u unreadable) Is(error) bool { panicIf(u.is, ""); return false }
func (u unreadable) As(any) bool   { panicIf(u.as, ""); return false }

func panicIf(value, otherwise string) string {
	if value != "" {
		panic(value)
	}

	return otherwise
}

func textOf(e *oddError) string { return e.text }

func panicWith(value any) { panic(value) }

// A verifier's panic, Goexit and answers that are none refuse one call, and show
// nothing of what they were.
func TestVerifierThatMisbehavesRefusesOneCall(t *testing.T) {
	const secret = "bearer-material-in-a-panic"
	good := principal(t, "alice", time.Hour)
	for name, test := range map[string]struct {
		verify func() (*verify.Principal, error)
		code   codes.Code
		reason authz.Reason
		panics bool
	}{
		"panic": {func() (*verify.Principal, error) { panic(secret) }, codes.Internal, authz.ReasonMisconfigured, true},
		"a nil dereference": {func() (*verify.Principal, error) {
			return nil, errors.New(textOf(nil))
		}, codes.Internal, authz.ReasonMisconfigured, true},
		"panic with nil": {func() (*verify.Principal, error) { panicWith(nil); return good, nil }, codes.Internal, authz.ReasonMisconfigured, true},
		"Goexit": {func() (*verify.Principal, error) {
			runtime.Goexit()

			return good, nil
		}, codes.Unavailable, authz.ReasonVerifierUnavailable, false},
		"neither principal nor error":    {func() (*verify.Principal, error) { return nil, nil }, codes.Internal, authz.ReasonMisconfigured, false},
		"a nil fault in an error":        {func() (*verify.Principal, error) { return nil, (*verify.Error)(nil) }, codes.Internal, authz.ReasonMisconfigured, false},
		"a nil fault and a principal":    {func() (*verify.Principal, error) { return good, (*verify.Error)(nil) }, codes.Internal, authz.ReasonMisconfigured, false},
		"a wrapped nil fault":            {func() (*verify.Principal, error) { return nil, fmt.Errorf("x: %w", (*verify.Error)(nil)) }, codes.Internal, authz.ReasonMisconfigured, false},
		"a wrapped nil refusal of authz": {func() (*verify.Principal, error) { return nil, fmt.Errorf("x: %w", (*authz.Error)(nil)) }, codes.Internal, authz.ReasonMisconfigured, false},
		"another nil error":              {func() (*verify.Principal, error) { return nil, (*oddError)(nil) }, codes.Internal, authz.ReasonMisconfigured, false},
		"a refusal that is empty":        {func() (*verify.Principal, error) { return nil, &interceptor.Error{} }, codes.Internal, authz.ReasonMisconfigured, false},
		"a wrapped nil refusal":          {func() (*verify.Principal, error) { return nil, fmt.Errorf("x: %w", (*interceptor.Error)(nil)) }, codes.Internal, authz.ReasonMisconfigured, false},
		"a principal that is empty":      {func() (*verify.Principal, error) { return &verify.Principal{}, nil }, codes.Internal, authz.ReasonMisconfigured, false},
		"an error that can't be read":    {func() (*verify.Principal, error) { return nil, unreadable{text: secret} }, codes.Internal, authz.ReasonMisconfigured, true},
		"an error that can't be opened":  {func() (*verify.Principal, error) { return nil, unreadable{unwrap: secret} }, codes.Internal, authz.ReasonMisconfigured, true},
		"an error that can't be compared": {func() (*verify.Principal, error) {
			return nil, fmt.Errorf("x: %w", unreadable{is: secret})
		}, codes.Internal, authz.ReasonMisconfigured, true},
		"an error that can't be taken for another": {func() (*verify.Principal, error) {
			return nil, errors.Join(unreadable{as: secret})
		}, codes.Internal, authz.ReasonMisconfigured, true},
		"a fault whose cause can't be taken for another": {func() (*verify.Principal, error) {
			return nil, &verify.Error{Kind: verify.CredentialFault, Err: unreadable{as: secret}}
		}, codes.Internal, authz.ReasonMisconfigured, true},
		"a fault whose cause can't be read": {func() (*verify.Principal, error) {
			return nil, &verify.Error{Kind: verify.CredentialFault, Err: unreadable{text: secret}}
		}, codes.Internal, authz.ReasonMisconfigured, true},
		"an error and a principal": {func() (*verify.Principal, error) { return good, errors.New(secret) }, codes.Internal, authz.ReasonMisconfigured, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			panicked := make(chan interceptor.HookPanicked, 8)
			s := start(t, w, setupConfig{rules: byValue(), config: func(c *parts) {
				c.Verifier = verify.VerifierFunc(func(ctx context.Context, token string, req verify.Requirements) (*verify.Principal, error) {
					if token == aliceToken {
						return w.Verify(ctx, token, req)
					}

					return test.verify()
				})
				c.Observer.HookPanicked = func(_ context.Context, e interceptor.HookPanicked) { panicked <- e }
			}})
			_, unary := s.Ping(as(t, "odd"), &testpb.PingRequest{Value: "1"})
			stream, err := s.PingStream(as(t, "odd"))
			if err != nil {
				t.Fatal(err)
			}
			_, streamed := stream.Recv()
			for _, err := range []error{unary, streamed} {
				st := wantStatus(t, err, test.code, test.reason)
				if strings.Contains(st.String(), secret) {
					t.Errorf("the caller reads %v", st)
				}
			}
			if len(stream.Trailer().Get("www-authenticate")) != 0 {
				t.Errorf("a challenge: %v", stream.Trailer())
			}
			events := w.decided()
			if len(events) != 2 {
				t.Fatalf("%d verdicts, want 2: %v", len(events), events)
			}
			for _, event := range events {
				if event.Err == nil || test.panics && strings.Contains(event.Err.Error(), secret) {
					t.Errorf("cause %v", event.Err)
				}
			}
			if test.panics {
				if e := <-panicked; e.Hook != "Verifier" || !strings.Contains(string(e.Stack), "verifier_test") {
					t.Errorf("reported %s with %s", e.Hook, e.Stack)
				}
			}
			if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
				t.Errorf("another caller: %v", err)
			}
		})
	}
}

// A custom verifier may return cached principals that are no longer valid: calls with
// them are refused, unary ones as streams.
func TestPrincipalThatIsOverIsRefused(t *testing.T) {
	for name, until := range map[string]time.Duration{"just over": 0, "long over": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			over, err := verify.NewPrincipal(verify.PrincipalConfig{
				Claims: map[string]any{"iss": issuer, "sub": "alice", "client_id": "app"}, ValidUntil: time.Now().Add(until),
			})
			if err != nil {
				t.Fatal(err)
			}
			w.setToken(aliceToken, over)
			s := start(t, w, setupConfig{rules: byValue()})
			_, err = s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"})
			wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenExpired)
			_, err = s.PingEmpty(as(t, aliceToken), &testpb.PingEmptyRequest{})
			wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenExpired)
			list, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{Value: "1"})
			if err == nil {
				_, err = list.Recv()
			}
			wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenExpired)
			if events := w.decided(); events[0].Err == nil || !strings.Contains(errors.Unwrap(events[0].Err).Error(), "PrincipalConfig.ValidUntil") {
				t.Errorf("cause %v", events[0].Err)
			}
		})
	}
}

// A verifier that heeds no context holds its own caller no longer than that has
// time, and no other caller at all.
func TestVerifierThatHangsHoldsNobodyElse(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	s := start(t, w, setupConfig{rules: byValue(), config: func(c *parts) {
		c.Verifier = verify.VerifierFunc(func(ctx context.Context, token string, req verify.Requirements) (*verify.Principal, error) {
			if token == "slow" {
				<-release
			}

			return w.Verify(ctx, token, req)
		})
	}})
	defer close(release)
	ctx, cancel := context.WithTimeout(as(t, "slow"), 50*time.Millisecond)
	defer cancel()
	for range 100 {
		go func() { _, _ = s.Ping(ctx, &testpb.PingRequest{Value: "1"}) }()
	}
	for range 20 {
		if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Ping(ctx, &testpb.PingRequest{Value: "1"})
	wantCode(t, err, codes.DeadlineExceeded)
	// The server's own side of the call ends too, or this would wait for ever.
	s.server.GracefulStop()
}
