package credentialstest_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask posts a form with HTTP Basic and returns status and JSON.
func ask(t *testing.T, i *credentialstest.Issuer, endpoint, id, secret string, form url.Values) (int, map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	resp, err := i.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := map[string]any{}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(data, &body)
	return resp.StatusCode, body
}

var clientCredentials = url.Values{"grant_type": {"client_credentials"}, "resource": {"https://docs.test"}, "scope": {"read"}}

func each(t *testing.T, test func(t *testing.T, cfg credentialstest.Config)) {
	t.Run("socket", func(t *testing.T) { test(t, credentialstest.Config{}) })
	t.Run("tls", func(t *testing.T) { test(t, credentialstest.Config{TLS: true}) })
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, credentialstest.Config{InMemory: true}) })
	})
}

func TestIssuesAndIntrospectsTokens(t *testing.T) {
	each(t, func(t *testing.T, cfg credentialstest.Config) {
		i := credentialstest.NewIssuer(t, cfg)
		i.AddClient(credentialstest.Client{ID: "a b:c", Secret: "not a:secret"})
		i.AddClient(credentialstest.Client{ID: "opaque", Secret: "not-a-secret", Opaque: true})
		for _, c := range []struct{ id, secret string }{{"a b:c", "not a:secret"}, {"opaque", "not-a-secret"}} {
			status, body := ask(t, i, i.TokenURL(), c.id, c.secret, clientCredentials)
			if status != 200 || body["token_type"] != "Bearer" || body["expires_in"] != float64(3600) {
				t.Fatal(status, body)
			}
			token, _ := body["access_token"].(string)
			query := url.Values{"token": {token}}
			_, answer := ask(t, i, i.IntrospectURL(), "opaque", "not-a-secret", query)
			if answer["active"] != true || answer["client_id"] != c.id || answer["aud"] != "https://docs.test" || answer["scope"] != "read" {
				t.Fatal(answer)
			}
			i.Revoke(token)
			if _, answer = ask(t, i, i.IntrospectURL(), "opaque", "not-a-secret", query); answer["active"] != false || len(answer) != 1 {
				t.Fatal(answer)
			}
		}
		if status, body := ask(t, i, i.TokenURL(), "opaque", "wrong", clientCredentials); status != 401 || body["error"] != "invalid_client" {
			t.Fatal(status, body)
		}
		if got := i.Requests(credentialstest.TokenEndpoint); got != 3 {
			t.Fatalf("%d requests counted, want 3", got)
		}
	})
}

// The tokens are judged by another library than the one that makes them.
func TestMintedTokensVerify(t *testing.T) {
	i := credentialstest.NewIssuer(t, credentialstest.Config{})
	keys := func(token *jwt.Token) (any, error) { return i.PublicKey(token.Header["kid"].(string)), nil }
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "RS512"} {
		token := i.MintWith(credentialstest.MintConfig{Claims: map[string]any{"scope": "read", "client_id": nil}, Algorithm: alg})
		claims := jwt.MapClaims{}
		parsed, err := jwt.ParseWithClaims(token, claims, keys, jwt.WithValidMethods([]string{alg}),
			jwt.WithIssuer(i.URL()), jwt.WithAudience(credentialstest.DefaultAudience), jwt.WithExpirationRequired())
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if parsed.Header["typ"] != "at+jwt" || claims["scope"] != "read" || claims["client_id"] != nil {
			t.Fatalf("%s: %v %v", alg, parsed.Header, claims)
		}
	}
	foreign, err := credentialstest.NewKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwt.Parse(i.MintWith(credentialstest.MintConfig{Signer: foreign}), keys); err == nil {
		t.Fatal("a token of a foreign key verifies")
	}
	if token := i.MintWith(credentialstest.MintConfig{RawHeader: `{}`, RawPayload: `null`}); !strings.HasPrefix(token, "e30.bnVsbA.") {
		t.Fatal(token)
	}
}

