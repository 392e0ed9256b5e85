package verify

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestDiscovery(t *testing.T) {
	const metadata = credentialstest.MetadataEndpoint
	for name, change := range map[string]map[string]any{
		"another issuer":         {"issuer": "https://evil.test"},
		"trailing slash":         {"issuer": "https://issuer.test/"},
		"issuer missing":         {"issuer": nil},
		"issuer a number":        {"issuer": 1},
		"jwks_uri missing":       {"jwks_uri": nil},
		"jwks_uri a number":      {"jwks_uri": 1},
		"jwks_uri plain http":    {"jwks_uri": "http://issuer.test/jwks"},
		"jwks_uri on loopback":   {"jwks_uri": "http://127.0.0.1:9/jwks"},
		"jwks_uri a file":        {"jwks_uri": "file:///etc/keys"},
		"jwks_uri relative":      {"jwks_uri": "/jwks"},
		"jwks_uri with user":     {"jwks_uri": "https://a:b@issuer.test/jwks"},
		"jwks_uri with fragment": {"jwks_uri": "https://issuer.test/jwks#x"},
	} {
		t.Run("row 34: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer, v := memoryIssuer(t, func(c *JWTConfig) { c.JWKSURL = "" })
				issuer.Script(metadata, credentialstest.Always(credentialstest.Alter(change)))
				err := v.Ready(t.Context())
				if e := wantError(t, err, misconfiguredHere); e.Kind != ConfigurationFault {
					t.Fatalf("kind %v", e.Kind)
				}
				text, said := strings.CutPrefix(err.Error(), "verify: the verifier is misconfigured: ")
				if !said || text == "" || strings.Contains(text, "a:b") {
					t.Fatalf("Ready says %q: want the cause, without a password", err)
				}
				refuse(t, v, issuer.Mint(nil), "first use", misconfiguredHere)
				if n := issuer.Requests(keysAt); n != 0 {
					t.Fatalf("%d fetches of keys", n)
				}
			})
		})
	}
	t.Run("row 34: an outage is none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer, v := memoryIssuer(t, func(c *JWTConfig) { c.JWKSURL = "" })
			issuer.Script(metadata, credentialstest.Status(503, ""))
			refuse(t, v, issuer.Mint(nil), "first use", unavailableNow)
			time.Sleep(2 * time.Second)
			accept(t, v, issuer.Mint(nil), "recovered")
		})
	})
	t.Run("RFC 8414 where there is no OpenID Connect", func(t *testing.T) {
		key := newKey("k1", ES256)
		srv := newKeyServer(key)
		iss := testIssuer + "/tenant"
		srv.setAnswer(func(r *http.Request) *http.Response {
			switch r.URL.Path {
			case "/.well-known/oauth-authorization-server/tenant":
				return answer(200, jsonOf(object{"issuer": iss, "jwks_uri": testIssuer + "/jwks"}))
			case "/jwks":
				return nil
			default:
				return answer(404, "")
			}
		})
		cfg := srv.config()
		cfg.Issuer, cfg.JWKSURL = iss, ""
		accept(t, newJWT(t, cfg), key.token(goodClaims().with(object{"iss": iss})), "discovered")
	})
	t.Run("explicit metadata", func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
		v := verifierOf(t, issuer, func(c *JWTConfig) { c.JWKSURL, c.MetadataURL = "", issuer.MetadataURL() })
		accept(t, v, issuer.Mint(nil), "discovered")
	})
}
