package interceptor_test

import (
	"context"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
)

// foreignChallenges are values that a client may read as a Bearer challenge.
var foreignChallenges = map[string]string{
	"as usher writes it":       `Bearer error="invalid_token"`,
	"an escaped character":     `Bearer error="invalid\_token"`,
	"every character escaped":  `Bearer error="\i\n\v\a\l\i\d\_\t\o\k\e\n"`,
	"a token, not a string":    `Bearer error=invalid_token`,
	"lower case":               `bearer error="invalid_token"`,
	"upper case":               `BEARER ERROR="invalid_token"`,
	"space before the value":   `Bearer error = "invalid_token"`,
	"a realm first":            `Bearer realm="x", error="invalid\_token"`,
	"second in a list":         `Basic realm="x", Bearer error="invalid\_token"`,
	"after an empty member":    `, ,Bearer error="invalid\_token"`,
	"after a token68":          `Negotiate YWJj==, Bearer error="invalid\_token"`,
	"after a tab":              "Basic\tx=y,\tBearer\terror=\"invalid\\_token\"",
	"a step-up":                `Bearer error="insufficient_user_authentication", acr_values="gold"`,
	"a scope":                  `Bearer error="insufficient_scope"`,
	"no error":                 `Bearer`,
	"an unfinished string":     `Basic realm="x, Bearer error="invalid\_token"`,
	"Bearer within another":    `Basic realm="Bearer error=\"invalid_token\""`,
	"another scheme's prefix":  `BearerX error="invalid_token"`,
	"after 9 KiB of parameter": `Basic realm="` + strings.Repeat("x", 9<<10) + `", Bearer error="invalid\_token"`,
}

// Row 52, at the server: a client replaces its token, and calls again, only for a
// challenge of the server's own. What a handler passes on from a service behind it
// is dropped however it is written: in header and trailer, of unary calls and of
// streams, of public methods too.
func TestForeignBearerChallengesAreDropped(t *testing.T) {
	said := func(value string) metadata.MD {
		return metadata.MD{"www-authenticate": {value, `Basic realm="kept"`}, "other": {"kept"}}
	}
	refused := status.Error(codes.Unauthenticated, "the service behind says so")
	set := byValue()
	set["PingClientStream"], set["PingEmpty"] = public(), public()
	set["PingError"] = handlerDecides()
	for name, value := range foreignChallenges {
		t.Run("row 52 "+name, func(t *testing.T) {
			speak := func(ctx context.Context) {
				_ = grpc.SetHeader(ctx, said(value))
				_ = grpc.SetTrailer(ctx, said(value))
			}
			streamed := func(stream grpc.ServerStream) {
				_ = stream.SetHeader(said(value))
				stream.SetTrailer(said(value))
				speak(stream.Context())
				_ = stream.SendHeader(said(value))
			}
			s := start(t, newWorld(t), setupConfig{rules: set, impl: &scripted{
				unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
					speak(ctx)
					_ = grpc.SendHeader(ctx, said(value))

					return nil, refused
				},
				empty: func(ctx context.Context) error {
					speak(ctx)

					return refused
				},
				bidi: func(stream testpb.TestService_PingStreamServer) error {
					stream.SetTrailer(said(value))
					if _, err := stream.Recv(); err != nil {
						return err
					}
					streamed(stream)

					return refused
				},
				client: func(stream testpb.TestService_PingClientStreamServer) error {
					streamed(stream)

					return refused
				},
			}})
			check := func(kind string, md ...metadata.MD) {
				t.Helper()
				others := 0
				for _, md := range md {
					for _, got := range md.Get("www-authenticate") {
						if got != `Basic realm="kept"` {
							t.Errorf("%s: %q reached the caller", kind, got)
						}
					}
					others += len(md.Get("other"))
				}
				if others == 0 {
					t.Errorf("%s: nothing of the handler's arrived, so this shows nothing", kind)
				}
			}
			var header, trailer metadata.MD
			_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}, grpc.Header(&header), grpc.Trailer(&trailer))
			wantStatus(t, err, codes.Unauthenticated, "")
			check("unary", header, trailer)
			_, err = s.PingEmpty(anonymous(t), &testpb.PingEmptyRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
			wantStatus(t, err, codes.Unauthenticated, "")
			check("public unary", header, trailer)
			stream, err := s.PingStream(as(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
			_, err = stream.Recv()
			wantStatus(t, err, codes.Unauthenticated, "")
			header, _ = stream.Header()
			check("stream", header, stream.Trailer())
			up, err := s.PingClientStream(anonymous(t))
			if err != nil {
				t.Fatal(err)
			}
			_, err = up.CloseAndRecv()
			wantStatus(t, err, codes.Unauthenticated, "")
			header, _ = up.Header()
			check("public stream", header, up.Trailer())
		})
	}
}

// A handler may keep what ended one call and return it from another, as a hub of
// streams does. The second caller's token is not to blame.
func TestAnotherCallsRefusalBringsNoChallenge(t *testing.T) {
	w := newWorld(t)
	_, kept := newInterceptor(t, w, setupConfig{rules: byValue()}).Unary(t.Context(), &testpb.PingRequest{Value: "1"},
		&grpc.UnaryServerInfo{FullMethod: "/" + service + "Ping"}, nil)
	wantStatus(t, kept, codes.Unauthenticated, authz.ReasonTokenMissing)
	s := start(t, w, setupConfig{rules: byValue(), impl: &scripted{
		unary: func(context.Context, *testpb.PingRequest) (*testpb.PingResponse, error) { return nil, kept },
		bidi: func(stream testpb.TestService_PingStreamServer) error {
			if _, err := stream.Recv(); err != nil {
				return err
			}

			return kept
		},
	}})
	var trailer metadata.MD
	_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.Unauthenticated || len(trailer.Get("www-authenticate")) != 0 {
		t.Errorf("unary: %v, trailer %v", err, trailer)
	}
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
	if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated || len(stream.Trailer().Get("www-authenticate")) != 0 {
		t.Errorf("stream: %v, trailer %v", err, stream.Trailer())
	}
}
