package verify

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// claimCase is a change to good claims, as JSON text, that must be refused.
type claimCase struct {
	name   string
	change object
	drop   []string
	want   *Error
}

func runClaimCases(t *testing.T, cases []claimCase) {
	t.Helper()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	refused := make([]refusedCase, 0, len(cases))
	for _, c := range cases {
		refused = append(refused, refusedCase{c.name, key.token(goodClaims().without(c.drop...).with(c.change)), c.want})
	}
	v := newJWT(t, srv.config())
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			_, err := v.Verify(testContext(t), c.token, Requirements{})
			if asCause(err) != c.want {
				t.Fatalf("got %v, want %v", err, c.want.Err)
			}
			if n := srv.total(); n != 0 {
				t.Fatalf("%d fetches", n)
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	raw := func(s string) object { return object{"exp": json.RawMessage(s)} }
	runClaimCases(t, []claimCase{
		{"row 16: missing", nil, []string{"exp"}, errClaimsNoExp},
		{"row 16: null", raw("null"), nil, errClaimsType},
		{"row 16: a string", raw(`"9999999999"`), nil, errClaimsType},
		{"row 16: RFC 3339", raw(`"2099-01-01T00:00:00Z"`), nil, errClaimsType},
		{"row 16: negative", raw("-1"), nil, errClaimsType},
		{"row 16: minus zero", raw("-0"), nil, errClaimsType},
		{"row 16: 1e19", raw("1e19"), nil, errClaimsType},
		{"row 16: 1e300", raw("1e300"), nil, errClaimsType},
		{"row 16: 1e400", raw("1e400"), nil, errClaimsType},
		{"row 16: twenty digits", raw("10000000000000000000"), nil, errClaimsType},
		{"row 16: after the year 9999", raw("253402300800"), nil, errClaimsType},
		{"row 16: a boolean", raw("true"), nil, errClaimsType},
		{"row 16: an array", raw("[9999999999]"), nil, errClaimsType},
		{"row 16: an object", raw("{}"), nil, errClaimsType},
		{"row 16: zero", raw("0"), nil, errExpired},
		{"row 16: milliseconds for seconds are beyond any clock", raw("9999999999999"), nil, errClaimsType},
		{"row 16: nbf a string", object{"nbf": "1"}, nil, errClaimsType},
		{"row 16: iat null", object{"iat": nil}, nil, errClaimsType},
		{"row 16: auth_time a string", object{"auth_time": "1"}, nil, errClaimsType},
	})
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	in5 := time.Now().Unix() + 300
	for _, text := range []string{fmt.Sprintf("%d.75", in5), fmt.Sprintf("%d.0", in5), "4.1e9", "4100000000", "253402300799"} {
		p, err := v.Verify(testContext(t), key.token(goodClaims().with(raw(text))), Requirements{})
		if err != nil {
			t.Errorf("row 16: legal NumericDate %s: %v", text, err)
		} else if p.ExpiresAt().Before(time.Now()) {
			t.Errorf("row 16: %s read as %v", text, p.ExpiresAt())
		}
	}
	p, _ := v.Verify(testContext(t), key.token(goodClaims().with(raw(fmt.Sprintf("%d.75", in5)))), Requirements{})
	if got := p.ExpiresAt(); !got.Equal(time.Unix(in5, 750e6)) {
		t.Errorf("row 16: fraction lost: %v", got)
	}
}

func TestTimesAndLeeway(t *testing.T) {
	for _, leeway := range []time.Duration{NoLeeway, time.Second, defaultLeeway, maxLeeway} {
		synctest.Test(t, func(t *testing.T) {
			key := newKey("k1", EdDSA)
			srv := newKeyServer(key)
			cfg := srv.config()
			cfg.Leeway = leeway
			cfg.CacheSize = -1
			v, err := NewJWT(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			seconds := int64(max(leeway, 0) / time.Second)
			now := time.Now().Unix() // a whole second: the bubble's clock stands
			for _, c := range []struct {
				name  string
				claim string
				at    int64
				want  *Error
			}{
				{"exp one second within", "exp", now - seconds + 1, nil},
				{"exp exactly at the leeway", "exp", now - seconds, errExpired},
				{"exp one second beyond", "exp", now - seconds - 1, errExpired},
				{"nbf exactly at the leeway", "nbf", now + seconds, nil},
				{"nbf one second beyond", "nbf", now + seconds + 1, errClaimsNotYet},
				{"iat exactly at the leeway", "iat", now + seconds, nil},
				{"iat one second beyond", "iat", now + seconds + 1, errClaimsNotYet},
			} {
				_, err := v.Verify(t.Context(), key.token(goodClaims().with(object{c.claim: c.at})), Requirements{})
				if got := asCause(err); got != c.want || (c.want == nil && err != nil) {
					t.Errorf("row 17: leeway %v: %s: got %v", leeway, c.name, err)
				}
			}
			if _, err := v.Verify(t.Context(), key.token(goodClaims().with(object{"exp": 0})), Requirements{}); outcomeOf(asCause(err)) != tokenExpired {
				t.Errorf("row 17: %v", err)
			}
		})
	}
	for _, leeway := range []time.Duration{-2, -time.Second, maxLeeway + 1} {
		cfg := newKeyServer().config()
		cfg.Leeway = leeway
		if v, err := NewJWT(cfg); err == nil {
			v.Close()
			t.Errorf("row 17: a leeway of %v can be configured", leeway)
		}
	}
}

func TestExpiryEndsACachedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey("k1", EdDSA)
		srv := newKeyServer(key)
		v, err := NewJWT(srv.config())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		token := key.token(goodClaims().with(object{"exp": time.Now().Unix() + 60}))
		p, err := v.Verify(t.Context(), token, Requirements{})
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Now().Add(90 * time.Second); !p.ValidUntil().Equal(want) {
			t.Fatalf("valid until %v, want %v", p.ValidUntil(), want)
		}
		time.Sleep(90*time.Second - time.Nanosecond*1000)
		if _, err := v.Verify(t.Context(), token, Requirements{}); err != nil {
			t.Fatalf("a microsecond before the end: %v", err)
		}
		time.Sleep(time.Microsecond)
		if _, err := v.Verify(t.Context(), token, Requirements{}); asCause(err) != errExpired {
			t.Fatalf("at the end: %v", err)
		}
	})
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	cases := []claimCase{
		{"row 18: missing", nil, []string{"iss"}, errClaimsIssuer},
		{"row 18: null", object{"iss": nil}, nil, errClaimsType},
		{"row 18: an array", object{"iss": []string{testIssuer}}, nil, errClaimsType},
	}
	for name, iss := range map[string]string{
		"empty": "", "trailing slash": testIssuer + "/", "host in capitals": "https://ISSUER.test", "scheme in capitals": "HTTPS://issuer.test",
		"port": testIssuer + ":443", "user information": "https://x@issuer.test", "fragment": testIssuer + "#", "query": testIssuer + "?",
		"percent encoding": "https://issuer%2etest", "leading space": " " + testIssuer, "trailing space": testIssuer + " ", "http": "http://issuer.test",
		"dot": "https://issuer.test.", "prefix": testIssuer[:len(testIssuer)-1], "longer": testIssuer + ".evil.test", "NUL": testIssuer + "\x00",
		"path": testIssuer + "/.", "homoglyph": "https://іssuer.test",
	} {
		cases = append(cases, claimCase{"row 18: " + name, object{"iss": iss}, nil, errClaimsIssuer})
	}
	runClaimCases(t, cases)
}

