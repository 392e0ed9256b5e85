package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// patient calls with a token and without a deadline: in a bubble a hang is a
// failure of its own.
func patient(t *testing.T, token string) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)

	return withAuthorization(ctx, "Bearer "+token)
}

// endsAt receives until the stream ends, and checks how and when it does.
func endsAt(t *testing.T, recv func() error, code codes.Code, reason authz.Reason, want time.Time) {
	t.Helper()
	var err error
	for err == nil {
		err = recv()
	}
	wantStatus(t, err, code, reason)
	if got := time.Now(); !got.Equal(want) {
		t.Errorf("the stream ended at %v, want %v", got, want)
	}
}

// blocked is a handler that waits for its stream to end, in the way its name
// says, and tells what it got.
type blocked struct {
	name string
	wait func(stream testpb.TestService_PingStreamServer) error
}

// Row 64: the token expires while the stream is on.
func TestTokenExpiresMidStream(t *testing.T) {
	for _, handler := range []blocked{
		{"in Recv", func(stream testpb.TestService_PingStreamServer) error {
			_, err := stream.Recv()

			return err
		}},
		{"in Send to a client that never reads", func(stream testpb.TestService_PingStreamServer) error {
			for {
				if err := stream.Send(&testpb.PingStreamResponse{Value: strings.Repeat("x", 1<<14)}); err != nil {
					return err
				}
			}
		}},
		{"on its context", func(stream testpb.TestService_PingStreamServer) error {
			<-stream.Context().Done()

			return context.Cause(stream.Context())
		}},
	} {
		t.Run("row 64: at expiry plus leeway, with a handler blocked "+handler.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := principal(t, "alice", time.Minute)
				w.setToken(aliceToken, p)
				returned := make(chan error, 1)
				s := start(t, w, setupConfig{rules: byValue(), inMemory: true, impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
					if _, err := stream.Recv(); err != nil {
						return err
					}
					err := handler.wait(stream)
					if stream.Context().Err() == nil {
						t.Error("the handler's context goes on")
					}
					returned <- err

					return err
				}}})
				stream, err := s.PingStream(patient(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(handler.name, "never reads") {
					// Nobody reads until the handler has been let go.
					if err := <-returned; err == nil {
						t.Error("the handler's send succeeded for ever")
					}
					if now := time.Now(); !now.Equal(p.ValidUntil()) {
						t.Errorf("the handler was let go at %v, want %v", now, p.ValidUntil())
					}
					returned <- errors.New("seen")
				}
				endsAt(t, func() error { _, err := stream.Recv(); return err }, codes.Unauthenticated, authz.ReasonTokenExpired, p.ValidUntil())
				if got := stream.Trailer().Get("www-authenticate"); len(got) != 1 || got[0] != `Bearer error="invalid_token"` {
					t.Errorf("challenge %q", got)
				}
				if err := <-returned; err == nil {
					t.Error("the handler wasn't told")
				}
			})
		})
	}
}

// The same for a server stream, a client stream and a rule that reads nothing.
func TestEveryKindOfStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := principal(t, "alice", time.Minute)
		w.setToken(aliceToken, p)
		set := byValue()
		set["PingStream"] = authenticated()
		s := start(t, w, setupConfig{rules: set, inMemory: true, impl: &scripted{
			list: func(_ *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
				<-stream.Context().Done()

				return nil
			},
		}})
		list, err := s.PingList(patient(t, aliceToken), &testpb.PingListRequest{Value: "1"})
		if err != nil {
			t.Fatal(err)
		}
		up, err := s.PingClientStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if err := up.Send(&testpb.PingClientStreamRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		both, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		silent, err := s.PingClientStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		endsAt(t, func() error { _, err := list.Recv(); return err }, codes.Unauthenticated, authz.ReasonTokenExpired, p.ValidUntil())
		for _, recv := range []func() error{
			func() error { return up.RecvMsg(&testpb.PingClientStreamResponse{}) },
			func() error { _, err := both.Recv(); return err },
			func() error { return silent.RecvMsg(&testpb.PingClientStreamResponse{}) },
		} {
			endsAt(t, recv, codes.Unauthenticated, authz.ReasonTokenExpired, p.ValidUntil())
		}
	})
}

