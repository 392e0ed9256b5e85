package verify

import (
	"fmt"
	"strings"
	"testing"
)

func TestRow3BearerForm(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"scheme alone":           "Bearer",
		"empty token":            "Bearer ",
		"two spaces":             "Bearer  abc",
		"two tokens":             "Bearer a b",
		"trailing space":         "Bearer abc ",
		"leading space":          " Bearer abc",
		"tab for the space":      "Bearer\tabc",
		"tab in the token":       "Bearer a\tb",
		"another scheme":         "Basic abc",
		"DPoP":                   "DPoP abc",
		"scheme run on":          "Bearerabc",
		"list of two":            "Bearer a, Bearer b",
		"parameters":             `Bearer realm="x"`,
		"padding alone":          "Bearer ==",
		"padding in the middle":  "Bearer a=b",
		"empty":                  "",
		"scheme by case folding": "Bearer\u00a0abc",
	} {
		t.Run("row 3: "+name, func(t *testing.T) {
			t.Parallel()
			token, err := ParseBearer(value)
			wantError(t, err, tokenInvalid)
			if token != "" {
				t.Fatalf("got the token %q with the error", token)
			}
		})
	}
	for _, value := range []string{"Bearer abc", "bearer abc", "BEARER abc", "bEaReR abc"} {
		if token, err := ParseBearer(value); err != nil || token != "abc" {
			t.Errorf("row 3: %q: got %q, %v", value, token, err)
		}
	}
	if token, err := ParseBearer("Bearer aZ09-._~+/=="); err != nil || token != "aZ09-._~+/==" {
		t.Errorf("the whole b64token alphabet: got %q, %v", token, err)
	}
}

func TestRow4TokenAboveTheSizeCap(t *testing.T) {
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())

	huge := strings.Repeat("a", DefaultMaxTokenBytes+1)
	_, err := v.Verify(testContext(t), huge, Requirements{})
	if e := wantError(t, err, tokenInvalid); e != errTokenSize {
		t.Fatalf("got %v, want it refused for its size, before decoding", e.Err)
	}
	// A token that is good but for its size.
	claims := goodClaims().with(object{"pad": strings.Repeat("x", DefaultMaxTokenBytes)})
	if _, err = v.Verify(testContext(t), key.token(claims), Requirements{}); asCause(err) != errTokenSize {
		t.Fatalf("got %v", err)
	}
	allocs := testing.AllocsPerRun(100, func() { v.Verify(t.Context(), huge, Requirements{}) })
	if allocs != 0 {
		t.Errorf("%v allocations for a token above the cap", allocs)
	}
	if n := srv.total(); n != 0 {
		t.Fatalf("%d fetches", n)
	}

	cfg := srv.config()
	cfg.MaxTokenBytes = 64 << 10
	if _, err = newJWT(t, cfg).Verify(testContext(t), key.token(claims), Requirements{}); err != nil {
		t.Fatalf("below a configured cap: %v", err)
	}
}

func TestRow5CharactersOutsideB64Token(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	good := key.token(goodClaims())
	for _, bad := range []string{" ", "\n", "\r\n", "\x00", "\t", "é", "\u2028", "\"", ",", ";", "\x7f", "\xff"} {
		t.Run(fmt.Sprintf("row 5: %q", bad), func(t *testing.T) {
			for _, at := range []int{0, 5, len(good) / 2, len(good)} {
				token := good[:at] + bad + good[at:]
				_, err := v.Verify(testContext(t), token, Requirements{})
				wantError(t, err, tokenInvalid)
				if _, err = ParseBearer("Bearer " + token); err == nil {
					t.Fatalf("ParseBearer accepts %q at %d", bad, at)
				}
			}
		})
	}
	if n := srv.total(); n != 0 {
		t.Fatalf("%d fetches", n)
	}
}

// asCause returns the *Error in err, for comparing with a refusal: the constant
// one that it was made of.
func asCause(err error) *Error {
	e, _ := asError(err)
	if e != nil && e.constant != nil {
		return e.constant
	}
	return e
}

func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"Bearer abc", "bearer a.b.c", "Bearer  x", "Bearer", "Bearer \x00", "Bearer a==", "Basic eDp5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, err := ParseBearer(value)
		if err != nil {
			return
		}
		if token == "" || strings.ContainsAny(token, " \t\r\n\x00,;\"") || !strings.HasSuffix(value, " "+token) {
			t.Fatalf("accepted %q as %q", value, token)
		}
		if len(value) != len("bearer ")+len(token) {
			t.Fatalf("the token %q is not the rest of %q", token, value)
		}
	})
}
