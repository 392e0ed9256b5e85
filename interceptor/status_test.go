package interceptor_test

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// secret represents what an upstream error may hold and no caller may see.
const secret = "fake-secret-in-a-cause"

// The table "what the caller sees", row by row, for a unary call and for a
// stream.
func TestStatusTable(t *testing.T) {
	tests := []struct {
		name      string
		rule      *authzv1.Rule
		token     string // aliceToken if empty
		anonymous bool
		value     string // "1" if empty
		world     func(t *testing.T, w *world)
		code      codes.Code
		reason    authz.Reason
		challenge string
		pushback  bool
		retry     time.Duration
		field     string
		violation string
	}{
		{
			name: "no credential: UNAUTHENTICATED, TOKEN_MISSING, Bearer", anonymous: true,
			code: codes.Unauthenticated, reason: authz.ReasonTokenMissing, challenge: `Bearer`,
		},
		{
			name: "bad token: UNAUTHENTICATED, TOKEN_INVALID, invalid_token", token: "nobody",
			code: codes.Unauthenticated, reason: authz.ReasonTokenInvalid, challenge: `Bearer error="invalid_token"`,
		},
		{
			name: "expired and nothing else: UNAUTHENTICATED, TOKEN_EXPIRED, invalid_token",
			world: func(_ *testing.T, w *world) {
				w.failVerifier(&verify.Error{Kind: verify.CredentialFault, Expired: true, Err: errors.New(secret)})
			},
			code: codes.Unauthenticated, reason: authz.ReasonTokenExpired, challenge: `Bearer error="invalid_token"`,
		},
		{
			name: "scope: PERMISSION_DENIED, INSUFFICIENT_SCOPE, insufficient_scope with the scopes",
			rule: &authzv1.Rule{
				Policy:      authenticated().GetPolicy(),
				AccessToken: &authzv1.AccessToken{Scopes: []string{"docs.read", "docs.write"}},
			},
			code: codes.PermissionDenied, reason: authz.ReasonInsufficientScope,
			challenge: `Bearer error="insufficient_scope", scope="docs.read docs.write"`,
		},
		{
			name: "acr: UNAUTHENTICATED, STEP_UP_REQUIRED, RFC 9470 challenge, no retry",
			rule: &authzv1.Rule{
				Policy:      authenticated().GetPolicy(),
				AccessToken: &authzv1.AccessToken{AcrValues: []string{"gold", "silver"}},
			},
			code: codes.Unauthenticated, reason: authz.ReasonStepUpRequired,
			challenge: `Bearer error="insufficient_user_authentication", acr_values="gold silver"`,
			pushback:  true, violation: "STEP_UP_REQUIRED",
		},
		{
			name: "age: UNAUTHENTICATED, STEP_UP_REQUIRED, max_age in seconds",
			rule: &authzv1.Rule{
				Policy:      authenticated().GetPolicy(),
				AccessToken: &authzv1.AccessToken{MaxAge: &durationpb.Duration{Seconds: 300}},
			},
			code: codes.Unauthenticated, reason: authz.ReasonStepUpRequired,
			challenge: `Bearer error="insufficient_user_authentication", max_age="300"`,
			pushback:  true, violation: "STEP_UP_REQUIRED",
		},
		{
			name: "relation: PERMISSION_DENIED, RELATION_DENIED", value: "2",
			code: codes.PermissionDenied, reason: authz.ReasonRelationDenied,
		},
		{
			name: "relation under NOT_FOUND: NOT_FOUND without a reason", value: "2",
			rule: &authzv1.Rule{Policy: check("document:{value}").GetPolicy(), OnDeny: authzv1.OnDeny_ON_DENY_NOT_FOUND},
			code: codes.NotFound,
		},
		{
			name: "the request doesn't name its object: INVALID_ARGUMENT, OBJECT_MISSING, the field", value: "-",
			code: codes.InvalidArgument, reason: authz.ReasonObjectMissing, field: "value",
		},
		{
			name: "kind without a subject: PERMISSION_DENIED, SUBJECT_UNMAPPED", token: "service",
			world: func(t *testing.T, w *world) {
				t.Helper()
				w.setToken("service", principal(t, "app", time.Hour))
			},
			code: codes.PermissionDenied, reason: authz.ReasonSubjectUnmapped,
		},
		{
			name: "a subject that can't be used: PERMISSION_DENIED, SUBJECT_INVALID", token: "odd",
			world: func(t *testing.T, w *world) {
				t.Helper()
				w.setToken("odd", principal(t, "alice#member", time.Hour))
			},
			code: codes.PermissionDenied, reason: authz.ReasonSubjectInvalid,
		},
		{
			name: "kind that the rule doesn't admit: PERMISSION_DENIED, KIND_DENIED",
			rule: &authzv1.Rule{
				Policy:      authenticated().GetPolicy(),
				AccessToken: &authzv1.AccessToken{Kinds: []authzv1.Kind{authzv1.Kind_KIND_SERVICE}},
			},
			code: codes.PermissionDenied, reason: "KIND_DENIED",
		},
		{
			name: "policy deny: PERMISSION_DENIED, METHOD_DENIED",
			rule: &authzv1.Rule{Policy: &authzv1.Rule_Deny{Deny: &authzv1.Deny{}}},
			code: codes.PermissionDenied, reason: "METHOD_DENIED",
		},
		{
			name: "keys down: UNAVAILABLE, VERIFIER_UNAVAILABLE, the known delay",
			world: func(_ *testing.T, w *world) {
				w.failVerifier(&verify.Error{Kind: verify.DependencyFault, RetryAfter: 7 * time.Second, Err: errors.New(secret)})
			},
			code: codes.Unavailable, reason: authz.ReasonVerifierUnavailable, retry: 7 * time.Second,
		},
		{
			name: "row 29 an unknown key, the budget for fetches spent: UNAVAILABLE until the next fetch, no challenge",
			world: func(_ *testing.T, w *world) {
				w.failVerifier(&verify.Error{
					Kind: verify.DependencyFault, RetryAfter: 1500 * time.Millisecond,
					Err: errors.New(secret), Unverified: &verify.Unverified{Subject: secret},
				})
			},
			code: codes.Unavailable, reason: authz.ReasonVerifierUnavailable, retry: 1500 * time.Millisecond,
		},
		{
			name: "another issuer's token: PERMISSION_DENIED, ISSUER_DENIED",
			rule: &authzv1.Rule{
				Policy: check("document:{value}").GetPolicy(), AccessToken: &authzv1.AccessToken{Issuers: []string{"ours"}},
			},
			code: codes.PermissionDenied, reason: authz.ReasonIssuerDenied,
		},
		{
			name: "keys down, no delay known: UNAVAILABLE, one second",
			world: func(_ *testing.T, w *world) {
				w.failVerifier(&verify.Error{Kind: verify.DependencyFault})
			},
			code: codes.Unavailable, reason: authz.ReasonVerifierUnavailable, retry: time.Second,
		},
		{
			name: "engine down: UNAVAILABLE, ENGINE_UNAVAILABLE, the known delay, bounded",
			world: func(_ *testing.T, w *world) {
				w.failEngine(&authz.EngineError{Kind: authz.EngineUnavailable, RetryAfter: 24 * time.Hour, Err: errors.New(secret)})
			},
			code: codes.Unavailable, reason: authz.ReasonEngineUnavailable, retry: 5 * time.Minute,
		},
		{
			name: "engine refuses our credentials: UNAVAILABLE",
			world: func(_ *testing.T, w *world) {
				w.failEngine(&authz.EngineError{Kind: authz.EngineRefused, Err: errors.New(secret)})
			},
			code: codes.Unavailable, reason: authz.ReasonEngineUnavailable, retry: time.Second,
		},
		{
			name:  "engine's error of no known type: UNAVAILABLE",
			world: func(_ *testing.T, w *world) { w.failEngine(errors.New(secret)) },
			code:  codes.Unavailable, reason: authz.ReasonEngineUnavailable, retry: time.Second,
		},
		{
			name: "engine doesn't know the relation: INTERNAL, MISCONFIGURED",
			world: func(_ *testing.T, w *world) {
				w.failEngine(&authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New(secret)})
			},
			code: codes.Internal, reason: authz.ReasonMisconfigured,
		},
		{
			name: "verifier misconfigured: INTERNAL, MISCONFIGURED",
			world: func(_ *testing.T, w *world) {
				w.failVerifier(&verify.Error{Kind: verify.ConfigurationFault, Err: errors.New(secret)})
			},
			code: codes.Internal, reason: authz.ReasonMisconfigured,
		},
		{
			name:  "verifier's error of no known type: INTERNAL",
			world: func(_ *testing.T, w *world) { w.failVerifier(errors.New(secret)) },
			code:  codes.Internal, reason: authz.ReasonMisconfigured,
		},
		{
			name: "no principal and no error: INTERNAL, never a grant", token: "nil",
			world: func(_ *testing.T, w *world) { w.mu.Lock(); w.principals["nil"] = nil; w.mu.Unlock() },
			code:  codes.Internal, reason: authz.ReasonMisconfigured,
		},
		{
			name: "a dependency's deadline is not the caller's: INTERNAL, not DEADLINE_EXCEEDED",
			world: func(_ *testing.T, w *world) {
				w.failVerifier(context.DeadlineExceeded)
			},
			code: codes.Internal, reason: authz.ReasonMisconfigured,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if test.world != nil {
				test.world(t, w)
			}
			set := byValue()
			if test.rule != nil {
				set["Ping"], set["PingStream"] = test.rule, test.rule
			}
			s := start(t, w, setupConfig{rules: set, config: func(c *parts) {
				switch test.reason {
				case authz.ReasonSubjectUnmapped:
					c.authz.Subjects.Service = ""
				case authz.ReasonIssuerDenied:
					c.authz.Issuers = authz.Issuers{issuer, "ours"}
					c.authz.Subjects = authz.Subjects{}
					c.authz.IssuerSubjects = map[string]authz.Subjects{issuer: {User: "user:{$sub}"}, "ours": {User: "staff:{$sub}"}}
				default:
				}
			}})
			if test.token == "" {
				test.token = aliceToken
			}
			switch test.value {
			case "":
				test.value = "1"
			case "-":
				test.value = ""
			}
			ctx := as(t, test.token)
			if test.anonymous {
				ctx = anonymous(t)
			}

			var trailer metadata.MD
			_, unary := s.Ping(ctx, &testpb.PingRequest{Value: test.value}, grpc.Trailer(&trailer))
			stream, err := s.PingStream(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.Send(&testpb.PingStreamRequest{Value: test.value})
			_, streamed := stream.Recv()

			for kind, err := range map[string]error{"unary": unary, "stream": streamed} {
				if kind == "stream" {
					trailer = stream.Trailer()
				}
				st := wantStatus(t, err, test.code, test.reason)
				if strings.Contains(st.String(), secret) || strings.Contains(strings.Join(trailer.Get("www-authenticate"), ""), secret) {
					t.Errorf("%s: the caller sees the cause: %v", kind, st)
				}
				if got := strings.Join(trailer.Get("www-authenticate"), "|"); got != test.challenge {
					t.Errorf("%s: challenge %q, want %q", kind, got, test.challenge)
				}
				if got := slices.Equal(trailer.Get("grpc-retry-pushback-ms"), []string{"-1"}); got != test.pushback {
					t.Errorf("%s: pushback %v, want %v", kind, trailer.Get("grpc-retry-pushback-ms"), test.pushback)
				}
				if got := detail[*errdetails.RetryInfo](st).GetRetryDelay().AsDuration(); got != test.retry {
					t.Errorf("%s: retry delay %v, want %v", kind, got, test.retry)
				}
				if got := firstOr(detail[*errdetails.BadRequest](st).GetFieldViolations()).GetField(); got != test.field {
					t.Errorf("%s: field %q, want %q", kind, got, test.field)
				}
				if got := firstOr(detail[*errdetails.PreconditionFailure](st).GetViolations()).GetType(); got != test.violation {
					t.Errorf("%s: violation %q, want %q", kind, got, test.violation)
				}
				info := detail[*errdetails.ErrorInfo](st)
				if test.reason == "" {
					if len(st.Details()) != 0 {
						t.Errorf("%s: details %v", kind, st.Details())
					}

					continue
				}
				if info.GetDomain() != interceptor.DefaultErrorDomain || info.GetMetadata()["decision_id"] == "" {
					t.Errorf("%s: info %v", kind, info)
				}
			}
			// The hook has what the caller may not see.
			events := w.decided()
			if len(events) != 2 {
				t.Fatalf("%d events, want 2: %v", len(events), events)
			}
			for _, event := range events {
				if event.Code != test.code || event.Allowed() || event.Err == nil || event.DecisionID == "" {
					t.Errorf("event %+v", event)
				}
			}
		})
	}
}

