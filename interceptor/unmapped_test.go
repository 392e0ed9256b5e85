package interceptor_test

import (
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
)

// SUBJECT_UNMAPPED has one text for the caller, which is true of a kind without a
// template, of a token whose kind is unclear, and of an issuer that isn't configured.
func TestSubjectUnmappedSaysWhatIsTrueOfEachCause(t *testing.T) {
	w := newWorld(t)
	w.setToken("service", principal(t, "app", time.Hour))
	w.setToken("foreign", principal(t, "alice", time.Hour, map[string]any{"iss": "https://other.example"}))
	s := start(t, w, setupConfig{rules: byValue(), config: func(c *parts) {
		c.authz.Issuers, c.authz.Subjects = authz.Issuers{issuer}, authz.Subjects{User: "user:{$sub}"}
	}})
	for _, token := range []string{"service", "foreign"} {
		_, err := s.Ping(as(t, token), &testpb.PingRequest{Value: "1"})
		const want = "the access token stands for no subject here"
		if got := status.Convert(err); got.Code() != codes.PermissionDenied || got.Message() != want {
			t.Errorf("%s: got %v, want %q", token, err, want)
		}
	}
}