// Row 67: a handler that ignores everything neither keeps the caller nor goes
// unnoticed.
func TestHandlerThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := principal(t, "alice", time.Minute)
		w.setToken(aliceToken, p)
		release := make(chan struct{})
		var told []string
		s := start(t, w, setupConfig{
			rules: byValue(), inMemory: true,
			config: func(c *parts) {
				c.Observer.HandlerOverran = func(_ context.Context, e interceptor.HandlerOverran) {
					what := "abandoned "
					if e.Returned {
						what = "returned "
					}
					told = append(told, fmt.Sprint(what, e.Method, " by ", e.Principal.Subject(), " after ", e.After))
				}
				c.Observer.HandlerPanicked = func(_ context.Context, e interceptor.HandlerPanicked) {
					told = append(told, "panicked "+e.Method+": "+e.Value.(string))
				}
			},
			impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
				if _, err := stream.Recv(); err != nil {
					return err
				}
				<-release
				panic("after the end")
			}},
		})
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		endsAt(t, func() error { _, err := stream.Recv(); return err }, codes.Unauthenticated, authz.ReasonTokenExpired, p.ValidUntil())
		stopped := make(chan struct{})
		go func() { s.server.GracefulStop(); close(stopped) }()
		<-stopped
		if now := time.Now(); !now.Equal(p.ValidUntil()) {
			t.Errorf("GracefulStop waited until %v", now)
		}
		time.Sleep(10 * time.Second)
		close(release)
		synctest.Wait()
		want := []string{
			"abandoned /testing.testpb.v1.TestService/PingStream by alice after 1s",
			"panicked /testing.testpb.v1.TestService/PingStream: after the end",
			"returned /testing.testpb.v1.TestService/PingStream by alice after 10s",
		}
		if strings.Join(told, "\n") != strings.Join(want, "\n") {
			t.Errorf("hooks: %q", told)
		}
	})
}

// A handler that notices the end of its call in time is no event, unless it panics.
func TestHandlerThatReturnsInTimeIsNotReported(t *testing.T) {
	for name, want := range map[string]string{"returns": "", "panics": "panicked"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p := principal(t, "alice", time.Minute)
				w.setToken(aliceToken, p)
				told := ""
				s := start(t, w, setupConfig{
					rules: byValue(), inMemory: true,
					config: func(c *parts) {
						c.Observer.HandlerOverran = func(context.Context, interceptor.HandlerOverran) { told += "overran" }
						c.Observer.HandlerPanicked = func(context.Context, interceptor.HandlerPanicked) { told += "panicked" }
					},
					impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
						_, _ = stream.Recv()
						<-stream.Context().Done()
						time.Sleep(900 * time.Millisecond)
						if name == "panics" {
							panic("late")
						}

						return nil
					}},
				})
				stream, err := s.PingStream(patient(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
					t.Fatal(err)
				}
				endsAt(t, func() error { _, err := stream.Recv(); return err }, codes.Unauthenticated, authz.ReasonTokenExpired, p.ValidUntil())
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if told != want {
					t.Errorf("told %q, want %q", told, want)
				}
			})
		})
	}
}

// Row 63: a handler that wants to send to a caller that says nothing.
func TestFirstMessageTimeout(t *testing.T) {
	t.Run("row 63: by default", func(t *testing.T) { firstMessageTimeout(t, interceptor.DefaultFirstMessageTimeout, 0) })
	t.Run("row 63: as set", func(t *testing.T) {
		firstMessageTimeout(t, 3*time.Second, 3*time.Second)
	})
}

