package interceptor_test

import (
	"errors"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/interceptor"
)

// Row 66: a later message that names another object is checked again.
func TestRow66EachMessageIsChecked(t *testing.T) {
	received := make(chan string, 10)
	afterwards := make(chan error, 2)
	w := newWorld(t)
	w.allow("document:2#viewer@user:alice")
	s := start(t, w, setupConfig{rules: byValue(), impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
		for {
			got, err := stream.Recv()
			if err != nil {
				_, again := stream.Recv()
				afterwards <- again
				afterwards <- stream.Send(&testpb.PingStreamResponse{Value: "after the refusal"})
				if stream.Context().Err() == nil {
					return errors.New("the context goes on")
				}

				return nil
			}
			received <- got.GetValue()
			if err := stream.Send(&testpb.PingStreamResponse{Value: got.GetValue()}); err != nil {
				return err
			}
		}
	}}})
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"1", "2", "1"} {
		if err := stream.Send(&testpb.PingStreamRequest{Value: value}); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetValue() != value || <-received != value {
			t.Fatalf("%v, %v", got, err)
		}
	}
	_ = stream.Send(&testpb.PingStreamRequest{Value: "3"})
	_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
	_, err = stream.Recv()
	wantStatus(t, err, codes.PermissionDenied, interceptor.ReasonRelationDenied)
	for range 2 {
		if err := <-afterwards; status.Code(err) != codes.PermissionDenied {
			t.Errorf("row 66: after the refusal the handler got %v", err)
		}
	}
	if len(received) != 0 {
		t.Errorf("the handler saw %q", <-received)
	}
}

// A refused message reaches the handler neither as an error's text nor in its
// memory.
func TestRow66RefusedMessageIsReset(t *testing.T) {
	left := make(chan *testpb.PingStreamRequest, 1)
	s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
		var m testpb.PingStreamRequest
		err := stream.RecvMsg(&m)
		left <- &m

		return err
	}}})
	stream, err := s.PingStream(as(t, bobToken))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
	_, err = stream.Recv()
	wantStatus(t, err, codes.PermissionDenied, interceptor.ReasonRelationDenied)
	if m := <-left; m.GetValue() != "" {
		t.Errorf("the handler has %v", m)
	}
}
