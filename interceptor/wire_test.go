package interceptor_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // a handler may choose it
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// serveWire runs a guarded server on loopback without TLS, so that a test reads
// what it writes.
func serveWire(t *testing.T, w *world, cfg setupConfig) string {
	t.Helper()
	auth := newInterceptor(t, w, cfg)
	server := grpc.NewServer(append(slices.Clone(cfg.before), auth.ServerOptions()...)...)
	testpb.RegisterTestServiceServer(server, cfg.impl)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve: %v", err)
		}
	})

	return listener.Addr().String()
}

// answer is what a server wrote on a call's HTTP/2 stream: every byte of its
// frames, except those of flow control.
type answer struct {
	raw    []byte
	fields []hpack.HeaderField
	data   int
}

func (a answer) String() string {
	return fmt.Sprintf("%v, %d bytes of messages, %x", a.fields, a.data, a.raw)
}

// callWire makes one call on a connection of its own, so that the compression of
// headers begins anew, and returns the answer. The caller closes its side if it is
// told to, as a unary one does.
func callWire(t *testing.T, address, method, token string, halfClose bool, messages ...proto.Message) answer {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(testDeadline)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", "/" + service + method},
		{":authority", "docs"},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
		{"grpc-accept-encoding", "gzip"},
		{"authorization", "Bearer " + token},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	write := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(framer.WriteSettings())
	write(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}))
	for i, message := range messages {
		body, err := proto.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		prefixed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body)))
		write(framer.WriteData(1, halfClose && i == len(messages)-1, append(prefixed, body...)))
	}

	var got answer
	decoder := hpack.NewDecoder(4096, func(f hpack.HeaderField) { got.fields = append(got.fields, f) })
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("%v after %v", err, got)
		}
		header := frame.Header()
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				write(framer.WriteSettingsAck())
			}

			continue
		case *http2.PingFrame:
			if !f.IsAck() {
				write(framer.WritePing(true, f.Data))
			}

			continue
		case *http2.WindowUpdateFrame:
			continue
		case *http2.HeadersFrame:
			got.raw = append(got.raw, f.HeaderBlockFragment()...)
			if _, err := decoder.Write(f.HeaderBlockFragment()); err != nil {
				t.Fatal(err)
			}
		case *http2.DataFrame:
			got.raw = append(got.raw, f.Data()...)
			got.data += len(f.Data())
		case *http2.RSTStreamFrame:
			got.raw = binary.BigEndian.AppendUint32(got.raw, uint32(f.ErrCode))
		default:
			t.Fatalf("unexpected %v", frame)
		}
		got.raw = append(got.raw, byte(header.Type), byte(header.Flags))
		ended := header.Type == http2.FrameRSTStream || header.Flags.Has(http2.FlagDataEndStream) && (header.Type == http2.FrameHeaders || header.Type == http2.FrameData)
		if ended {
			return got
		}
	}
}

