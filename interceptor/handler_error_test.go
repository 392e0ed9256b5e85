package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A handler may return what its own check said: the caller learns from it what it
// would from the rule's check, and nothing of the cause.
func TestHandlersCheckErrorIsTold(t *testing.T) {
	const secret = "dial tcp 10.1.2.3:8081"
	hidden := handlerDecides()
	hidden.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND
	for label, c := range map[string]struct {
		rule   *authzv1.Rule
		engine error
		object string
		wrap   bool
		code   codes.Code
		reason authz.Reason
	}{
		"a denial":                {handlerDecides(), nil, "document:2", false, codes.PermissionDenied, authz.ReasonRelationDenied},
		"a denial that is hidden": {hidden, nil, "document:2", false, codes.NotFound, ""},
		"a denial with more text": {handlerDecides(), nil, "document:2", true, codes.PermissionDenied, authz.ReasonRelationDenied},
		"an engine that is down":  {handlerDecides(), errors.New(secret), "document:1", false, codes.Unavailable, authz.ReasonEngineUnavailable},
		"a name that is none":     {handlerDecides(), nil, "document:", false, codes.InvalidArgument, authz.ReasonObjectMissing},
		"beside another policy":   {authenticated(), errors.New(secret), "document:1", true, codes.Unavailable, authz.ReasonEngineUnavailable},
	} {
		t.Run(label, func(t *testing.T) {
			handler := func(ctx context.Context) error {
				err := authz.CheckFromContext(ctx, c.object, "viewer")
				if err != nil && c.wrap {
					err = fmt.Errorf("%s: %w", secret, err)
				}

				return err
			}
			w := newWorld(t)
			w.failEngine(c.engine)
			set := byValue()
			set["Ping"], set["PingStream"] = c.rule, c.rule
			s := start(t, w, setupConfig{rules: set, impl: &scripted{
				unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
					return nil, handler(ctx)
				},
				bidi: func(stream testpb.TestService_PingStreamServer) error { return handler(stream.Context()) },
			}})
			_, unary := s.Ping(as(t, aliceToken), &testpb.PingRequest{})
			stream, err := s.PingStream(as(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			_, streamed := stream.Recv()
			for _, err := range []error{unary, streamed} {
				st := wantStatus(t, err, c.code, c.reason)
				if strings.Contains(st.Message(), secret) || strings.Contains(st.Message(), "authz") {
					t.Errorf("the caller is told %q", st.Message())
				}
			}
			events := w.decided()
			if last := events[len(events)-1]; last.Code != c.code || last.Occasion != interceptor.OccasionEnd || last.Err == nil {
				t.Errorf("the hook was told %+v", last)
			}
		})
	}
}

// A handler's own status is sent, whatever it wraps.
func TestHandlersOwnStatusStands(t *testing.T) {
	set := byValue()
	set["Ping"] = handlerDecides()
	s := start(t, newWorld(t), setupConfig{rules: set, impl: &scripted{
		unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
			if err := authz.CheckFromContext(ctx, "document:2", "viewer"); err == nil {
				return nil, errors.New("granted")
			}

			return nil, status.Error(codes.FailedPrecondition, "closed")
		},
	}})
	_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{})
	if st := wantStatus(t, err, codes.FailedPrecondition, ""); st.Message() != "closed" {
		t.Errorf("the caller is told %q", st.Message())
	}
}

