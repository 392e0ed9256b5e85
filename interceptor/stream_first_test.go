package interceptor_test

import (
	"errors"
	"io"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
)

// Row 63: nothing of the handler's reaches the caller before the first message
// is authorized.
func TestNoOutputBeforeTheFirstVerdict(t *testing.T) {
	// quiet checks that a refused caller has seen nothing of the handler's.
	quiet := func(t *testing.T, stream grpc.ClientStream) {
		t.Helper()
		header, _ := stream.Header()
		if got := header.Get("early"); len(got) != 0 {
			t.Errorf("header of the handler's: %v", got)
		}
		if got := stream.Trailer().Get("early-trailer"); len(got) != 0 {
			t.Errorf("trailer of the handler's: %v", got)
		}
	}
	impl := func(t *testing.T) *scripted {
		t.Helper()

		return &scripted{
			bidi: func(stream testpb.TestService_PingStreamServer) error {
				chatter(t, stream)
				if _, err := stream.Recv(); err != nil {
					return status.Error(codes.DataLoss, "the handler's own words")
				}

				return stream.Send(&testpb.PingStreamResponse{Value: "late"})
			},
			client: func(stream testpb.TestService_PingClientStreamServer) error {
				chatter(t, stream)
				if _, err := stream.Recv(); err != nil {
					return status.Error(codes.DataLoss, "the handler's own words")
				}

				return stream.SendAndClose(&testpb.PingClientStreamResponse{Counter: 7})
			},
		}
	}

	t.Run("row 63: a refused bidi stream shows no header, trailer, message or status text", func(t *testing.T) {
		s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: impl(t)})
		stream, err := s.PingStream(as(t, bobToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
		_, err = stream.Recv()
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
		quiet(t, stream)
	})

	t.Run("row 63: a refused client stream shows nothing either", func(t *testing.T) {
		s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: impl(t)})
		stream, err := s.PingClientStream(as(t, bobToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingClientStreamRequest{Value: "1"})
		_, err = stream.CloseAndRecv()
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
		quiet(t, stream)
	})

	t.Run("row 63: what was held arrives once the first message is authorized", func(t *testing.T) {
		s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: impl(t)})
		stream, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetValue() != "late" {
			t.Fatalf("%v, %v", got, err)
		}
		header, err := stream.Header()
		if err != nil || len(header.Get("early")) == 0 {
			t.Errorf("held header: %v, %v", header, err)
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if got := stream.Trailer().Get("early-trailer"); len(got) != 2 {
			t.Errorf("held trailer: %v", got)
		}
	})

	t.Run("row 63: half-close without a message is INVALID_ARGUMENT, OBJECT_MISSING", func(t *testing.T) {
		s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: impl(t)})
		stream, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.CloseSend()
		_, err = stream.Recv()
		wantStatus(t, err, codes.InvalidArgument, authz.ReasonObjectMissing)
		quiet(t, stream)
		up, err := s.PingClientStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		_, err = up.CloseAndRecv()
		wantStatus(t, err, codes.InvalidArgument, authz.ReasonObjectMissing)
		quiet(t, up)
	})

	for name, returned := range map[string]error{"an error": status.Error(codes.NotFound, "document 7 is gone"), "OK": nil} {
		t.Run("row 63: a handler that returns first with "+name+" is PERMISSION_DENIED without its words", func(t *testing.T) {
			s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
				chatter(t, stream)

				return returned
			}}})
			stream, err := s.PingStream(as(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			_, err = stream.Recv()
			wantStatus(t, err, codes.PermissionDenied, authz.ReasonVerdictMissing)
			quiet(t, stream)
		})
	}

	t.Run("row 63: a send waits for the first verdict", func(t *testing.T) {
		w := newWorld(t)
		sent := make(chan error, 1)
		s := start(t, w, setupConfig{rules: byValue(), impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
			go func() { sent <- stream.Send(&testpb.PingStreamResponse{Value: "early"}) }()
			if _, err := stream.Recv(); err != nil {
				return err
			}
			if err := <-sent; err != nil {
				return err
			}

			return nil
		}}})
		stream, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetValue() != "early" {
			t.Fatalf("%v, %v", got, err)
		}
		// Its handler takes what was sent, or the next one's would be mistaken for it.
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		refused, err := s.PingStream(as(t, bobToken))
		if err != nil {
			t.Fatal(err)
		}
		_ = refused.Send(&testpb.PingStreamRequest{Value: "1"})
		_, err = refused.Recv()
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
		if err := <-sent; status.Code(err) != codes.PermissionDenied {
			t.Errorf("the handler's send got %v", err)
		}
	})

	t.Run("row 63: the server may speak first where no template reads the message", func(t *testing.T) {
		literal := check("platform:main")
		set := byValue()
		set["PingStream"] = literal
		w := newWorld(t)
		w.allow("platform:main#viewer@user:alice")
		s := start(t, w, setupConfig{rules: set, impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
			if err := stream.SendHeader(metadata.Pairs("early", "yes")); err != nil {
				return err
			}
			if err := stream.Send(&testpb.PingStreamResponse{Value: "hello"}); err != nil {
				return err
			}
			_, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}

			return err
		}}})
		stream, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetValue() != "hello" {
			t.Fatalf("%v, %v", got, err)
		}
		_ = stream.CloseSend()
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		refused, err := s.PingStream(as(t, bobToken))
		if err != nil {
			t.Fatal(err)
		}
		_, err = refused.Recv()
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
	})
}