// Row 63: where the rule hides existence, what a denied caller reads and what a
// caller reads whose object isn't there are the same bytes, whatever the handler
// says before its NOT_FOUND: by check of the rule or of the handler, unary and on
// streams.
func TestDenialAndNotFoundAreTheSameBytes(t *testing.T) {
	note := func(text string) metadata.MD { return metadata.Pairs("exists", text) }
	detailed := func() error {
		st, err := status.New(codes.NotFound, "deleted yesterday").WithDetails(&errdetails.ResourceInfo{ResourceName: "document:missing"})
		if err != nil {
			return err
		}

		return st.Err()
	}
	styles := map[string]func(context.Context, grpc.ServerStream) error{
		"plain":   func(context.Context, grpc.ServerStream) error { return status.Error(codes.NotFound, "not found") },
		"details": func(context.Context, grpc.ServerStream) error { return detailed() },
		"wrapped": func(context.Context, grpc.ServerStream) error { return fmt.Errorf("store: %w", detailed()) },
		"a header": func(ctx context.Context, _ grpc.ServerStream) error {
			_ = grpc.SetHeader(ctx, note("set"))

			return detailed()
		},
		"a header that is sent": func(ctx context.Context, _ grpc.ServerStream) error {
			if err := grpc.SendHeader(ctx, note("sent")); err != nil {
				return err
			}

			return detailed()
		},
		"a header that is sent empty": func(ctx context.Context, _ grpc.ServerStream) error {
			_ = grpc.SendHeader(ctx, nil)

			return detailed()
		},
		"a header that is set, sent and sent again": func(ctx context.Context, _ grpc.ServerStream) error {
			_ = grpc.SetHeader(ctx, note("set"))
			_ = grpc.SendHeader(ctx, note("sent"))
			_ = grpc.SendHeader(ctx, note("again"))

			return detailed()
		},
		"a trailer": func(ctx context.Context, _ grpc.ServerStream) error {
			_ = grpc.SetTrailer(ctx, note("trailer"))

			return detailed()
		},
		"a compressor": func(ctx context.Context, _ grpc.ServerStream) error {
			_ = interceptor.SetSendCompressor(ctx, "gzip")

			return detailed()
		},
		"the stream's own": func(_ context.Context, stream grpc.ServerStream) error {
			if stream != nil {
				_ = stream.SetHeader(note("set"))
				_ = stream.SendHeader(note("sent"))
				stream.SetTrailer(note("trailer"))
			}

			return detailed()
		},
	}
	hidden := &authzv1.Rule{Policy: check("document:{value}").GetPolicy(), OnDeny: authzv1.OnDeny_ON_DENY_NOT_FOUND}
	decides := handlerDecides()
	decides.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND
	for policy, rule := range map[string]*authzv1.Rule{"check": hidden, "handler": decides} {
		for style, say := range styles {
			test := func(t *testing.T, around []grpc.ServerOption) {
				t.Helper()
				w := newWorld(t)
				w.allow("document:missing#viewer@user:alice")
				answerTo := func(ctx context.Context, stream grpc.ServerStream, value string) error {
					if policy == "handler" {
						if err := authz.CheckFromContext(ctx, "document:"+value, "viewer"); err != nil {
							return err
						}
					}

					return say(ctx, stream)
				}
				address := serveWire(t, w, setupConfig{
					before: around,
					rules: rules{
						"Ping": rule, "PingList": rule, "PingStream": rule, "PingClientStream": rule,
						"PingEmpty": authenticated(), "PingError": authenticated(),
					},
					impl: &scripted{
						unary: func(ctx context.Context, req *testpb.PingRequest) (*testpb.PingResponse, error) {
							return &testpb.PingResponse{}, answerTo(ctx, nil, req.GetValue())
						},
						list: func(req *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
							return answerTo(stream.Context(), stream, req.GetValue())
						},
						bidi: func(stream testpb.TestService_PingStreamServer) error {
							req, err := stream.Recv()
							if err != nil {
								return err
							}

							return answerTo(stream.Context(), stream, req.GetValue())
						},
						client: func(stream testpb.TestService_PingClientStreamServer) error {
							req, err := stream.Recv()
							if err != nil {
								return err
							}

							return answerTo(stream.Context(), stream, req.GetValue())
						},
					},
				})
				for kind, message := range map[string]func(string) proto.Message{
					"Ping":             func(v string) proto.Message { return &testpb.PingRequest{Value: v} },
					"PingList":         func(v string) proto.Message { return &testpb.PingListRequest{Value: v} },
					"PingStream":       func(v string) proto.Message { return &testpb.PingStreamRequest{Value: v} },
					"PingClientStream": func(v string) proto.Message { return &testpb.PingClientStreamRequest{Value: v} },
				} {
					for _, halfClose := range []bool{true, false} {
						if !halfClose && (kind == "Ping" || kind == "PingList") {
							continue // their handlers run once the caller has closed its side
						}
						ours := callWire(t, address, kind, aliceToken, halfClose, message("hidden"))
						theirs := callWire(t, address, kind, aliceToken, halfClose, message("missing"))
						if len(ours.fields) == 0 || !bytes.Equal(ours.raw, theirs.raw) {
							t.Errorf("%s, half-closed %v:\nours    %v\ntheirs  %v", kind, halfClose, ours, theirs)
						}
					}
				}
			}
			t.Run("row 63 "+policy+", "+style, func(t *testing.T) { test(t, nil) })
			t.Run("row 63 "+policy+", "+style+", behind a header of another interceptor", func(t *testing.T) { test(t, headed()) })
		}
	}
}

