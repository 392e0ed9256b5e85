package wellknown_test

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/wellknown"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPlaces(t *testing.T) {
	for issuer, want := range map[string][]string{
		"https://auth.test":          {"https://auth.test/.well-known/openid-configuration", "https://auth.test/.well-known/oauth-authorization-server"},
		"https://auth.test/":         {"https://auth.test/.well-known/openid-configuration", "https://auth.test/.well-known/oauth-authorization-server"},
		"https://auth.test:1/t/a":    {"https://auth.test:1/t/a/.well-known/openid-configuration", "https://auth.test:1/.well-known/oauth-authorization-server/t/a"},
		"https://auth.test/t/a/":     {"https://auth.test/t/a/.well-known/openid-configuration", "https://auth.test/.well-known/oauth-authorization-server/t/a"},
		"https://auth.test/a%2Fb":    {"https://auth.test/a%2Fb/.well-known/openid-configuration", "https://auth.test/.well-known/oauth-authorization-server/a%2Fb"},
		"https://auth.test/%zz":      {"https://auth.test/%zz/.well-known/openid-configuration"},
		"http://127.0.0.1:9/tenants": {"http://127.0.0.1:9/tenants/.well-known/openid-configuration", "http://127.0.0.1:9/.well-known/oauth-authorization-server/tenants"},
	} {
		if got := wellknown.Places(issuer); !slices.Equal(got, want) {
			t.Errorf("%q: %q", issuer, got)
		}
	}
}
