package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// timed is a check that tells the engine the time, which Config.Now says.
func timed(object string) *authzv1.Rule {
	rule := check(object)
	rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "now", Value: "{$now}"}}

	return rule
}

// clock is a Config.Now that can be made to panic.
type clock struct{ broken atomic.Bool }

func (c *clock) now() time.Time {
	if c.broken.Load() {
		panic("the clock is broken")
	}

	return time.Now()
}

// Where a recheck panics, and an interceptor around this one makes a status of it,
// the call is over for its handler, too: it can neither send nor ask any more.
func TestPanicOfARecheckEndsTheCall(t *testing.T) {
	for name, rule := range map[string]*authzv1.Rule{"a message's": timed("document:{value}"), "the start's": timed("document:1")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const interval = time.Minute
				var overran []bool
				broken, handler := &clock{}, make(chan error, 1)
				set := byValue()
				set["PingStream"] = rechecked(rule, interval)
				s := start(t, newWorld(t), setupConfig{
					rules: set, inMemory: true, before: recovering(),
					config: func(c *parts) {
						c.authz.Now = broken.now
						c.Observer.HandlerOverran = func(_ context.Context, event interceptor.HandlerOverran) {
							overran = append(overran, event.Returned)
						}
					},
					impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
						if _, err := stream.Recv(); err != nil {
							return err
						}
						<-stream.Context().Done()
						time.Sleep(5 * time.Second) // it overruns
						broken.broken.Store(false)
						err := authz.CheckFromContext(stream.Context(), "document:1", "viewer")
						if err == nil {
							err = errors.New("the session goes on")
						} else {
							err = stream.Send(&testpb.PingStreamResponse{})
						}
						handler <- err

						return err
					}},
				})
				stream, err := s.PingStream(patient(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				broken.broken.Store(true)
				_, err = stream.Recv()
				wantCode(t, err, codes.Aborted)
				if err := <-handler; err == nil || err.Error() != "interceptor: the call is over" {
					t.Errorf("the handler got: %v", err)
				}
				synctest.Wait()
				if got := fmt.Sprint(overran); got != "[false true]" {
					t.Errorf("told of %s", got)
				}
			})
		})
	}
}

// A handler that contains the panic of its own receive has got nothing by it: neither
// the message nor a stream.
func TestPanicOfAMessagesCheckShowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &clock{}
		set := byValue()
		set["PingStream"] = timed("document:{value}")
		s := start(t, newWorld(t), setupConfig{
			rules: set, inMemory: true, config: func(c *parts) { c.authz.Now = broken.now },
			impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
				var got testpb.PingStreamRequest
				value := func() (value any) {
					defer func() { value = recover() }()

					return stream.RecvMsg(&got)
				}()
				if value != "the clock is broken" || got.GetValue() != "" {
					t.Errorf("panic %v, message %v", value, &got)
				}
				if stream.Context().Err() == nil {
					t.Error("the handler's context goes on")
				}
				broken.broken.Store(false)
				if _, err := stream.Recv(); err == nil {
					t.Error("a message after the panic")
				}

				return stream.Send(&testpb.PingStreamResponse{})
			}},
		})
		broken.broken.Store(true)
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
		_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
		if got, err := stream.Recv(); err == nil {
			t.Errorf("the caller got %v", got)
		}
	})
}
