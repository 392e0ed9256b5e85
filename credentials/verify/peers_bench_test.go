package verify

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"
)

// BenchmarkPeers is what others make of goal 4: the same token, against the same
// check of its signature alone.
func BenchmarkPeers(b *testing.B) {
	for _, alg := range []Algorithm{RS256, ES256, EdDSA} {
		key := newKey("k1", alg)
		token := key.token(goodClaims())
		raw := rawCheck(key, token)
		check := func() {
			if !raw() {
				b.Fatal("the raw check fails")
			}
		}
		set := must(jwk.Parse([]byte(jsonOf(object{"keys": []any{key.jwk()}}))))
		b.Run("jwx/"+string(alg), func(b *testing.B) {
			paired(b, check, func() {
				if _, err := jwxjwt.ParseString(token, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(testIssuer), jwxjwt.WithAudience(testAudience)); err != nil {
					b.Fatal(err)
				}
			})
		})
		parser := jwt.NewParser(jwt.WithValidMethods([]string{string(alg)}), jwt.WithIssuer(testIssuer), jwt.WithAudience(testAudience), jwt.WithExpirationRequired())
		find := func(*jwt.Token) (any, error) { return key.priv.Public(), nil }
		b.Run("golang-jwt/"+string(alg), func(b *testing.B) {
			paired(b, check, func() {
				if _, err := parser.Parse(token, find); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