func firstOr[T any](list []*T) *T {
	if len(list) == 0 {
		return nil
	}

	return list[0]
}

// A caller that goes away or runs out of time gets its own status, and the
// reason says so.
func TestStatusOfTheCallersOwnDeadlineAndCancel(t *testing.T) {
	for name, test := range map[string]struct {
		cancel bool
		code   codes.Code
		reason authz.Reason
	}{
		"deadline": {false, codes.DeadlineExceeded, authz.ReasonDeadlineExceeded},
		"cancel":   {true, codes.Canceled, authz.ReasonCanceled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			decided := make(chan interceptor.Decided, 1)
			reached, release := make(chan struct{}), make(chan struct{})
			s := start(t, w, setupConfig{rules: byValue(), config: func(c *parts) {
				c.authz.Engine = authz.EngineFunc(func(ctx context.Context, _ authz.Batch) (authz.Result, error) {
					close(reached)
					// A shared check outlives the caller that began it.
					select {
					case <-ctx.Done():
					case <-release:
					}

					return authz.Result{}, errors.New("too late")
				})
				c.Observer.Decided = func(_ context.Context, d interceptor.Decided) { decided <- d }
			}})
			defer close(release)
			ctx, cancel := context.WithTimeout(as(t, aliceToken), 2*time.Second)
			defer cancel()
			if test.cancel {
				go func() {
					<-reached
					cancel()
				}()
			}
			_, err := s.Ping(ctx, &testpb.PingRequest{Value: "1"})
			// The caller's own end and the server's answer to it race to the caller.
			st := status.Convert(err)
			if reason := reasonOf(st); st.Code() != test.code || reason != "" && reason != string(test.reason) {
				t.Errorf("code %v, reason %q, want %v (%v)", st.Code(), reason, test.code, err)
			}
			// The caller's deadline and the reset that follows it race to the server.
			select {
			case event := <-decided:
				if event.Code != interceptor.Code(event.Reason) || event.Reason != test.reason && event.Reason != authz.ReasonCanceled {
					t.Errorf("event %+v", event)
				}
			case <-time.After(testDeadline):
				t.Error("nobody was told")
			}
		})
	}
}

