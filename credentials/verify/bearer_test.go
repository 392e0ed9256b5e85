package verify

import (
	"fmt"
	"strings"
	"testing"
)

func TestTokenAboveTheSizeCap(t *testing.T) {
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())

	huge := strings.Repeat("a", defaultMaxTokenBytes+1)
	_, err := v.Verify(testContext(t), huge, Requirements{})
	if e := wantError(t, err, tokenInvalid); e != errTokenSize {
		t.Fatalf("got %v, want it refused for its size, before decoding", e.Err)
	}
	// A token that is good but for its size.
	claims := goodClaims().with(object{"pad": strings.Repeat("x", defaultMaxTokenBytes)})
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

func TestCharactersOutsideB64Token(t *testing.T) {
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
