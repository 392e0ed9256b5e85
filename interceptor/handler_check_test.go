package interceptor_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
)

// asks are what a handler may ask before it answers, and whether that is the
// granted check that the policy "handler" demands.
var asks = map[string]struct {
	ask     func(context.Context)
	granted bool
	// filtered says that an answer without content may follow.
	filtered bool
}{
	"nothing":              {ask: func(context.Context) {}},
	"a check that denies":  {ask: func(ctx context.Context) { _ = authz.CheckFromContext(ctx, "document:2", "viewer") }},
	"a check of no object": {ask: func(ctx context.Context) { _ = authz.CheckFromContext(ctx, "document:", "viewer") }},
	"a filter over nothing": {ask: func(ctx context.Context) {
		_, _ = authz.FilterFromContext(ctx, nil, "viewer")
		_, _ = authz.FilterFromContext(ctx, []string{}, "viewer")
	}},
	"a filter that leaves nothing": {ask: func(ctx context.Context) {
		_, _ = authz.FilterFromContext(ctx, []string{"document:2", "document:3"}, "viewer")
	}, filtered: true},
	"a check that grants": {ask: func(ctx context.Context) { _ = authz.CheckFromContext(ctx, "document:1", "viewer") }, granted: true},
	"a filter that leaves one": {ask: func(ctx context.Context) {
		_, _ = authz.FilterFromContext(ctx, []string{"document:2", "document:1"}, "viewer")
	}, granted: true},
	"the word that it is empty": {ask: func(ctx context.Context) { _ = authz.EmptyFromContext(ctx) }, granted: true},
	"a denial after a grant": {ask: func(ctx context.Context) {
		_ = authz.CheckFromContext(ctx, "document:1", "viewer")
		_ = authz.CheckFromContext(ctx, "document:2", "viewer")
	}, granted: true},
}

// Row 63, under the policy "handler": neither message nor header nor trailer before
// a granted check, whatever the handler asked instead, on calls of every kind; its
// own error is its own, alone. A page without an entry may follow a filter.
func TestUnderHandlerNothingBeforeAGrantedCheck(t *testing.T) {
	own := status.Error(codes.FailedPrecondition, "its own")
	for name, test := range asks {
		for answer, want := range map[string]struct {
			err   error
			value string
			code  codes.Code
		}{
			"content":   {nil, "secret", codes.OK},
			"no entry":  {nil, "", codes.OK},
			"an error":  {own, "", codes.FailedPrecondition},
			"odd error": {okError{}, "", codes.OK},
		} {
			t.Run("row 63 "+name+", then "+answer, func(t *testing.T) {
				set := byValue()
				for _, method := range []string{"Ping", "PingList", "PingStream", "PingClientStream"} {
					set[method] = handlerDecides()
				}
				speak := func(ctx context.Context, stream grpc.ServerStream) {
					said := metadata.Pairs("said", "by the handler")
					if stream != nil {
						_ = stream.SetHeader(said)
						stream.SetTrailer(said)
					}
					_ = grpc.SetHeader(ctx, said)
					_ = grpc.SetTrailer(ctx, said)
					_ = grpc.SendHeader(ctx, said)
				}
				streamed := func(stream grpc.ServerStream, response any) error {
					speak(stream.Context(), stream)
					test.ask(stream.Context())
					if want.value != "" {
						if err := stream.SendMsg(response); err != nil {
							return err
						}
					}

					return want.err
				}
				s := start(t, newWorld(t), setupConfig{rules: set, impl: &scripted{
					unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
						speak(ctx, nil)
						test.ask(ctx)

						return &testpb.PingResponse{Value: want.value}, want.err
					},
					list: func(_ *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
						return streamed(stream, &testpb.PingListResponse{Value: want.value})
					},
					bidi: func(stream testpb.TestService_PingStreamServer) error {
						return streamed(stream, &testpb.PingStreamResponse{Value: want.value})
					},
					client: func(stream testpb.TestService_PingClientStreamServer) error {
						return streamed(stream, &testpb.PingClientStreamResponse{Counter: 7})
					},
				}})
				code := want.code
				if code == codes.OK && !test.granted && (answer == "content" || !test.filtered) {
					code = codes.Internal
				}
				check := func(kind string, err error, header, trailer metadata.MD) {
					t.Helper()
					if errors.Is(err, io.EOF) {
						err = nil
					}
					if kind == "unary" && answer == "odd error" && code == codes.OK || kind == "client" && answer != "content" && code == codes.OK {
						// There is no message, which a client takes amiss.
						code := status.Code(err)
						if code != codes.OK && code != codes.Internal {
							t.Errorf("%s: %v", kind, err)
						}
					} else if status.Code(err) != code {
						t.Errorf("%s: %v, want %v", kind, err, code)
					}
					heard := len(header.Get("said")) + len(trailer.Get("said"))
					if test.granted && heard == 0 || !test.granted && heard != 0 {
						t.Errorf("%s: header %v, trailer %v", kind, header, trailer)
					}
				}
				var header, trailer metadata.MD
				_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
				check("unary", err, header, trailer)
				list, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{})
				if err != nil {
					t.Fatal(err)
				}
				_, err = list.Recv()
				for err == nil {
					_, err = list.Recv()
				}
				header, _ = list.Header()
				check("list", err, header, list.Trailer())
				both, err := s.PingStream(as(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				_, err = both.Recv()
				for err == nil {
					_, err = both.Recv()
				}
				header, _ = both.Header()
				check("bidi", err, header, both.Trailer())
				up, err := s.PingClientStream(as(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				_, err = up.CloseAndRecv()
				header, _ = up.Header()
				check("client", err, header, up.Trailer())
			})
		}
	}
}

// okError is an error whose status is OK.
type okError struct{}

func (okError) Error() string              { return "ok" }
func (okError) GRPCStatus() *status.Status { return status.New(codes.OK, "") }

// What the operator reads of a handler that made no check says what to write.
func TestUncheckedAnswerSaysWhatToWrite(t *testing.T) {
	w := newWorld(t)
	set := byValue()
	set["Ping"] = handlerDecides()
	s := start(t, w, setupConfig{rules: set})
	_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"})
	wantStatus(t, err, codes.Internal, authz.ReasonMisconfigured)
	events := w.decided()
	if last := events[len(events)-1]; last.Err == nil || !strings.Contains(last.Err.Error(), "authz.EmptyFromContext") || last.Occasion != interceptor.OccasionEnd {
		t.Errorf("told of %+v", last)
	}
}
