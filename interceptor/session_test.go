package interceptor_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// fresh is an engine that takes revisions, and remembers those that it was asked
// with.
type fresh struct {
	*world

	mu    sync.Mutex
	asked []authz.Revision
}

func (*fresh) SupportsConsistency(authz.Mode) bool { return true }

func (f *fresh) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	f.mu.Lock()
	f.asked = append(f.asked, batch.Consistency.Revision)
	f.mu.Unlock()

	return f.world.Check(ctx, batch)
}

// A handler's own checks are as fresh as the request asks for: a unary call's
// request, and the last message that a stream's handler got. The handler may do
// with its message what it likes.
func TestHandlersChecksHaveTheRequest(t *testing.T) {
	w := newWorld(t)
	engine := &fresh{world: w}
	rule := handlerDecides()
	rule.Consistency = &authzv1.Consistency{
		Mode: authzv1.Mode_MODE_AT_LEAST_AS_FRESH, Revision: "{value}", IfAbsent: authzv1.Mode_MODE_MINIMIZE_LATENCY,
	}
	hidden := handlerDecides()
	hidden.Consistency, hidden.OnDeny = rule.GetConsistency(), authzv1.OnDeny_ON_DENY_NOT_FOUND
	set := byValue()
	set["Ping"], set["PingList"], set["PingStream"], set["PingClientStream"] = rule, rule, hidden, rule
	check := func(ctx context.Context) error { return authz.CheckFromContext(ctx, "document:1", "viewer") }
	s := start(t, w, setupConfig{
		rules: set, config: func(c *parts) { c.authz.Engine = engine },
		impl: &scripted{
			unary: func(ctx context.Context, req *testpb.PingRequest) (*testpb.PingResponse, error) {
				req.Value = "changed"

				return &testpb.PingResponse{}, check(ctx)
			},
			list: func(req *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
				req.Value = "changed"

				return check(stream.Context())
			},
			bidi: func(stream testpb.TestService_PingStreamServer) error {
				for {
					req, err := stream.Recv()
					if err != nil {
						return nil
					}
					req.Value = "changed"
					if err := check(stream.Context()); err != nil {
						return err
					}
					if err := stream.Send(&testpb.PingStreamResponse{}); err != nil {
						return err
					}
				}
			},
		},
	})
	if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "r1"}); err != nil {
		t.Error(err)
	}
	list, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{Value: "r2"})
	drain(t, list, err, codes.OK)
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	for _, revision := range []string{"r3", "r4"} {
		if err := stream.Send(&testpb.PingStreamRequest{Value: revision}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	engine.mu.Lock()
	defer engine.mu.Unlock()
	if want := []authz.Revision{"r1", "r2", "r3", "r4"}; !slices.Equal(engine.asked, want) {
		t.Errorf("asked at %q, want %q", engine.asked, want)
	}
}

// After a recheck the handler's own checks ask about the caller as the token now
// says, whether the session was there before or not.
func TestHandlersChecksFollowTheRecheck(t *testing.T) {
	for name, before := range map[string]bool{"a session from before": true, "a session from after": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.allow("document:1#viewer@user:red")
				w.setToken(aliceToken, principal(t, "alice", time.Hour, map[string]any{"team": "red"}))
				set := byValue()
				set["PingStream"] = rechecked(authenticated(), 10*time.Second)
				got := make(chan error, 2)
				began, proceed := make(chan struct{}), make(chan struct{})
				s := start(t, w, setupConfig{
					rules: set, inMemory: true,
					config: func(c *parts) {
						c.authz.Subjects = authz.Subjects{User: "user:{$claim.team}"}
					},
					impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
						close(began)
						if before {
							got <- authz.CheckFromContext(stream.Context(), "document:1", "viewer")
						}
						<-proceed
						got <- authz.CheckFromContext(stream.Context(), "document:1", "viewer")

						return nil
					}},
				})
				stream, err := s.PingStream(patient(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				<-began
				if before {
					if err := <-got; err != nil {
						t.Errorf("before: %v", err)
					}
				}
				w.setToken(aliceToken, principal(t, "alice", time.Hour, map[string]any{"team": "blue"}))
				time.Sleep(11 * time.Second)
				close(proceed)
				if err := <-got; !isDenied(err) {
					t.Errorf("after: %v, want a denial", err)
				}
				if _, err := stream.Recv(); err == nil {
					t.Error("a message came")
				}
			})
		})
	}
}

func isDenied(err error) bool {
	var refused *authz.Error

	return errors.As(err, &refused) && refused.Reason == authz.ReasonRelationDenied
}

// What a handler leaves running, or keeps, can't ask in the caller's name once the
// call is over; and no later call either.
func TestSessionEndsWithItsCall(t *testing.T) {
	hidden := check("document:{value}")
	hidden.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND
	for name, end := range map[string]func() error{
		"OK":       func() error { return nil },
		"an error": func() error { return status.Error(codes.Aborted, "no") },
		"a panic":  func() error { panic("the handler's") },
	} {
		for policy, rule := range map[string]*authzv1.Rule{"check": check("document:{value}"), "hidden": hidden} {
			for asked, before := range map[string]bool{"asked before": true, "asked after only": false} {
				t.Run(name+", "+policy+", "+asked, func(t *testing.T) {
					w := newWorld(t)
					set := byValue()
					set["Ping"], set["PingStream"] = rule, rule
					kept := make(chan context.Context, 1)
					handle := func(ctx context.Context) error {
						if before {
							if err := authz.CheckFromContext(ctx, "document:1", "viewer"); err != nil {
								t.Error(err)
							}
						}
						kept <- ctx

						return end()
					}
					s := start(t, w, setupConfig{
						rules: set,
						impl: &scripted{
							unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
								return &testpb.PingResponse{}, handle(ctx)
							},
							bidi: func(stream testpb.TestService_PingStreamServer) error {
								if _, err := stream.Recv(); err != nil {
									return err
								}

								return handle(stream.Context())
							},
						},
						before: recovering(),
					})
					_, _ = s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"})
					over(t, w, <-kept)
					stream, err := s.PingStream(as(t, aliceToken))
					if err != nil {
						t.Fatal(err)
					}
					_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
					for err == nil {
						_, err = stream.Recv()
					}
					over(t, w, <-kept)
				})
			}
		}
	}
}

// over checks that a call's context asks no more.
func over(t *testing.T, w *world, ctx context.Context) {
	t.Helper()
	_, before := w.counts()
	ctx = context.WithoutCancel(ctx)
	if err := authz.CheckFromContext(ctx, "document:1", "viewer"); err == nil {
		t.Error("a check was granted after the call")
	}
	if _, err := authz.FilterFromContext(ctx, []string{"document:1"}, "viewer"); err == nil {
		t.Error("a filter was answered after the call")
	}
	if err := authz.EmptyFromContext(ctx); err == nil {
		t.Error("an empty answer was taken after the call")
	}
	if _, after := w.counts(); after != before {
		t.Error("the engine was asked after the call")
	}
}