func TestAudience(t *testing.T) {
	t.Parallel()
	runClaimCases(t, []claimCase{
		{"row 19: missing", nil, []string{"aud"}, errClaimsAudience},
		{"row 19: empty", object{"aud": ""}, nil, errClaimsAudience},
		{"row 19: null", object{"aud": nil}, nil, errClaimsType},
		{"row 19: an empty array", object{"aud": []string{}}, nil, errClaimsAudience},
		{"row 19: a number", object{"aud": 1}, nil, errClaimsType},
		{"row 19: a number among strings", object{"aud": []any{testAudience, 1}}, nil, errClaimsType},
		{"row 19: null among strings", object{"aud": []any{testAudience, nil}}, nil, errClaimsType},
		{"row 19: nested array", object{"aud": []any{[]string{testAudience}}}, nil, errClaimsType},
		{"row 19: an object", object{"aud": object{testAudience: true}}, nil, errClaimsType},
		{"row 19: another", object{"aud": "https://other.internal"}, nil, errClaimsAudience},
		{"row 19: a superstring", object{"aud": testAudience + ".evil"}, nil, errClaimsAudience},
		{"row 19: a substring", object{"aud": testAudience[:10]}, nil, errClaimsAudience},
		{"row 19: trailing slash", object{"aud": testAudience + "/"}, nil, errClaimsAudience},
		{"row 19: in capitals", object{"aud": strings.ToUpper(testAudience)}, nil, errClaimsAudience},
		{"row 19: several in one string", object{"aud": "x " + testAudience}, nil, errClaimsAudience},
		{"row 19: a wildcard", object{"aud": "*"}, nil, errClaimsAudience},
	})
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	for _, aud := range []any{testAudience, []string{testAudience}, []string{"other", testAudience}, []string{testAudience, testAudience}} {
		if _, err := v.Verify(testContext(t), key.token(goodClaims().with(object{"aud": aud})), Requirements{}); err != nil {
			t.Errorf("row 19: %v: %v", aud, err)
		}
	}
	for _, audiences := range [][]string{nil, {}, {""}, {testAudience, ""}} {
		cfg := srv.config()
		cfg.Audiences = audiences
		if v, err := NewJWT(cfg); err == nil {
			v.Close()
			t.Errorf("row 19: audiences %q can be configured", audiences)
		}
	}
}

func TestClaimsOfTheWrongType(t *testing.T) {
	t.Parallel()
	var cases []claimCase
	for _, name := range []string{"sub", "jti", "client_id", "acr", "token_use", "typ", "token_type"} {
		for kind, value := range map[string]any{"a number": 1, "null": nil, "an array": []string{"x"}, "an object": object{}} {
			cases = append(cases, claimCase{name + " " + kind, object{name: value}, nil, errClaimsType})
		}
	}
	cases = append(cases, claimCase{"amr a string", object{"amr": "pwd"}, nil, errClaimsType}, claimCase{"amr null", object{"amr": nil}, nil, errClaimsType})
	runClaimCases(t, cases)
}

func TestClaimsWithoutOneForm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value any
		want  []string
	}{
		"an array":            {[]string{"a", "b"}, []string{"a", "b"}},
		"a string":            {"a", []string{"a"}},
		"SCIM objects":        {[]object{{"value": "a"}}, nil},
		"an object":           {object{"a": true}, nil},
		"a number in between": {[]any{"a", 1}, nil},
		"null":                {nil, nil},
	} {
		p, err := NewPrincipal(PrincipalConfig{Claims: object{"sub": "x", "roles": c.value, "groups": c.value, "permissions": c.value, "organization": object{"id": "x"}}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, got := range [][]string{p.Roles(), p.Groups(), p.Permissions()} {
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		if id, _ := p.Claim("organization", "id"); p.Organization() != "" || id != "x" {
			t.Errorf("%s: an organization that is no string", name)
		}
	}
}
