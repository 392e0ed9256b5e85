package interceptor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
)

// Section A of the conformance list: the bearer credential in the metadata.
func TestCredential(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("a", interceptor.DefaultMaxTokenBytes)
	w.setToken(long, principal(t, "alice", time.Hour))
	w.setToken("padded==", principal(t, "alice", time.Hour))
	s := start(t, w, setupConfig{rules: byValue()})

	tests := []struct {
		name      string
		values    []string
		code      codes.Code
		reason    authz.Reason
		challenge string
	}{
		{"row 1: no authorization is unauthenticated, challenged without an error code", nil, codes.Unauthenticated, authz.ReasonTokenMissing, `Bearer`},
		{"row 2: two values are refused, the good one first", []string{"Bearer " + aliceToken, "Bearer " + bobToken}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 2: the same value twice is refused", []string{"Bearer " + aliceToken, "Bearer " + aliceToken}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 2: two credentials in one value are refused", []string{"Bearer " + aliceToken + ", Bearer " + aliceToken}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: Bearer alone", []string{"Bearer"}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: Bearer and an empty token", []string{"Bearer "}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: an empty value", []string{""}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: two spaces", []string{"Bearer  " + aliceToken}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: Bearer a b", []string{"Bearer a b"}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: a trailing space", []string{"Bearer " + aliceToken + " "}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: another scheme", []string{"Basic " + aliceToken}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: a scheme that only starts so", []string{"BearerToken " + aliceToken}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: no scheme", []string{aliceToken}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 3: the scheme in lower case passes", []string{"bearer " + aliceToken}, codes.OK, "", ""},
		{"row 3: the scheme in upper case passes", []string{"BEARER " + aliceToken}, codes.OK, "", ""},
		{"row 4: a token of exactly the cap passes", []string{"Bearer " + long}, codes.OK, "", ""},
		{"row 4: a token above the cap is refused", []string{"Bearer " + long + "a"}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 5: a character outside b64token is refused", []string{"Bearer alice!token"}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 5: padding in the middle is refused", []string{"Bearer alice=token"}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 5: nothing but padding is refused", []string{"Bearer =="}, codes.Unauthenticated, authz.ReasonTokenInvalid, `Bearer error="invalid_token"`},
		{"row 5: padding at the end passes", []string{"Bearer padded=="}, codes.OK, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, asked := w.counts()
			var trailer metadata.MD
			_, err := s.Ping(withAuthorization(anonymous(t), test.values...), &testpb.PingRequest{Value: "1"}, grpc.Trailer(&trailer))
			wantStatus(t, err, test.code, test.reason)
			if got := strings.Join(trailer.Get("www-authenticate"), "|"); got != test.challenge {
				t.Errorf("challenge %q, want %q", got, test.challenge)
			}
			verified, askedNow := w.counts()
			if test.code == codes.Unauthenticated && (verified != before || askedNow != asked) {
				t.Error("a malformed credential reached the verifier or the engine")
			}
			stream, err := s.PingStream(withAuthorization(anonymous(t), test.values...))
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
			_ = stream.CloseSend()
			_, err = stream.Recv()
			wantStatus(t, err, test.code, test.reason)
			if got := strings.Join(stream.Trailer().Get("www-authenticate"), "|"); test.code != codes.OK && got != test.challenge {
				t.Errorf("stream: challenge %q, want %q", got, test.challenge)
			}
		})
	}
}

// A well-behaved client can't send these; a hand-written one can.
func TestCharactersThatClientsRefuseToSend(t *testing.T) {
	w := newWorld(t)
	auth := newInterceptor(t, w, setupConfig{rules: byValue()})
	for _, value := range []string{
		"Bearer\t" + aliceToken, "Bearer \t" + aliceToken, "Bearer " + aliceToken + "\n", "Bearer " + aliceToken + "\r\n",
		"Bearer alice\x00token", "Bearer alicé-token", "Bearer \xff\xfe", "Bearer " + aliceToken + "\x7f", "Bear\u212Ar x", "\u0000", " Bearer " + aliceToken,
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{"authorization": {value}})
		_, err := auth.Unary(ctx, &testpb.PingRequest{Value: "1"}, &grpc.UnaryServerInfo{FullMethod: "/" + service + "Ping"},
			func(context.Context, any) (any, error) {
				t.Errorf("%q reached the handler", value)

				return nil, nil
			})
		wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenInvalid)
	}
	if verified, _ := w.counts(); verified != 0 {
		t.Errorf("%d values reached the verifier", verified)
	}
}
