package interceptor_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
)

// scripted is a test service whose handlers a test writes itself.
type scripted struct {
	testpb.TestPingService

	bidi   func(testpb.TestService_PingStreamServer) error
	client func(testpb.TestService_PingClientStreamServer) error
	list   func(*testpb.PingListRequest, testpb.TestService_PingListServer) error
	unary  func(context.Context, *testpb.PingRequest) (*testpb.PingResponse, error)
	empty  func(context.Context) error
}

func (s *scripted) PingEmpty(ctx context.Context, req *testpb.PingEmptyRequest) (*testpb.PingEmptyResponse, error) {
	if s.empty == nil {
		return s.TestPingService.PingEmpty(ctx, req)
	}

	return &testpb.PingEmptyResponse{}, s.empty(ctx)
}

func (s *scripted) PingStream(stream testpb.TestService_PingStreamServer) error {
	if s.bidi == nil {
		return s.TestPingService.PingStream(stream)
	}

	return s.bidi(stream)
}

func (s *scripted) PingClientStream(stream testpb.TestService_PingClientStreamServer) error {
	if s.client == nil {
		return s.TestPingService.PingClientStream(stream)
	}

	return s.client(stream)
}

func (s *scripted) PingList(req *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
	if s.list == nil {
		return s.TestPingService.PingList(req, stream)
	}

	return s.list(req, stream)
}

func (s *scripted) Ping(ctx context.Context, req *testpb.PingRequest) (*testpb.PingResponse, error) {
	if s.unary == nil {
		return s.TestPingService.Ping(ctx, req)
	}

	return s.unary(ctx, req)
}

// All four kinds of RPC, granted and refused.
func TestAllKindsOfCalls(t *testing.T) {
	w := newWorld(t)
	s := start(t, w, setupConfig{rules: byValue()})

	t.Run("granted", func(t *testing.T) {
		if got, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil || got.GetValue() != "1" {
			t.Errorf("unary: %v, %v", got, err)
		}
		list, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{Value: "1"})
		if n := drain(t, list, err, codes.OK); n != testpb.ListResponseCount {
			t.Errorf("server stream: %d messages", n)
		}
		up, err := s.PingClientStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := up.Send(&testpb.PingClientStreamRequest{Value: "1"}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := up.CloseAndRecv(); err != nil || got.GetCounter() != 3 {
			t.Errorf("client stream: %v, %v", got, err)
		}
		both, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := both.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
				t.Fatal(err)
			}
			if got, err := both.Recv(); err != nil || got.GetValue() != "1" {
				t.Errorf("bidi stream: %v, %v", got, err)
			}
		}
		_ = both.CloseSend()
		if _, err := both.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("bidi stream's end: %v", err)
		}
	})

	t.Run("refused", func(t *testing.T) {
		_, err := s.Ping(as(t, bobToken), &testpb.PingRequest{Value: "1"})
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
		list, err := s.PingList(as(t, bobToken), &testpb.PingListRequest{Value: "1"})
		if n := drain(t, list, err, codes.PermissionDenied); n != 0 {
			t.Errorf("server stream: %d messages", n)
		}
		up, err := s.PingClientStream(as(t, bobToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = up.Send(&testpb.PingClientStreamRequest{Value: "1"})
		_, err = up.CloseAndRecv()
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
		both, err := s.PingStream(as(t, bobToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = both.Send(&testpb.PingStreamRequest{Value: "1"})
		_, err = both.Recv()
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
	})
}

func drain(t *testing.T, stream testpb.TestService_PingListClient, err error, want codes.Code) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		if _, err := stream.Recv(); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			if status.Code(err) != want {
				t.Errorf("stream ended with %v, want %v", err, want)
			}

			return n
		}
	}
}

// chatter says everything that a handler can say before it has read a message.
func chatter(t *testing.T, stream grpc.ServerStream) {
	t.Helper()
	ctx := stream.Context()
	for name, err := range map[string]error{
		"SetHeader":       stream.SetHeader(metadata.Pairs("early", "stream-set")),
		"grpc.SetHeader":  grpc.SetHeader(ctx, metadata.Pairs("early", "ctx-set")),
		"grpc.SetTrailer": grpc.SetTrailer(ctx, metadata.Pairs("early-trailer", "ctx")),
		"grpc.SendHeader": grpc.SendHeader(ctx, metadata.Pairs("early", "ctx-send")),
	} {
		// The map's order decides whether the header is set before it is sent.
		if err != nil && status.Code(err) != codes.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
	stream.SetTrailer(metadata.Pairs("early-trailer", "stream"))
}

// A method without a rule, and a method that doesn't exist.
func TestMethodsWithoutARuleAreDenied(t *testing.T) {
	w := newWorld(t)
	s := start(t, w, setupConfig{rules: byValue(), after: []grpc.ServerOption{
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			t.Error("an unknown method reached the handler")

			return stream.SendMsg(&testpb.PingResponse{})
		}),
	}})
	for _, method := range []string{"/no.such.Service/Method", "/" + service + "Unknown", "/x/y"} {
		err := s.conn.Invoke(as(t, aliceToken), method, &testpb.PingRequest{}, &testpb.PingResponse{})
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRuleMissing)
	}
	for _, event := range w.decided() {
		if event.Known {
			t.Errorf("%s counts as known", event.Method)
		}
	}
}

