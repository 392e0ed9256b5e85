package e2e

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/credentials/verify"
)

// positiveTTL is how long an active token is believed in these tests.
const positiveTTL = 500 * time.Millisecond

// TestRevokedTokenIsRefused revokes a token at the authorization server: where
// it is introspected, it is of no use once the answer has been forgotten, for new
// calls and for a stream that is open. By signature alone it stays good until it
// expires.
func TestRevokedTokenIsRefused(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		t.Run(form(opaque), func(t *testing.T) {
			s := newSystem(t, 5*time.Minute, &client{id: "editor", method: "client_secret_basic", opaque: opaque})
			s.allow("editor")
			cfg := s.introspectionConfig()
			cfg.PositiveTTL, cfg.NegativeTTL = positiveTTL, positiveTTL
			introspection := must(verify.NewIntrospection(cfg))(t)
			s.own(introspection)
			docs := s.dialWith(s.guard(introspection, guardOptions{}), s.token("editor"))
			expect(t, kinds["unary"](s.ctx, docs.client), granted)

			stream := must(docs.client.WatchDocument(s.ctx, &docsv1.WatchDocumentRequest{DocumentId: "onboarding"}))(t)
			must(stream.Recv())(t)
			if err := s.issuer.Revoke(s.ctx, docs.token); err != nil {
				t.Fatal(err)
			}
			for reason(kinds["unary"](s.ctx, docs.client)) == granted {
				if s.ctx.Err() != nil {
					t.Fatal("granted for ever")
				}
			}
			expect(t, kinds["unary"](s.ctx, docs.client), invalid)
			// The method rechecks every five seconds.
			if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
				t.Errorf("the open stream: %v", err)
			}

			if !opaque {
				local := s.dialWith(s.guard(s.newJWT(), guardOptions{}), docs.token)
				expect(t, kinds["unary"](s.ctx, local.client), granted)
			}
		})
	}
}

// TestRelationTakenAwayEndsAStream removes a relation while a stream is open.
func TestRelationTakenAwayEndsAStream(t *testing.T) {
	s := newSystem(t, 5*time.Minute, &client{id: "editor", method: "client_secret_basic"})
	s.allow("editor")
	docs := s.dial("editor", s.guard(s.newJWT(), guardOptions{}))
	stream := must(docs.WatchDocument(s.ctx, &docsv1.WatchDocumentRequest{DocumentId: "onboarding"}))(t)
	must(stream.Recv())(t)
	s.disallow("editor")
	start := time.Now()
	_, err := stream.Recv()
	expect(t, err, denied)
	if took := time.Since(start); took > 20*time.Second { // the interval is 5 s
		t.Errorf("it took %s", took)
	}
}

// TestStreamEndsWithItsToken lets a token expire while a stream is open.
func TestStreamEndsWithItsToken(t *testing.T) {
	s := newSystem(t, 2*time.Second, &client{id: "editor", method: "client_secret_basic"})
	s.allow("editor")
	cfg := s.jwtConfig()
	cfg.Leeway = verify.NoLeeway
	verifier := must(verify.NewJWT(cfg))(t)
	s.own(verifier)
	docs := s.dialWith(s.guard(verifier, guardOptions{}), s.token("editor"))
	stream := must(docs.client.WatchDocument(s.ctx, &docsv1.WatchDocumentRequest{DocumentId: "onboarding"}))(t)
	must(stream.Recv())(t)
	_, err := stream.Recv()
	expect(t, err, "Unauthenticated TOKEN_EXPIRED")
	expect(t, kinds["unary"](s.ctx, docs.client), "Unauthenticated TOKEN_EXPIRED")
}

// holder is who has one token and can't get another.
type holder struct {
	token  string
	client docsv1.DocumentServiceClient
}

func (s *system) dialWith(target, token string) holder {
	s.t.Helper()
	return holder{token, s.connect(target, s.transport(nil), grpc.WithPerRPCCredentials(fixed(token)))}
}

func (s *system) token(id string) string {
	s.t.Helper()
	return must(s.credentials(id).Token(s.ctx))(s.t).AccessToken
}
