package interceptor_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
)

// Row 67: a handler that receives and sends at the same time, and sets metadata
// beside that; for every way in which the stream may end.
func TestParallelSendAndReceive(t *testing.T) {
	const messages = 200
	for name, test := range map[string]struct {
		last string // the value of the last message
		end  func(stream testpb.TestService_PingStreamClient, cancel context.CancelFunc)
		code codes.Code
	}{
		"row 67: half-closed by the caller": {"1", func(s testpb.TestService_PingStreamClient, _ context.CancelFunc) { _ = s.CloseSend() }, codes.OK},
		"row 67: refused in the middle":     {"3", func(testpb.TestService_PingStreamClient, context.CancelFunc) {}, codes.PermissionDenied},
		"row 67: canceled by the caller":    {"1", func(_ testpb.TestService_PingStreamClient, cancel context.CancelFunc) { cancel() }, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			began, handlers := make(chan struct{}), make(chan struct{})
			s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
				close(began)
				defer close(handlers)
				var all sync.WaitGroup
				received := make(chan string, 1)
				all.Go(func() {
					defer close(received)
					for {
						m, err := stream.Recv()
						if err != nil {
							return
						}
						select {
						case received <- m.GetValue():
						case <-stream.Context().Done():
							return
						}
					}
				})
				all.Go(func() {
					for range messages {
						_ = grpc.SetHeader(stream.Context(), metadata.Pairs("k", "v"))
						stream.SetTrailer(metadata.Pairs("k", "v"))
						if stream.Context().Err() != nil {
							return
						}
					}
				})
				for value := range received {
					if err := stream.Send(&testpb.PingStreamResponse{Value: value}); err != nil {
						break
					}
				}
				// A receive that is refused ends the others, too.
				all.Wait()

				return nil
			}}})
			ctx, cancel := context.WithCancel(as(t, aliceToken))
			defer cancel()
			stream, err := s.PingStream(ctx)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for range messages {
					if stream.Send(&testpb.PingStreamRequest{Value: "1"}) != nil {
						return
					}
				}
				_ = stream.Send(&testpb.PingStreamRequest{Value: test.last})
				<-began // a call that is canceled before has no handler to let go
				test.end(stream, cancel)
			}()
			for err == nil {
				_, err = stream.Recv()
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			if status.Code(err) != test.code {
				t.Errorf("ended with %v, want %v", err, test.code)
			}
			select {
			case <-handlers:
			case <-time.After(testDeadline):
				t.Error("the handler was never let go")
			}
		})
	}
}

// Row 67: a client that never reads keeps nothing once its call is refused.
func TestClientThatNeverReads(t *testing.T) {
	returned := make(chan error, 1)
	s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		go func() {
			_, err := stream.Recv() // is refused while the send below is stuck
			_ = err
		}()
		for {
			if err := stream.Send(&testpb.PingStreamResponse{Value: strings.Repeat("x", 1<<15)}); err != nil {
				returned <- err

				return nil
			}
		}
	}}})
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
	_ = stream.Send(&testpb.PingStreamRequest{Value: "3"})
	select {
	case err := <-returned:
		if err == nil {
			t.Error("the stuck send succeeded")
		}
	case <-time.After(testDeadline):
		t.Fatal("the handler hangs in its send")
	}
	for err == nil {
		_, err = stream.Recv()
	}
	wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
}

// Row 67: many streams at once, that end in every way: nothing is left over.
// The leak check is start's.
func TestNothingIsLeftOfManyStreams(t *testing.T) {
	s := start(t, newWorld(t), setupConfig{rules: byValue()})
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(as(t, []string{aliceToken, bobToken, "nobody"}[i%3]))
			defer cancel()
			stream, err := s.PingStream(ctx)
			if err != nil {
				t.Error(err)

				return
			}
			switch i % 5 {
			case 0:
				_ = stream.CloseSend()
			case 1:
				_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
				_ = stream.CloseSend()
			case 2:
				_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
				cancel()
			case 3:
				cancel()
			case 4:
				_ = stream.Send(&testpb.PingStreamRequest{})
			}
			for err == nil {
				_, err = stream.Recv()
			}
		})
	}
	all.Wait()
}

// A message that the rule can't read is no grant: a proxy's raw frames, or a
// message of another type.
func TestMessagesThatTheRuleCantRead(t *testing.T) {
	w := newWorld(t)
	auth := newInterceptor(t, w, setupConfig{rules: byValue()})
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+aliceToken))
	for name, message := range map[string]any{
		"raw bytes": []byte("1"), "another type": &testpb.PingErrorRequest{Value: "1"}, "nothing": nil, "a nil message": (*testpb.PingRequest)(nil),
	} {
		_, err := auth.Unary(ctx, message, &grpc.UnaryServerInfo{FullMethod: "/" + service + "Ping"}, func(context.Context, any) (any, error) {
			t.Errorf("%s reached the handler", name)

			return nil, nil
		})
		if code := status.Code(err); code != codes.Internal && code != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A session that a handler keeps is the call's own, however it is reached.
func TestHandlersSessionIsOne(t *testing.T) {
	s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: &scripted{
		unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
			first, _ := authz.FromContext(ctx)
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			if second, _ := authz.FromContext(child); first == nil || first != second {
				return nil, errors.New("two sessions")
			}

			return &testpb.PingResponse{}, nil
		},
	}})
	if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Error(err)
	}
}