func firstMessageTimeout(t *testing.T, want, configured time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newWorld(t), setupConfig{rules: byValue(), inMemory: true, config: func(c *parts) { c.FirstMessageTimeout = configured }, impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
			err := stream.Send(&testpb.PingStreamResponse{Value: "early"})
			if status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("the handler's send got %v", err)
			}

			return nil
		}}})
		began := time.Now()
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		endsAt(t, func() error { _, err := stream.Recv(); return err }, codes.DeadlineExceeded, authz.ReasonFirstMessageTimeout,
			began.Add(want))
	})
}

func rechecked(rule *authzv1.Rule, interval time.Duration) *authzv1.Rule {
	rule.Stream = &authzv1.Stream{RecheckInterval: durationpb.New(interval)}

	return rule
}

// Row 65, and its relatives: what happens at a recheck.
func TestRecheck(t *testing.T) {
	const interval = 10 * time.Second
	gone := func(w *world) { w.revoke("document:1#viewer@user:alice") }
	tests := []struct {
		name   string
		rule   *authzv1.Rule
		change func(t *testing.T, w *world)
		code   codes.Code
		reason authz.Reason
	}{
		{"row 65: a revoked relation ends an idle stream within the interval", check("document:{value}"), func(_ *testing.T, w *world) { gone(w) }, codes.PermissionDenied, authz.ReasonRelationDenied},
		{"row 65: so it does where no template reads the message", check("document:1"), func(_ *testing.T, w *world) { gone(w) }, codes.PermissionDenied, authz.ReasonRelationDenied},
		{"a revoked token is UNAUTHENTICATED", check("document:{value}"), func(_ *testing.T, w *world) { w.setToken(aliceToken, nil) }, codes.Unauthenticated, authz.ReasonTokenInvalid},
		{"a token that stands for somebody else is UNAUTHENTICATED", check("document:{value}"), func(t *testing.T, w *world) {
			t.Helper()
			w.setToken(aliceToken, principal(t, "mallory", time.Hour))
		}, codes.Unauthenticated, authz.ReasonTokenInvalid},
		{"a user's token that is a service's now is UNAUTHENTICATED", authenticated(), func(t *testing.T, w *world) {
			t.Helper()
			w.setToken(aliceToken, alike(t, verify.PrincipalConfig{Kind: verify.KindService}))
		}, codes.Unauthenticated, authz.ReasonTokenInvalid},
		{"a token whose issuer has another name now is UNAUTHENTICATED", authenticated(), func(t *testing.T, w *world) {
			t.Helper()
			w.setToken(aliceToken, alike(t, verify.PrincipalConfig{IssuerName: "other"}))
		}, codes.Unauthenticated, authz.ReasonTokenInvalid},
		{"an engine without an answer is UNAVAILABLE, not a grant", check("document:{value}"), func(_ *testing.T, w *world) { w.failEngine(errors.New("down")) }, codes.Unavailable, authz.ReasonEngineUnavailable},
		{"a verifier without an answer is UNAVAILABLE", authenticated(), func(_ *testing.T, w *world) {
			w.failVerifier(&verify.Error{Kind: verify.DependencyFault})
		}, codes.Unavailable, authz.ReasonVerifierUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				set := byValue()
				set["PingStream"] = rechecked(test.rule, interval)
				s := start(t, w, setupConfig{rules: set, inMemory: true})
				began := time.Now()
				stream, err := s.PingStream(patient(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3*interval + interval/2)
				if verified, _ := w.counts(); verified != 4 {
					t.Errorf("the token was verified %d times in three intervals, want 4", verified)
				}
				test.change(t, w)
				endsAt(t, func() error { _, err := stream.Recv(); return err }, test.code, test.reason, began.Add(4*interval))
			})
		})
	}
}

// alike is a principal with alice's issuer, subject and client, but with what else cfg says.
func alike(t *testing.T, cfg verify.PrincipalConfig) *verify.Principal {
	t.Helper()
	cfg.Claims = map[string]any{"iss": issuer, "sub": "alice", "client_id": "app"}
	p, err := verify.NewPrincipal(cfg)
	if err != nil {
		t.Fatal(err)
	}

	return p
}