func TestPublicNeedsNoCredentialAndIgnoresOne(t *testing.T) {
	set := byValue()
	set["Ping"], set["PingStream"] = public(), public()
	w := newWorld(t)
	s := start(t, w, setupConfig{rules: set})
	for _, ctx := range []context.Context{anonymous(t), as(t, "nobody"), withAuthorization(anonymous(t), "junk", "junk")} {
		if _, err := s.Ping(ctx, &testpb.PingRequest{Value: "1"}); err != nil {
			t.Error(err)
		}
		stream, err := s.PingStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingStreamRequest{Value: "x"})
		if got, err := stream.Recv(); err != nil || got.GetValue() != "x" {
			t.Errorf("%v, %v", got, err)
		}
		_ = stream.CloseSend()
		_, _ = stream.Recv()
	}
	if verified, asked := w.counts(); verified+asked != 0 {
		t.Errorf("%d verifications, %d checks for public methods", verified, asked)
	}
}

// The policy "handler": the handler decides by checks of its own, and must.
func TestHandlerDecides(t *testing.T) {
	w := newWorld(t)
	set := byValue()
	set["Ping"], set["PingStream"] = handlerDecides(), handlerDecides()
	s := start(t, w, setupConfig{rules: set, impl: &scripted{
		unary: func(ctx context.Context, req *testpb.PingRequest) (*testpb.PingResponse, error) {
			if req.GetValue() == "unchecked" {
				return &testpb.PingResponse{Value: "unchecked"}, nil
			}
			if err := authz.CheckFromContext(ctx, "document:"+req.GetValue(), "viewer"); err != nil {
				return nil, status.Error(codes.Aborted, "no")
			}

			return &testpb.PingResponse{Value: req.GetValue()}, nil
		},
		bidi: func(stream testpb.TestService_PingStreamServer) error {
			req, err := stream.Recv()
			if err != nil {
				return err
			}
			switch req.GetValue() {
			case "silent":
				return nil
			case "failing":
				return status.Error(codes.DataLoss, "its own")
			case "unchecked":
			default:
				if err := authz.CheckFromContext(stream.Context(), "document:"+req.GetValue(), "viewer"); err != nil {
					return status.Error(codes.Aborted, "no")
				}
			}

			return stream.Send(&testpb.PingStreamResponse{Value: req.GetValue()})
		},
	}})
	for value, want := range map[string]codes.Code{"1": codes.OK, "2": codes.Aborted, "unchecked": codes.Internal} {
		reason := authz.Reason("")
		if want == codes.Internal {
			reason = authz.ReasonMisconfigured
		}
		got, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: value})
		wantStatus(t, err, want, reason)
		if want != codes.OK && got != nil {
			t.Errorf("unary: %v came along", got)
		}
		stream, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingStreamRequest{Value: value})
		_, err = stream.Recv()
		wantStatus(t, err, want, reason)
	}
	// A stream whose handler neither checks nor sends; and its own errors are its own.
	for value, want := range map[string]codes.Code{"silent": codes.Internal, "failing": codes.DataLoss} {
		stream, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingStreamRequest{Value: value})
		if _, err = stream.Recv(); status.Code(err) != want {
			t.Errorf("%s: %v, want %v", value, err, want)
		}
	}
}

// A stream whose rule doesn't read its messages is decided, and told of, once.
func TestStreamDecidedBeforeItsMessages(t *testing.T) {
	w := newWorld(t)
	set := byValue()
	set["PingStream"] = authenticated()
	s := start(t, w, setupConfig{rules: set})
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	_ = stream.CloseSend()
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	events := w.decided()
	if len(events) != 1 || events[0].Err != nil || events[0].Occasion != interceptor.OccasionCall || events[0].Principal.Subject() != "alice" {
		t.Errorf("told of %+v, want one grant to alice", events)
	}
}

// What grpc refuses of a header that was held ends the call, as it would have
// where nothing is held.
func TestHeldHeaderIsRefused(t *testing.T) {
	s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
		if err := stream.SetHeader(metadata.Pairs("not a name", "x")); err != nil {
			t.Errorf("before the first message: %v", err)
		}
		if _, err := stream.Recv(); err == nil {
			t.Error("the first message came although the header can't go out")
		}
		if err := stream.Send(&testpb.PingStreamResponse{}); err == nil {
			t.Error("a message went out after the header was refused")
		}

		return nil
	}}})
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
	if got, err := stream.Recv(); status.Code(err) != codes.Internal {
		t.Errorf("%v, %v", got, err)
	}
}

// Handlers see the caller, the decision and what interceptors before us put
// into the context.
func TestHandlersContext(t *testing.T) {
	look := func(ctx context.Context) error {
		s, ok := authz.FromContext(ctx)
		if !ok || !s.Decision().Allowed() {
			return errors.New("no decision in the context")
		}
		if method, ok := grpc.Method(ctx); !ok || method == "" {
			return errors.New("no method in the context")
		}

		return subjectIs(ctx, "alice")
	}
	set := byValue()
	set["PingStream"] = authenticated()
	s := start(t, newWorld(t), setupConfig{rules: set, impl: &scripted{
		unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
			return &testpb.PingResponse{}, look(ctx)
		},
		bidi: func(stream testpb.TestService_PingStreamServer) error { return look(stream.Context()) },
	}})
	if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Error(err)
	}
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