// Under NOT_FOUND, a document that is hidden and one that isn't there must look
// the same.
func TestNotFoundOfTheHandlerLooksLikeOurs(t *testing.T) {
	w := newWorld(t)
	w.allow("document:missing#viewer@user:alice")
	hidden := &authzv1.Rule{Policy: check("document:{value}").GetPolicy(), OnDeny: authzv1.OnDeny_ON_DENY_NOT_FOUND}
	s := start(t, w, setupConfig{
		rules: rules{"PingError": hidden, "PingList": hidden, "Ping": authenticated(), "PingEmpty": authenticated(), "PingStream": authenticated(), "PingClientStream": authenticated()},
	})
	notFound := uint32(codes.NotFound)
	_, ours := s.PingError(as(t, aliceToken), &testpb.PingErrorRequest{Value: "2", ErrorCodeReturned: notFound})
	_, theirs := s.PingError(as(t, aliceToken), &testpb.PingErrorRequest{Value: "missing", ErrorCodeReturned: notFound})
	if a, b := wantStatus(t, ours, codes.NotFound, ""), wantStatus(t, theirs, codes.NotFound, ""); a.String() != b.String() {
		t.Errorf("ours %v, the handler's %v", a, b)
	}
	for _, value := range []string{"2", "missing"} {
		stream, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{Value: value, ErrorCodeReturned: notFound})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		if st := wantStatus(t, err, codes.NotFound, ""); st.Message() != "not found" {
			t.Errorf("%s: %v", value, st)
		}
	}
	// Another of the handler's errors stays its own.
	_, err := s.PingError(as(t, aliceToken), &testpb.PingErrorRequest{Value: "missing", ErrorCodeReturned: uint32(codes.Aborted)})
	if st := wantStatus(t, err, codes.Aborted, ""); st.Message() != "Userspace error" {
		t.Error(st)
	}
}

