package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// A constructor's error names every fault at once, each with its setting.
func TestFaultsComeAtOnceAndNameTheirSetting(t *testing.T) {
	a := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	b := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, URL: "https://b.test"})
	var none *JWT
	for name, c := range map[string]struct {
		build func() error
		want  []string
	}{
		"JWT": {func() error {
			_, err := NewJWT(JWTConfig{
				JWKSURL: "keys", Issuer: "a b", Leeway: time.Hour, MaxStale: time.Minute, RefreshInterval: time.Second,
				UnknownKeyInterval: 1, FetchTimeout: -1, MaxTokenBytes: -1, Profile: Profile{TokenIssuer: "a\nb"},
			})
			return err
		}, []string{
			"Issuer: an issuer must not have white space", "Audiences", "Leeway", "RefreshInterval: at least 1m0s", "UnknownKeyInterval",
			"FetchTimeout", "MaxTokenBytes", "JWKSURL: not an absolute URL, such as https://host/path", "TokenIssuer: an issuer must not",
		}},
		"JWT, stale before refresh": {func() error {
			_, err := NewJWT(JWTConfig{MaxStale: time.Minute})
			return err
		}, []string{"Issuer is required", "MaxStale: at least RefreshInterval, which is 15m0s"}},
		"Introspection": {func() error {
			_, err := NewIntrospection(IntrospectionConfig{MaxConcurrent: -1, Timeout: -1, PositiveTTL: -1, NegativeTTL: 2 * time.Hour})
			return err
		}, []string{
			"URL: the URL is empty", "Issuer is required", "Audiences", "MaxConcurrent: negative", "Timeout: negative", "PositiveTTL: from 0 to 1h0m0s",
			"NegativeTTL: from 0 to 1h0m0s", "Auth: no client authentication was chosen: use a method of credentials/clientauth: SecretBasic,",
			"Auth: the client id is empty: set ClientID",
		}},
		"Introspection, odd issuer": {func() error {
			_, err := NewIntrospection(IntrospectionConfig{Issuer: "a b"})
			return err
		}, []string{"Issuer: an issuer must not have white space"}},
		"Hybrid": {func() error {
			_, err := NewHybrid(HybridConfig{})
			return err
		}, []string{"HybridConfig.JWT and HybridConfig.Introspection"}},
		"Hybrid of two": {func() error {
			_, err := NewHybrid(HybridConfig{
				JWT:           verifierOf(t, a, func(c *JWTConfig) { c.IssuerName = "x" }),
				Introspection: introspectionOf(t, b, func(c *IntrospectionConfig) { c.Profile.Name = "other" }),
			})
			return err
		}, []string{`"https://b.test"`, `IssuerNames are "x" and`, "same Profile"}},
		"MultiIssuer": {func() error {
			_, err := NewMultiIssuer(none, verifierOf(t, a), nil, verifierOf(t, a))
			return err
		}, []string{"verifier 0 is nil", "verifier 2 is nil", "verifier 3: an earlier one has its Issuer", "verifier 3: an earlier one has its IssuerName"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.build()
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("nothing of %q in %v", want, err)
				}
			}
		})
	}
}