// The policy "handler" wants a verdict: a question without an answer is none, so a
// handler that swallows it can't answer OK.
func TestHandlerThatIgnoresACheckWithoutVerdictIsStopped(t *testing.T) {
	for label, c := range map[string]struct {
		engine error
		object string
	}{
		"an engine that is down": {errors.New("down"), "document:1"},
		"a name that is none":    {nil, "document:"},
	} {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			w.failEngine(c.engine)
			set := byValue()
			set["Ping"], set["PingStream"] = handlerDecides(), handlerDecides()
			s := start(t, w, setupConfig{rules: set, impl: &scripted{
				unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
					_ = authz.CheckFromContext(ctx, c.object, "viewer")
					_, _ = authz.FilterFromContext(ctx, []string{c.object}, "viewer")

					return &testpb.PingResponse{Value: "secret"}, nil
				},
				bidi: func(stream testpb.TestService_PingStreamServer) error {
					_ = authz.CheckFromContext(stream.Context(), c.object, "viewer")

					return stream.Send(&testpb.PingStreamResponse{Value: "secret"})
				},
			}})
			_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{})
			wantStatus(t, err, codes.Internal, authz.ReasonMisconfigured)
			stream, err := s.PingStream(as(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			_, err = stream.Recv()
			wantStatus(t, err, codes.Internal, authz.ReasonMisconfigured)
		})
	}
}

// What refused another call, which a handler made in this process, passes as the
// handler's own error does; of what the handler held back beside it, nothing does.
func TestRefusalOfAnotherCallSendsNoHeldMetadata(t *testing.T) {
	for name, rule := range map[string]*authzv1.Rule{"hidden": authenticated(), "decided by the handler": handlerDecides()} {
		t.Run(name, func(t *testing.T) {
			if name == "hidden" {
				rule.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND
			}
			set := byValue()
			set["Ping"], set["PingStream"] = rule, rule
			var s *setup
			fail := func(ctx context.Context) error {
				if err := errors.Join(authz.EmptyFromContext(ctx), grpc.SetHeader(ctx, metadata.Pairs("held", "1")), grpc.SetTrailer(ctx, metadata.Pairs("held", "1"))); err != nil {
					return err
				}
				_, err := s.auth.Unary(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: "/" + service + "PingEmpty"}, nil)

				return err
			}
			s = start(t, newWorld(t), setupConfig{rules: set, impl: &scripted{
				unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) { return nil, fail(ctx) },
				bidi:  func(stream testpb.TestService_PingStreamServer) error { return fail(stream.Context()) },
			}})
			var header, trailer metadata.MD
			_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
			wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenMissing)
			if len(header.Get("held"))+len(trailer.Get("held")) > 0 {
				t.Errorf("unary: %v, %v", header, trailer)
			}
			stream, err := s.PingStream(as(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			_, err = stream.Recv()
			wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenMissing)
			header, _ = stream.Header()
			if len(header.Get("held"))+len(stream.Trailer().Get("held")) > 0 {
				t.Errorf("stream: %v, %v", header, stream.Trailer())
			}
		})
	}
}

// What a handler says in its trailer would tell what exists, even if it has sent
// messages before its NOT_FOUND.
func TestHiddenNotFoundAfterAMessageSendsNoTrailer(t *testing.T) {
	rule := check("document:{value}")
	rule.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND
	set := byValue()
	set["PingStream"] = rule
	for name, returned := range map[string]error{"hidden": status.Error(codes.NotFound, "document 7 is gone"), "shown": status.Error(codes.Aborted, "document 7 is busy")} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newWorld(t), setupConfig{rules: set, impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
				stream.SetTrailer(metadata.Pairs("early", "1"))
				if _, err := stream.Recv(); err != nil {
					return err
				}
				if err := stream.Send(&testpb.PingStreamResponse{}); err != nil {
					return err
				}
				stream.SetTrailer(metadata.Pairs("late", "1"))

				return returned
			}}})
			stream, err := s.PingStream(as(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			_, err = stream.Recv()
			wantCode(t, err, status.Code(returned))
			want := 2
			if name == "hidden" {
				want = 0
				if text := status.Convert(err).Message(); text != "not found" {
					t.Errorf("the caller is told %q", text)
				}
			}
			if got := stream.Trailer(); len(got.Get("early"))+len(got.Get("late")) != want {
				t.Errorf("trailer %v", got)
			}
		})
	}
}
