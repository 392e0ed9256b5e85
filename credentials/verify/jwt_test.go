package verify

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJWTAcceptsEveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, alg := range []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			key := newKey("k1", alg)
			srv := newKeyServer(key)
			cfg := srv.config()
			cfg.Algorithms = []Algorithm{alg}
			v := newJWT(t, cfg)
			token := key.token(goodClaims())
			for range 2 {
				p, err := v.Verify(testContext(t), token, Requirements{})
				if err != nil {
					t.Fatal(err)
				}
				if p.Subject() != "alice" || p.ClientID() != "web" || !p.IsUser() || p.IssuerName() != "test" {
					t.Fatalf("got %v", p)
				}
				if diff := cmp.Diff([]string{"docs.read", "docs.write"}, p.Scopes()); diff != "" {
					t.Fatal(diff)
				}
			}
			if n := srv.total(); n != 1 {
				t.Fatalf("%d fetches, want 1", n)
			}
		})
	}
}

func TestJWTDiscoversKeys(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	cfg := srv.config()
	cfg.JWKSURL = ""
	v := newJWT(t, cfg)
	if err := v.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(testContext(t), key.token(goodClaims()), Requirements{}); err != nil {
		t.Fatal(err)
	}
	if got := srv.total(); got != 2 {
		t.Fatalf("%d fetches, want metadata and keys", got)
	}
}
