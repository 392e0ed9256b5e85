package interceptor_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"github.com/stretchr/testify/suite"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
)

// middlewareSuite is go-grpc-middleware's own suite, with usher in a chain of its
// logging, recovery and selector: a real server with TLS, restarts included.
type middlewareSuite struct {
	*testpb.InterceptorTestSuite

	world *world
	log   *finishLines
}

// finishLines counts what go-grpc-middleware's logging says at the end of calls.
type finishLines struct {
	mu    sync.Mutex
	codes []any
}

func (l *finishLines) Log(_ context.Context, _ logging.Level, msg string, fields ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if msg != "finished call" {
		return
	}
	for it := logging.Fields(fields).Iterator(); it.Next(); {
		if key, value := it.At(); key == "grpc.code" {
			l.codes = append(l.codes, value)
		}
	}
}

func (l *finishLines) take() []any {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.codes
	l.codes = nil

	return taken
}

// panicking is a service that panics on demand.
type panicking struct{ testpb.TestPingService }

func (p *panicking) Ping(ctx context.Context, req *testpb.PingRequest) (*testpb.PingResponse, error) {
	if req.GetValue() == "panic" {
		panic("the handler's")
	}

	return p.TestPingService.Ping(ctx, req)
}

func (p *panicking) PingList(req *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
	if req.GetValue() == "panic" {
		panic("the handler's")
	}

	return p.TestPingService.PingList(req, stream)
}

func TestGoGRPCMiddlewaresSuite(t *testing.T) {
	w := newWorld(t)
	w.allow("document:panic#viewer@user:alice")
	auth := newInterceptor(t, w, setupConfig{rules: byValue()})
	log := &finishLines{}
	recovered := recovery.WithRecoveryHandler(func(any) error { return status.Error(codes.Aborted, "recovered") })
	notEmpty := selector.MatchFunc(func(_ context.Context, meta interceptors.CallMeta) bool { return meta.Method != "PingEmpty" })
	suite.Run(t, &middlewareSuite{world: w, log: log, InterceptorTestSuite: &testpb.InterceptorTestSuite{
		TestService: &panicking{},
		ServerOpts: []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(
				logging.UnaryServerInterceptor(log), recovery.UnaryServerInterceptor(recovered),
				selector.UnaryServerInterceptor(auth.Unary, notEmpty),
			),
			grpc.ChainStreamInterceptor(
				logging.StreamServerInterceptor(log), recovery.StreamServerInterceptor(recovered),
				selector.StreamServerInterceptor(auth.Stream, notEmpty),
			),
		},
	}})
}

func (s *middlewareSuite) alice() context.Context {
	return withAuthorization(s.SimpleCtx(), "Bearer "+aliceToken)
}

func (s *middlewareSuite) SetupTest() { s.log.take() }

func (s *middlewareSuite) TestUnary() {
	reply, err := s.Client.Ping(s.alice(), &testpb.PingRequest{Value: "1"})
	s.Require().NoError(err)
	s.Equal("1", reply.GetValue())
	_, err = s.Client.Ping(s.alice(), &testpb.PingRequest{Value: "2"})
	s.Equal(codes.PermissionDenied, status.Code(err))
	_, err = s.Client.Ping(s.SimpleCtx(), &testpb.PingRequest{Value: "1"})
	s.Equal(codes.Unauthenticated, status.Code(err))
	s.Equal([]any{"OK", "PermissionDenied", "Unauthenticated"}, s.log.take())
}

func (s *middlewareSuite) TestHandlersErrorPasses() {
	s.world.allow("document:error#viewer@user:alice")
	_, err := s.Client.PingError(s.alice(), &testpb.PingErrorRequest{Value: "error", ErrorCodeReturned: uint32(codes.NotFound)})
	s.Equal(codes.NotFound, status.Code(err))
	s.Contains(err.Error(), "Userspace error")
}

func (s *middlewareSuite) TestSelectorLeavesAMethodOut() {
	_, err := s.Client.PingEmpty(s.SimpleCtx(), &testpb.PingEmptyRequest{})
	s.NoError(err)
}

func (s *middlewareSuite) TestServerStream() {
	list, err := s.Client.PingList(s.alice(), &testpb.PingListRequest{Value: "1"})
	s.Require().NoError(err)
	n := 0
	for ; ; n++ {
		if _, err = list.Recv(); err != nil {
			break
		}
	}
	s.Require().ErrorIs(err, io.EOF)
	s.Equal(testpb.ListResponseCount, n)
}

func (s *middlewareSuite) TestBidiStream() {
	stream, err := s.Client.PingStream(s.alice())
	s.Require().NoError(err)
	for range 50 {
		s.Require().NoError(stream.Send(&testpb.PingStreamRequest{Value: "1"}))
		_, err := stream.Recv()
		s.Require().NoError(err)
	}
	s.Require().NoError(stream.CloseSend())
	_, err = stream.Recv()
	s.Require().ErrorIs(err, io.EOF)
}

func (s *middlewareSuite) TestRecoverySeesTheHandlersPanic() {
	_, err := s.Client.Ping(s.alice(), &testpb.PingRequest{Value: "panic"})
	s.Equal(codes.Aborted, status.Code(err))
	list, err := s.Client.PingList(s.alice(), &testpb.PingListRequest{Value: "panic"})
	s.Require().NoError(err)
	_, err = list.Recv()
	s.Equal(codes.Aborted, status.Code(err), "a stream's panic is raised again where recovery stands")
	s.Equal([]any{"Aborted", "Aborted"}, s.log.take())
}

func (s *middlewareSuite) TestServerRestart() {
	<-s.RestartServer(0)
	_, err := s.Client.Ping(s.alice(), &testpb.PingRequest{Value: "1"}, grpc.WaitForReady(true))
	s.NoError(err)
}

// Interceptors of others, above and below, see what they would see without us.
func TestOtherInterceptorsAboveAndBelow(t *testing.T) {
	type key struct{}
	var above, below []string
	var mu sync.Mutex
	note := func(list *[]string, what string) {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, what)
	}
	s := start(t, newWorld(t), setupConfig{
		rules: byValue(),
		before: []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				resp, err := next(context.WithValue(ctx, key{}, "above"), req)
				note(&above, status.Code(err).String())

				return resp, err
			}),
			grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				err := next(srv, &valued{ServerStream: ss, ctx: context.WithValue(ss.Context(), key{}, "above")})
				note(&above, status.Code(err).String())

				return err
			}),
		},
		after: []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				note(&below, "unary")
				if ctx.Value(key{}) != "above" {
					return nil, errors.New("the value from above is gone")
				}
				if err := subjectIs(ctx, "alice"); err != nil {
					return nil, err
				}

				return next(ctx, req)
			}),
			grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				note(&below, "stream")
				if ss.Context().Value(key{}) != "above" {
					return errors.New("the value from above is gone")
				}

				return next(srv, &valued{ServerStream: ss, ctx: ss.Context()})
			}),
		},
	})
	if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Error(err)
	}
	_, err := s.Ping(as(t, bobToken), &testpb.PingRequest{Value: "1"})
	wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
	list, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{Value: "1"})
	if n := drain(t, list, err, codes.OK); n != testpb.ListResponseCount {
		t.Errorf("%d messages", n)
	}
	s.server.GracefulStop()
	if len(above) != 3 || len(below) != 2 {
		t.Errorf("above saw %v, below %v", above, below)
	}
}

// valued is a stream wrapped as other middlewares do.
type valued struct {
	grpc.ServerStream

	ctx context.Context
}

func (s *valued) Context() context.Context { return s.ctx }