// A stream whose token says no end lives from recheck to recheck.
func TestRecheckRenewsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.setToken(aliceToken, principal(t, "alice", 15*time.Second))
		set := byValue()
		set["PingStream"] = rechecked(check("document:{value}"), 10*time.Second)
		s := start(t, w, setupConfig{rules: set, inMemory: true})
		began := time.Now()
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		last := principal(t, "alice", time.Minute)
		w.setToken(aliceToken, last)
		endsAt(t, func() error { _, err := stream.Recv(); return err }, codes.Unauthenticated, authz.ReasonTokenExpired, last.ValidUntil())
		if life := time.Since(began); life < time.Minute {
			t.Errorf("the stream lived %v", life)
		}
	})
}

// Within its interval a verdict is reused, object by object; without one,
// nothing is.
func TestVerdictsAreReusedWithinTheInterval(t *testing.T) {
	for name, test := range map[string]struct {
		interval time.Duration
		asked    int
	}{
		"without an interval each message asks":     {0, 6},
		"within the interval each object asks once": {time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.allow("document:2#viewer@user:alice")
				set := byValue()
				if test.interval > 0 {
					set["PingStream"] = rechecked(check("document:{value}"), test.interval)
				}
				s := start(t, w, setupConfig{rules: set, inMemory: true})
				stream, err := s.PingStream(patient(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				for _, value := range []string{"1", "2", "1", "2", "1", "1"} {
					if err := stream.Send(&testpb.PingStreamRequest{Value: value}); err != nil {
						t.Fatal(err)
					}
					if _, err := stream.Recv(); err != nil {
						t.Fatal(err)
					}
				}
				if _, asked := w.counts(); asked != test.asked {
					t.Errorf("the engine was asked %d times, want %d", asked, test.asked)
				}
				// An object that was never granted isn't covered by the others.
				_ = stream.Send(&testpb.PingStreamRequest{Value: "3"})
				_, err = stream.Recv()
				wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
			})
		})
	}
}

// Every object of a stream stays live, not only the last one.
func TestEveryObjectIsAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.allow("document:2#viewer@user:alice")
		set := byValue()
		set["PingStream"] = rechecked(check("document:{value}"), 10*time.Second)
		s := start(t, w, setupConfig{rules: set, inMemory: true})
		began := time.Now()
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"1", "2"} {
			if err := stream.Send(&testpb.PingStreamRequest{Value: value}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(25 * time.Second)
		w.revoke("document:1#viewer@user:alice")
		endsAt(t, func() error { _, err := stream.Recv(); return err }, codes.PermissionDenied, authz.ReasonRelationDenied, began.Add(30*time.Second))
	})
}

// Row 66: held to the first message's object.
func TestPinnedToTheFirstMessage(t *testing.T) {
	w := newWorld(t)
	w.allow("document:2#viewer@user:alice")
	pinned := check("document:{value}")
	pinned.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
	set := byValue()
	set["PingStream"] = pinned
	s := start(t, w, setupConfig{rules: set})
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"1", "", "1", ""} {
		if err := stream.Send(&testpb.PingStreamRequest{Value: value}); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetValue() != value {
			t.Fatalf("%v, %v", got, err)
		}
	}
	if _, asked := w.counts(); asked != 1 {
		t.Errorf("the engine was asked %d times, want once", asked)
	}
	// Even an object that the caller may see is another one.
	_ = stream.Send(&testpb.PingStreamRequest{Value: "2"})
	_, err = stream.Recv()
	wantStatus(t, err, codes.InvalidArgument, authz.ReasonObjectMissing)
	nameless, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	_ = nameless.Send(&testpb.PingStreamRequest{})
	_, err = nameless.Recv()
	wantStatus(t, err, codes.InvalidArgument, authz.ReasonObjectMissing)
}
