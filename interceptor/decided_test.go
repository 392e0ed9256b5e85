package interceptor_test

import (
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// A refusal's event says from which address it came, and of a refused token what
// it said of itself. A grant's has the principal instead.
func TestRefusalsTellWhereTheyCameFrom(t *testing.T) {
	said := &verify.Unverified{Issuer: "https://other.example", Subject: "mallory"}
	for name, test := range map[string]struct {
		token string
		fault error
		want  *verify.Unverified
	}{
		"a refused token": {"any", &verify.Error{
			Kind: verify.CredentialFault, Unverified: said,
		}, said},
		"a token that can't be judged": {"any", &verify.Error{
			Kind: verify.DependencyFault, Unverified: said,
		}, said},
		"a token of which nothing was read": {"any", nil, nil},
		"a denial":                          {bobToken, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.failVerifier(test.fault)
			s := start(t, w, setupConfig{rules: byValue()})
			_, unary := s.Ping(as(t, test.token), &testpb.PingRequest{Value: "1"})
			stream, err := s.PingStream(as(t, test.token))
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
			if _, err := stream.Recv(); err == nil || unary == nil {
				t.Fatal("granted")
			}
			events := w.decided()
			if len(events) != 2 {
				t.Fatalf("%d events: %v", len(events), events)
			}
			for _, event := range events {
				if !event.Peer.IsValid() || !event.Peer.Addr().IsLoopback() || event.Unverified != test.want {
					t.Errorf("told of %v, %v", event.Peer, event.Unverified)
				}
			}
		})
	}
	t.Run("a grant", func(t *testing.T) {
		w := newWorld(t)
		s := start(t, w, setupConfig{rules: byValue()})
		if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		if events := w.decided(); len(events) != 1 || events[0].Unverified != nil || events[0].Code != codes.OK || events[0].Reason != authz.Reason("") {
			t.Errorf("told of %+v", events)
		}
	})
}