// headed are the options of a server on which another interceptor, around usher's,
// sets a header of every answer, so that none is trailers alone.
func headed() []grpc.ServerOption {
	header := metadata.Pairs("request-id", "1")

	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := grpc.SetHeader(ctx, header); err != nil {
				return nil, err
			}

			return next(ctx, r)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := stream.SetHeader(header); err != nil {
				return err
			}

			return next(srv, stream)
		}),
	}
}

// Row 63: once a message has gone out, a later object that is hidden and one that
// isn't there still end the stream alike.
func TestLaterDenialAndNotFoundAreTheSameBytes(t *testing.T) {
	w := newWorld(t)
	w.allow("document:missing#viewer@user:alice")
	hidden := &authzv1.Rule{Policy: check("document:{value}").GetPolicy(), OnDeny: authzv1.OnDeny_ON_DENY_NOT_FOUND}
	set := byValue()
	set["PingStream"] = hidden
	address := serveWire(t, w, setupConfig{rules: set, impl: &scripted{
		bidi: func(stream testpb.TestService_PingStreamServer) error {
			for {
				req, err := stream.Recv()
				if err != nil {
					return err
				}
				_ = stream.SetHeader(metadata.Pairs("read", req.GetValue()))
				stream.SetTrailer(metadata.Pairs("read", req.GetValue()))
				_ = grpc.SetTrailer(stream.Context(), metadata.Pairs("read", req.GetValue()))
				if req.GetValue() == "missing" {
					return status.Error(codes.NotFound, "deleted yesterday")
				}
				if err := stream.Send(&testpb.PingStreamResponse{Value: req.GetValue()}); err != nil {
					return err
				}
			}
		},
	}})
	first := &testpb.PingStreamRequest{Value: "1"}
	ours := callWire(t, address, "PingStream", aliceToken, false, first, &testpb.PingStreamRequest{Value: "hidden"})
	theirs := callWire(t, address, "PingStream", aliceToken, false, first, &testpb.PingStreamRequest{Value: "missing"})
	if ours.data == 0 || !bytes.Equal(ours.raw, theirs.raw) {
		t.Errorf("\nours    %v\ntheirs  %v", ours, theirs)
	}
}

// A choice of a compressor that is held is a choice all the same: it holds for the
// answer, and is refused when gRPC would refuse it.
func TestHeldCompressorHoldsForTheAnswer(t *testing.T) {
	hidden := &authzv1.Rule{Policy: check("document:{value}").GetPolicy(), OnDeny: authzv1.OnDeny_ON_DENY_NOT_FOUND}
	set := byValue()
	set["Ping"], set["PingStream"] = hidden, hidden
	choose := func(ctx context.Context) error {
		if err := interceptor.SetSendCompressor(ctx, "no-such-compressor"); err == nil {
			return status.Error(codes.Aborted, "a compressor that isn't registered is taken")
		}
		if err := interceptor.SetSendCompressor(ctx, "gzip"); err != nil {
			return err
		}
		if err := grpc.SendHeader(ctx, metadata.Pairs("said", "by the handler")); err != nil {
			return err
		}
		if err := interceptor.SetSendCompressor(ctx, "identity"); err == nil {
			return status.Error(codes.Aborted, "a compressor is taken after the header")
		}

		return nil
	}
	address := serveWire(t, newWorld(t), setupConfig{rules: set, impl: &scripted{
		unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
			return &testpb.PingResponse{Value: "1"}, choose(ctx)
		},
		bidi: func(stream testpb.TestService_PingStreamServer) error {
			if _, err := stream.Recv(); err != nil {
				return err
			}
			if err := choose(stream.Context()); err != nil {
				return err
			}

			return stream.Send(&testpb.PingStreamResponse{Value: "1"})
		},
	}})
	for method, message := range map[string]proto.Message{
		"Ping": &testpb.PingRequest{Value: "1"}, "PingStream": &testpb.PingStreamRequest{Value: "1"},
	} {
		got := callWire(t, address, method, aliceToken, true, message)
		for _, want := range []hpack.HeaderField{
			{Name: "grpc-encoding", Value: "gzip"}, {Name: "said", Value: "by the handler"}, {Name: "grpc-status", Value: "0"},
		} {
			if !slices.Contains(got.fields, want) {
				t.Errorf("%s: no %v in %v", method, want, got)
			}
		}
	}
}
