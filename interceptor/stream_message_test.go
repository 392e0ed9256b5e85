package interceptor_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
)

// Row 66: a later message that names another object is checked again.
func TestEachMessageIsChecked(t *testing.T) {
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
	wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
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
func TestRefusedMessageIsReset(t *testing.T) {
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
	wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
	if m := <-left; m.GetValue() != "" {
		t.Errorf("the handler has %v", m)
	}
}

// raw is a codec that hands messages over as they came, as a proxy has it, beside
// protobuf ones.
type raw struct{ encoding.CodecV2 }

type frame struct{ payload []byte }

func (raw) Name() string { return "proto" }

func (c raw) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(f.payload)}, nil
	}

	return c.CodecV2.Marshal(v)
}

func (c raw) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *frame:
		m.payload = data.Materialize()
	case map[string][]byte:
		m["payload"] = data.Materialize()
	default:
		return c.CodecV2.Unmarshal(data, v)
	}

	return nil
}

// What is no protobuf message can't be authorized by what it says. The handler
// reads nothing of it, before or after the refusal.
func TestMessageThatIsNoProtobufIsNotReadable(t *testing.T) {
	for name, message := range map[string]func() (any, func() bool){
		"a struct": func() (any, func() bool) {
			f := &frame{}

			return f, func() bool { return len(f.payload) != 0 }
		},
		"a map": func() (any, func() bool) {
			m := map[string][]byte{}

			return m, func() bool { return len(m) != 0 }
		},
	} {
		t.Run("row 66 "+name, func(t *testing.T) {
			read := make(chan bool, 1)
			s := start(t, newWorld(t), setupConfig{
				rules: byValue(), after: []grpc.ServerOption{grpc.ForceServerCodecV2(raw{encoding.GetCodecV2("proto")})},
				impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
					m, readable := message()
					err := stream.RecvMsg(m)
					read <- readable()

					return err
				}},
			})
			stream, err := s.PingStream(as(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
			_, err = stream.Recv()
			wantStatus(t, err, codes.Internal, authz.ReasonMisconfigured)
			if <-read {
				t.Error("the handler read a message that was refused")
			}
		})
	}
}

// A message that comes when its stream is over isn't readable either, nor is what
// was read of one that can't be decoded.
func TestMessageOfAnEndedStreamIsNotReadable(t *testing.T) {
	t.Run("row 66 the stream has ended meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.setToken(aliceToken, principal(t, "alice", 10*time.Second))
			end := w.principals[aliceToken].ValidUntil()
			set := byValue()
			set["PingStream"] = authenticated()
			read := make(chan bool, 1)
			s := start(t, w, setupConfig{
				rules: set, inMemory: true,
				before: []grpc.ServerOption{grpc.ChainStreamInterceptor(late(end.Add(time.Second)))},
				after:  []grpc.ServerOption{grpc.ForceServerCodecV2(raw{encoding.GetCodecV2("proto")})},
				impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
					f := &frame{}
					err := stream.RecvMsg(f)
					read <- len(f.payload) != 0

					return err
				}},
			})
			stream, err := s.PingStream(patient(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
			_, err = stream.Recv()
			wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenExpired)
			if <-read {
				t.Error("the handler read a message of a stream that is over")
			}
		})
	})
	t.Run("row 66 the message can't be decoded", func(t *testing.T) {
		read := make(chan bool, 1)
		s := start(t, newWorld(t), setupConfig{rules: byValue(), impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
			m := &testpb.PingStreamRequest{}
			err := stream.RecvMsg(m)
			read <- m.GetValue() != ""

			return err
		}}})
		stream, err := s.conn.NewStream(as(t, aliceToken), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
			"/"+service+"PingStream", grpc.ForceCodecV2(raw{encoding.GetCodecV2("proto")}))
		if err != nil {
			t.Fatal(err)
		}
		// The field "value", and then half a field.
		_ = stream.SendMsg(&frame{payload: []byte("\x0a\x06secret\x12\xff")})
		if err := stream.RecvMsg(&testpb.PingStreamResponse{}); err == nil {
			t.Error("the stream went on")
		}
		if <-read {
			t.Error("the handler read part of a message that nothing was decided about")
		}
	})
}

// late is a transport whose messages arrive at a time.
func late(at time.Time) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		return next(srv, &lateStream{ss, at})
	}
}

type lateStream struct {
	grpc.ServerStream

	at time.Time
}

func (s *lateStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	time.Sleep(time.Until(s.at))

	return err
}