// Nor may the handler's header and trailer tell hidden from missing; an answer
// keeps them.
func TestNotFoundOfTheHandlerShowsNoMetadata(t *testing.T) {
	w := newWorld(t)
	w.allow("document:missing#viewer@user:alice")
	set := byValue()
	set["Ping"] = &authzv1.Rule{Policy: check("document:{value}").GetPolicy(), OnDeny: authzv1.OnDeny_ON_DENY_NOT_FOUND}
	set["PingStream"] = &authzv1.Rule{Policy: check("document:{value}").GetPolicy(), OnDeny: authzv1.OnDeny_ON_DENY_NOT_FOUND}
	tell := func(ctx context.Context, value string) error {
		_ = grpc.SetHeader(ctx, metadata.Pairs("exists", "perhaps"))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("exists", "perhaps"))
		if value == "missing" {
			return status.Error(codes.NotFound, "it was deleted yesterday")
		}

		return nil
	}
	s := start(t, w, setupConfig{rules: set, impl: &scripted{
		unary: func(ctx context.Context, req *testpb.PingRequest) (*testpb.PingResponse, error) {
			return &testpb.PingResponse{}, tell(ctx, req.GetValue())
		},
		bidi: func(stream testpb.TestService_PingStreamServer) error {
			req, err := stream.Recv()
			if err != nil {
				return err
			}

			return tell(stream.Context(), req.GetValue())
		},
	}})
	for value, want := range map[string]int{"1": 1, "missing": 0, "hidden": 0} {
		var header, trailer metadata.MD
		_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: value}, grpc.Header(&header), grpc.Trailer(&trailer))
		if (err == nil) != (want == 1) || len(header.Get("exists")) != want || len(trailer.Get("exists")) != want {
			t.Errorf("unary %s: %v, header %v, trailer %v", value, err, header, trailer)
		}
		stream, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingStreamRequest{Value: value})
		_, err = stream.Recv()
		if errors.Is(err, io.EOF) != (want == 1) {
			t.Errorf("stream %s: %v", value, err)
		}
		header, _ = stream.Header()
		if len(header.Get("exists")) != want || len(stream.Trailer().Get("exists")) != want {
			t.Errorf("stream %s: header %v, trailer %v", value, header, stream.Trailer())
		}
	}
}

// Every reason that authz has is one that callers may be told, under a code of its
// own: one that was forgotten would be INTERNAL.
func TestEveryReasonHasACode(t *testing.T) {
	source, err := os.ReadFile("../authz/reason.go")
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`Reason = "([A-Z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(reasons) < 12 {
		t.Fatalf("%d reasons", len(reasons))
	}
	for _, match := range reasons {
		reason := authz.Reason(match[1])
		if internal := interceptor.Code(reason) == codes.Internal; internal != (reason == authz.ReasonMisconfigured) {
			t.Errorf("%s is %v", reason, interceptor.Code(reason))
		}
	}
}
