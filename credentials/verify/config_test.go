package verify

import (
	"strings"
	"testing"
	"time"
)

func TestJWTConfig(t *testing.T) {
	good := JWTConfig{Issuer: testIssuer, Audiences: []string{testAudience}}
	for name, c := range map[string]struct {
		change func(*JWTConfig)
		want   string
	}{
		"no issuer":                   {func(c *JWTConfig) { c.Issuer = "" }, "Issuer"},
		"issuer no URL":               {func(c *JWTConfig) { c.Issuer = "me" }, "Issuer"},
		"issuer on plain http":        {func(c *JWTConfig) { c.Issuer = "http://issuer.test" }, "https"},
		"issuer with a query":         {func(c *JWTConfig) { c.Issuer = testIssuer + "?a=b" }, "query"},
		"keys on plain http":          {func(c *JWTConfig) { c.JWKSURL = "http://issuer.test/jwks" }, "JWKSURL"},
		"keys in a file":              {func(c *JWTConfig) { c.JWKSURL = "file:///keys" }, "JWKSURL"},
		"metadata on plain http":      {func(c *JWTConfig) { c.MetadataURL = "http://issuer.test/" }, "MetadataURL"},
		"user information":            {func(c *JWTConfig) { c.JWKSURL = "https://a:b@issuer.test/jwks" }, "user information"},
		"both URLs":                   {func(c *JWTConfig) { c.JWKSURL, c.MetadataURL = testIssuer, testIssuer }, "set one"},
		"refresh too often":           {func(c *JWTConfig) { c.RefreshInterval = time.Second }, "RefreshInterval"},
		"stale before refresh":        {func(c *JWTConfig) { c.MaxStale = time.Minute }, "MaxStale"},
		"unknown keys too often":      {func(c *JWTConfig) { c.UnknownKeyInterval = time.Millisecond }, "UnknownKeyInterval"},
		"negative timeout":            {func(c *JWTConfig) { c.FetchTimeout = -1 }, "FetchTimeout"},
		"negative size":               {func(c *JWTConfig) { c.MaxTokenBytes = -1 }, "MaxTokenBytes"},
		"all that is wrong, together": {func(c *JWTConfig) { c.Issuer, c.Audiences, c.Leeway = "", nil, time.Hour }, "Audiences"},
	} {
		cfg := good
		c.change(&cfg)
		v, err := NewJWT(cfg)
		if err == nil {
			v.Close()
			t.Errorf("%s: accepted", name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*JWTConfig){
		"as it is":                    func(*JWTConfig) {},
		"http on loopback":            func(c *JWTConfig) { c.JWKSURL = "http://127.0.0.1:1/jwks" },
		"http on IPv6 loopback":       func(c *JWTConfig) { c.JWKSURL = "http://[::1]:1/jwks" },
		"an issuer that is no URL":    func(c *JWTConfig) { c.Issuer, c.JWKSURL = "accounts.example", "https://issuer.test/jwks" },
		"refreshed once in two days":  func(c *JWTConfig) { c.RefreshInterval = 48 * time.Hour },
		"a verifier without a memory": func(c *JWTConfig) { c.CacheSize = -1 },
	} {
		cfg := good
		change(&cfg)
		v, err := NewJWT(cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v.Close()
	}
}

func TestErrorTextIsConstant(t *testing.T) {
	seen := map[string]outcome{}
	for _, reason := range []outcome{tokenInvalid, tokenExpired, unavailableNow, misconfiguredHere, {}} {
		text := (&Error{Kind: reason.kind, Expired: reason.expired, Err: fault("a cause")}).Error()
		if strings.Contains(text, "cause") || !strings.HasPrefix(text, "verify: ") {
			t.Errorf("%v: %q", reason, text)
		}
		if other, ok := seen[text]; ok {
			t.Errorf("%v and %v read alike", reason, other)
		}
		seen[text] = reason
	}
	for _, text := range []string{
		CredentialFault.String(), DependencyFault.String(), ConfigurationFault.String(), ErrorKind(0).String(), ValidationDefault.String(),
		ValidationLocal.String(), ValidationIntrospect.String(), Validation(9).String(), SourceLocal.String(), SourceCache.String(), SourceIntrospection.String(), Source(0).String(),
	} {
		if text == "" {
			t.Error("a name is empty")
		}
	}
}
