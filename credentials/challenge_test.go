package credentials

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/retryafter"
)

func TestHasInvalidToken(t *testing.T) {
	for value, want := range map[string]bool{
		`Bearer error="invalid_token"`:                                      true,
		`bearer ERROR="invalid_token"`:                                      true,
		`Bearer error=invalid_token`:                                        true,
		`Bearer realm="a", error="invalid_token", error_description="gone"`: true,
		`Bearer realm="a, b=\"c\"" , error = "invalid_token"`:               true,
		`Basic realm="a", Bearer error="invalid_token"`:                     true,
		`Negotiate YWJj==, Bearer error="invalid_token"`:                    true,
		`DPoP error="x", Bearer realm="r", error="invalid_token"`:           true,
		`Bearer realm="a\"b", error="invalid_token"`:                        true,
		`Bearer error="invalid\_token"`:                                     false, // RFC 6750 §3: no backslash in an error
		`Bearer error="\invalid_token"`:                                     false,
		`Bearer error="invalid_token\"`:                                     false,
		`Bearer error="invalid_token", error="insufficient_scope"`:          false, // RFC 6750 §3: not more than once
		`Bearer error="a", error="invalid_token", Basic realm="b"`:          false,
		`Bearer error="insufficient_scope", error="invalid_token"`:          false,
		`Bearer error="invalid_token", Basic error="a"`:                     true,
		`Bearer error="invalid_token", error="`:                             false,
		`Bearer error="invalid_token", Bearer error="insufficient_scope"`:   true,
		``:                                  false,
		`Bearer`:                            false,
		`Bearer realm="a"`:                  false,
		`Bearer error="insufficient_scope"`: false,
		`Bearer error="INVALID_TOKEN"`:      false, // codes are case-sensitive
		`DPoP error="invalid_token"`:        false,
		`error="invalid_token"`:             false,
		`Bearer error_description="error=\"invalid_token\""`:            false,
		`Bearer error_description="error="invalid_token"`:               false,
		`Bearer error="insufficient_scope", DPoP error="invalid_token"`: false,
		`Bearer error="invalid_token`:                                   false,
		`Bearer error="invalid_token\`:                                  false,
		`Bearer error=`:                                                 false,
		`Bearer "error=invalid_token"`:                                  false,
		"Bearer\x00error=invalid_token":                                 false,
		`Bearer xerror="invalid_token"`:                                 false,
		strings.Repeat("a ", 1<<14) + `Bearer error="invalid_token"`:    false,
	} {
		if got := hasInvalidToken([]string{value}); got != want {
			t.Errorf("%.80q: %v, want %v", value, got, want)
		}
	}
	if !hasInvalidToken([]string{`Basic realm="a"`, `Bearer error="invalid_token"`}) || hasInvalidToken(nil) {
		t.Error("several values")
	}
}

func FuzzHasInvalidToken(f *testing.F) {
	f.Add(`Bearer realm="a", error="invalid_token"`)
	f.Add(`Negotiate YWJj==, Bearer error=invalid_token`)
	f.Add(`Bearer error="\`)
	f.Fuzz(func(t *testing.T, value string) {
		// It ends, doesn't panic, and never finds what isn't there.
		if hasInvalidToken([]string{value}) && (!strings.Contains(strings.ToLower(value), "bearer") || !strings.Contains(value, "invalid_token")) {
			t.Errorf("%q", value)
		}
	})
}

func FuzzReadToken(f *testing.F) {
	f.Add(200, `{"access_token":"abc","token_type":"Bearer","expires_in":3600}`, "7")
	f.Add(400, `{"error":"invalid_client"}`, "")
	f.Add(503, `<html>`, "Wed, 21 Oct 2015 07:28:00 GMT")
	f.Add(200, `{"access_token":"a","access_token":"b"}`, "")
	f.Fuzz(func(t *testing.T, status int, body, retry string) {
		if status < 200 || status > 599 {
			return
		}
		resp := answer(status, body)
		resp.Header.Set("Retry-After", retry)
		granted, failed := readToken(resp, defaultLifetime, epoch)
		if (granted == nil) == (failed == nil) {
			t.Fatal("both or neither")
		}
		if failed != nil {
			if failed.err.RetryAfter < 0 || failed.err.RetryAfter > retryafter.MaxIssuer {
				t.Fatal(failed.err.RetryAfter)
			}
			return
		}
		if status/100 != 2 || checkToken(granted.accessToken) != nil || granted.lifetime < minLifetime || granted.lifetime > maxLifetime {
			t.Fatal(status, granted)
		}
	})
}
