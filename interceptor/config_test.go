package interceptor_test

import (
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
)

// What the configuration says of refusals is what callers see, and what it leaves
// out is the default.
func TestConfigOfRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		config            func(*parts)
		token             string // beyond alice's
		domain, challenge string
		code              codes.Code
		reason            authz.Reason
	}{
		"the defaults": {
			nil, "-unknown", interceptor.DefaultErrorDomain, `Bearer error="invalid_token"`, codes.Unauthenticated, authz.ReasonTokenInvalid,
		},
		"a domain and a realm, and a token above the limit": {func(c *parts) {
			c.ErrorDomain, c.Realm, c.MaxTokenBytes = "docs.example", `a "b"`, len(aliceToken)-1
		}, "", "docs.example", `Bearer realm="a \"b\"", error="invalid_token"`, codes.Unauthenticated, authz.ReasonTokenInvalid},
		"a token of just the limit": {func(c *parts) { c.MaxTokenBytes = len(aliceToken) }, "", "", "", codes.OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newWorld(t), setupConfig{rules: byValue(), config: test.config})
			var trailer metadata.MD
			_, err := s.Ping(as(t, aliceToken+test.token), &testpb.PingRequest{Value: "1"}, grpc.Trailer(&trailer))
			st := wantStatus(t, err, test.code, test.reason)
			if test.code == codes.OK {
				return
			}
			if got := detail[*errdetails.ErrorInfo](st).GetDomain(); got != test.domain {
				t.Errorf("domain %q, want %q", got, test.domain)
			}
			if got := trailer.Get("www-authenticate"); len(got) != 1 || got[0] != test.challenge {
				t.Errorf("challenge %q, want %q", got, test.challenge)
			}
		})
	}
}