func TestRotationAndWithdrawal(t *testing.T) {
	i := credentialstest.NewIssuer(t, credentialstest.Config{Algorithm: "EdDSA"})
	old := i.KeyID()
	fresh := i.Rotate()
	if fresh == old || i.KeyID() != fresh {
		t.Fatal(old, fresh)
	}
	published := func() (ids []string) {
		resp, err := i.Client().Get(i.JWKSURL())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var set struct {
			Keys []struct{ Kid, Alg, Use, Kty, Crv, X string }
		}
		if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
			t.Fatal(err)
		}
		for _, k := range set.Keys {
			if k.Kty != "OKP" || k.Crv != "Ed25519" || k.Alg != "EdDSA" || k.Use != "sig" || k.X == "" {
				t.Fatal(k)
			}
			ids = append(ids, k.Kid)
		}
		return ids
	}
	if got := strings.Join(published(), " "); got != old+" "+fresh {
		t.Fatal(got)
	}
	i.Withdraw(old)
	if got := strings.Join(published(), " "); got != fresh {
		t.Fatal(got)
	}
	if i.MintWith(credentialstest.MintConfig{KeyID: old}) == "" || i.PublicKey(old) == crypto.PublicKey(nil) {
		t.Fatal("a withdrawn key can't be used by name")
	}
}

func TestFaults(t *testing.T) {
	each(t, func(t *testing.T, cfg credentialstest.Config) {
		i := credentialstest.NewIssuer(t, cfg)
		get := func() (*http.Response, string, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, i.MetadataURL(), http.NoBody)
			client := *i.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			resp, err := client.Do(req)
			if err != nil {
				return nil, "", err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
			return resp, string(body), err
		}
		const at = credentialstest.MetadataEndpoint
		i.Script(at, credentialstest.Status(503, "7"), credentialstest.HTML(200), credentialstest.Redirect(307, "https://elsewhere.test"),
			credentialstest.Truncate(), credentialstest.Reset(), credentialstest.HugeBody(2<<20),
			credentialstest.Alter(map[string]any{"issuer": nil, "odd": json.RawMessage("1e3")}), credentialstest.ContentType("text/plain"), credentialstest.SlowBody(time.Microsecond))
		if resp, _, _ := get(); resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "7" {
			t.Fatal(resp)
		}
		if _, body, _ := get(); !strings.HasPrefix(body, "<!DOCTYPE") {
			t.Fatal(body)
		}
		if resp, _, _ := get(); resp.StatusCode != 307 {
			t.Fatal(resp)
		}
		if _, _, err := get(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal("truncated:", err)
		}
		if _, _, err := get(); err == nil {
			t.Fatal("reset: no error")
		}
		if _, body, err := get(); err != nil || len(body) != 1<<20 {
			t.Fatal("huge:", len(body), err)
		}
		if _, body, _ := get(); strings.Contains(body, `"issuer"`) || !strings.Contains(body, `"odd":1e3`) {
			t.Fatal(body)
		}
		if resp, _, _ := get(); resp.Header.Get("Content-Type") != "text/plain" {
			t.Fatal(resp.Header)
		}
		if _, body, err := get(); err != nil || !strings.Contains(body, i.URL()) {
			t.Fatal(body, err)
		}
		i.Script(at, credentialstest.Always(credentialstest.Status(500, "")))
		for range 3 {
			if resp, _, _ := get(); resp.StatusCode != 500 {
				t.Fatal(resp)
			}
		}
		i.Heal(at)
		if resp, _, _ := get(); resp.StatusCode != 200 {
			t.Fatal(resp)
		}
		i.Down()
		if _, _, err := get(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal("down:", err)
		}
		i.Up()
		if resp, _, err := get(); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	})
}

func TestHangEndsWithItsClient(t *testing.T) {
	each(t, func(t *testing.T, cfg credentialstest.Config) {
		i := credentialstest.NewIssuer(t, cfg)
		i.Script(credentialstest.JWKSEndpoint, credentialstest.Hang(), credentialstest.Delay(time.Millisecond))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			_ = i.Await(ctx, credentialstest.JWKSEndpoint, 1)
			cancel()
		}()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, i.JWKSURL(), http.NoBody)
		if _, err := i.Client().Do(req); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if resp, err := i.Client().Get(i.JWKSURL()); err != nil || resp.Body.Close() != nil {
			t.Fatal(err)
		}
		if n := i.Requests(credentialstest.JWKSEndpoint); n != 2 {
			t.Fatal(n)
		}
	})
}
