package verify

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

func hybridOf(t *testing.T, issuer *credentialstest.Issuer) *Hybrid {
	t.Helper()
	h, err := NewHybrid(HybridConfig{JWT: verifierOf(t, issuer), Introspection: introspectionOf(t, issuer)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var introspected = Requirements{Validation: ValidationIntrospect}

func TestHybridChoosesByForm(t *testing.T) {
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
	h := hybridOf(t, issuer)
	jwt, opaque := issuer.Mint(nil), issuer.MintOpaque(nil)
	accept(t, h, jwt, "a JWT")
	if n := issuer.Requests(introspectAt); n != 0 {
		t.Fatalf("%d introspections of a JWT", n)
	}
	accept(t, h, opaque, "an opaque token")
	if n := issuer.Requests(introspectAt); n != 1 {
		t.Fatalf("%d introspections of an opaque token", n)
	}
	if _, err := h.Verify(t.Context(), opaque, Requirements{Validation: ValidationLocal}); asCause(err) != errTokenForm {
		t.Errorf("an opaque token where local validation is asked for: %v", err)
	}
	if _, err := h.Verify(t.Context(), jwt, Requirements{Validation: ValidationLocal}); err != nil {
		t.Errorf("local: %v", err)
	}
	if _, err := h.Verify(t.Context(), jwt, Requirements{Validation: 9}); asCause(err) != errValidation {
		t.Errorf("no such validation: %v", err)
	}
	if err := h.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// Introspection would call each of these active: it is not asked.
func TestHybridNeverFallsBack(t *testing.T) {
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
	h := hybridOf(t, issuer)
	accept(t, h, issuer.Mint(nil), "warm")
	forger := newKey("f", ES256).priv
	good := issuer.Mint(nil)
	for name, token := range map[string]string{
		"bad signature":    issuer.MintWith(credentialstest.MintConfig{Signer: forger}),
		"wrong audience":   issuer.Mint(object{"aud": "https://other.test"}),
		"unknown kid":      issuer.MintWith(credentialstest.MintConfig{Header: map[string]any{"kid": "x"}}),
		"wrong typ":        issuer.MintWith(credentialstest.MintConfig{Header: map[string]any{"typ": "JWT"}}),
		"unknown crit":     issuer.MintWith(credentialstest.MintConfig{Header: map[string]any{"crit": []string{"x"}}}),
		"alg none":         issuer.MintWith(credentialstest.MintConfig{Header: map[string]any{"alg": "none"}}),
		"repeated claim":   issuer.MintWith(credentialstest.MintConfig{RawPayload: `{"iss":"a","iss":"b"}`}),
		"payload no JSON":  issuer.MintWith(credentialstest.MintConfig{RawPayload: `x`}),
		"header cut off":   issuer.MintWith(credentialstest.MintConfig{RawHeader: `{"alg":"ES256"`}),
		"empty signature":  good[:strings.LastIndexByte(good, '.')+1],
		"twice configured": issuer.Mint(object{"iss": "https://evil.test"}),
	} {
		allowFetch(h.jwt)
		refuse(t, h, token, name, tokenInvalid)
		if _, err := h.Verify(t.Context(), token, introspected); err == nil {
			t.Errorf("%s: introspection alone decides", name)
		}
	}
	if n := issuer.Requests(introspectAt); n != 0 {
		t.Fatalf("%d introspections of tokens that fail locally", n)
	}
	synctest.Test(t, func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		h := hybridOf(t, issuer)
		issuer.Script(keysAt, credentialstest.Status(503, ""))
		refuse(t, h, issuer.Mint(nil), "keys down", unavailableNow)
		if n := issuer.Requests(introspectAt); n != 0 {
			t.Fatalf("%d introspections because the keys are down", n)
		}
	})
}

// A JWT is as long as its verifier's limit allows, introspected or not; what is no
// JWT has the limit of introspection.
func TestHybridMeasuresATokenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		h, err := NewHybrid(HybridConfig{
			JWT:           verifierOf(t, issuer, func(c *JWTConfig) { c.MaxTokenBytes = 64 << 10 }),
			Introspection: introspectionOf(t, issuer),
		})
		if err != nil {
			t.Fatal(err)
		}
		pad := strings.Repeat("x", defaultMaxTokenBytes)
		long, short := issuer.Mint(object{"pad": pad}), issuer.Mint(nil)
		for _, token := range []string{long, short} {
			if _, err := h.Verify(t.Context(), token, introspected); err != nil {
				t.Errorf("%d bytes: %v", len(token), errors.Unwrap(err))
			}
		}
		if e := refuse(t, h, pad+"x", "not a JWT", tokenInvalid); e != errTokenSize {
			t.Errorf("got %v", e.Err)
		}
		if _, err := hybridOf(t, issuer).Verify(t.Context(), long, introspected); asCause(err) != errTokenSize {
			t.Errorf("above the limit of JWT: %v", err)
		}
		if n := issuer.Requests(introspectAt); n != 2 {
			t.Errorf("%d introspections, want 2", n)
		}
	})
}

func TestHybridIntrospectsWhereAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		h := hybridOf(t, issuer)
		token := issuer.Mint(object{"scope": "a b", "roles": []string{"r"}})
		p, err := h.Verify(t.Context(), token, introspected)
		if err != nil || len(p.Roles()) != 1 {
			t.Fatalf("%v, %v", p, err)
		}
		issuer.Revoke(token)
		if _, err := h.Verify(t.Context(), token, Requirements{}); err != nil {
			t.Errorf("a revoked JWT is still good locally: %v", err)
		}
		time.Sleep(defaultPositiveTTL)
		if _, err := h.Verify(t.Context(), token, introspected); asCause(err) != errInactive {
			t.Errorf("revoked: %v", err)
		}

		narrowed := issuer.Mint(object{"scope": "a b c"})
		issuer.Script(introspectAt, credentialstest.Alter(object{"scope": "c a x", "exp": time.Now().Unix() + 60}))
		p, err = h.Verify(t.Context(), narrowed, introspected)
		if err != nil {
			t.Fatal(err)
		}
		if !p.HasScope("a") || !p.HasScope("c") || p.HasScope("b") || p.HasScope("x") {
			t.Errorf("scopes %q", p.Scopes())
		}
		if want := time.Now().Add(60*time.Second + defaultLeeway); !p.ValidUntil().Equal(want) {
			t.Errorf("valid until %v, want %v", p.ValidUntil(), want)
		}
		if p, _ := h.Verify(t.Context(), narrowed, Requirements{}); !p.HasScope("b") {
			t.Error("the cached principal was changed")
		}
		for name, change := range map[string]object{"sub": {"sub": "root"}, "client_id": {"client_id": "other"}, "jti": {"jti": "other"}} {
			issuer.Script(introspectAt, credentialstest.Alter(change))
			if _, err := h.Verify(t.Context(), issuer.Mint(nil), introspected); asCause(err) != errMismatch {
				t.Errorf("another %s: %v", name, err)
			}
		}
		issuer.Script(introspectAt, credentialstest.Alter(object{"sub": nil, "jti": nil, "scope": nil, "exp": nil}))
		if _, err := h.Verify(t.Context(), issuer.Mint(nil), introspected); err != nil {
			t.Errorf("an answer that says little: %v", err)
		}
	})
}

func TestHybridConfig(t *testing.T) {
	a := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	b := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, URL: "https://b.test"})
	for name, cfg := range map[string]HybridConfig{
		"no JWT":           {Introspection: introspectionOf(t, a)},
		"no introspection": {JWT: verifierOf(t, a)},
		"two issuers":      {JWT: verifierOf(t, a), Introspection: introspectionOf(t, b)},
		"two names":        {JWT: verifierOf(t, a, func(c *JWTConfig) { c.IssuerName = "x" }), Introspection: introspectionOf(t, a)},
	} {
		if _, err := NewHybrid(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	h := hybridOf(t, a)
	if err := errors.Join(h.Close(), h.Close()); err != nil {
		t.Error(err)
	}
}

func TestIsJWT(t *testing.T) {
	for token, want := range map[string]bool{
		"eyJhbGciOiJFUzI1NiJ9.e30.AA": true, "e30.e30.e30": true, "eyA.e30.e30": true, "e.e30.e30": false, "abc.def.ghi": false, "": false, "..": false,
		"eyJh.e30": false, "eyJh.e30.e30.e30": false, "opaque": false, "ey\n.e30.e30": true, "bnVsbA.e30.AA": false,
	} {
		if got := isJWT(token); got != want {
			t.Errorf("%q: %t", token, got)
		}
	}
}
