package authserver_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/usher-auth/usher/examples/quickstart/demo/authserver"
	"github.com/usher-auth/usher/examples/quickstart/demo/pki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const audience = "https://docs.internal"

type world struct {
	server *authserver.Server
	ca     *pki.Authority
	key    *ecdsa.PrivateKey
	client *http.Client
}

func start(t *testing.T) *world {
	t.Helper()
	ca, err := pki.New()
	must(t, err)
	certificate, err := ca.Server()
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	server, err := authserver.New(authserver.Config{
		Certificate: certificate, ClientCAs: ca.Pool(), Resources: []string{audience}, Scopes: []string{"docs"},
		Clients: []authserver.Client{
			{ID: "basic", Secret: "fake-secret"},
			{ID: "reader", Secret: "fake-secret", Claims: map[string]any{"permissions": []string{"a", "b"}}},
			{ID: "opaque", Secret: "fake-secret", Opaque: true},
			{ID: "keyed", PublicKey: key.Public()},
			{ID: "mtls", TLSSubject: "CN=mtls"},
			{ID: "docs", Secret: "fake-secret", Introspects: true},
		},
	})
	must(t, err)
	w := &world{server: server, ca: ca, key: key, client: httpClient(ca)}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func httpClient(ca *pki.Authority, certificates ...tls.Certificate) *http.Client {
	return &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), Certificates: certificates, MinVersion: tls.VersionTLS12}},
	}
}

// post sends a form and returns the status and the decoded answer.
func (w *world) post(t *testing.T, client *http.Client, target string, form url.Values, id, secret string) (int, map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		req.SetBasicAuth(id, secret)
	}
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	var answer map[string]any
	must(t, json.NewDecoder(bytes.NewReader(body)).Decode(&answer))
	return resp.StatusCode, answer
}

func tokenForm(extra ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {audience}}
	for i := 0; i < len(extra); i += 2 {
		form.Set(extra[i], extra[i+1])
	}
	return form
}

func (w *world) token(t *testing.T, id string) string {
	t.Helper()
	status, answer := w.post(t, w.client, w.server.TokenURL(), tokenForm(), id, "fake-secret")
	token, _ := answer["access_token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatalf("token request: %d %v", status, answer)
	}
	return token
}

func (w *world) active(t *testing.T, token string) bool {
	t.Helper()
	status, answer := w.post(t, w.client, w.server.IntrospectionURL(), url.Values{"token": {token}}, "docs", "fake-secret")
	if status != http.StatusOK {
		t.Fatalf("introspection: %d %v", status, answer)
	}
	active, ok := answer["active"].(bool)
	return ok && active
}

func part(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	must(t, err)
	var m map[string]any
	must(t, json.Unmarshal(raw, &m))
	return m
}

func TestTokenIsAnAccessTokenOfRFC9068(t *testing.T) {
	w := start(t)
	token := w.token(t, "basic")
	header, claims := part(t, token, 0), part(t, token, 1)
	if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] != "key-1" {
		t.Errorf("header %v", header)
	}
	if claims["iss"] != w.server.Issuer() || claims["aud"] != audience || claims["sub"] != "basic" || claims["client_id"] != "basic" {
		t.Errorf("claims %v", claims)
	}
	status, answer := w.post(t, w.client, w.server.TokenURL(), url.Values{"grant_type": {"client_credentials"}}, "basic", "fake-secret")
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	if aud, ok := part(t, answer["access_token"].(string), 1)["aud"]; ok {
		t.Errorf("aud %v without a resource", aud)
	}
}

func TestTokensHaveTheirClientsClaims(t *testing.T) {
	w := start(t)
	for client, want := range map[string]string{"reader": "[a b]", "basic": "<nil>"} {
		if got := fmt.Sprint(part(t, w.token(t, client), 1)["permissions"]); got != want {
			t.Errorf("%s has %s, want %s", client, got, want)
		}
	}
}

func TestWrongSecretIsRefused(t *testing.T) {
	w := start(t)
	status, answer := w.post(t, w.client, w.server.TokenURL(), tokenForm(), "basic", "another-fake-secret")
	if status != http.StatusUnauthorized || answer["error"] != "invalid_client" {
		t.Errorf("%d %v", status, answer)
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	w := start(t)
	assertion := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "keyed", "sub": "keyed", "aud": w.server.Issuer(), "jti": rand.Text(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	assertion.Header["kid"] = "keyed"
	signed, err := assertion.SignedString(w.key)
	must(t, err)
	form := tokenForm("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", signed)
	if status, answer := w.post(t, w.client, w.server.TokenURL(), form, "", ""); status != http.StatusOK {
		t.Fatalf("first use: %d %v", status, answer)
	}
	if status, answer := w.post(t, w.client, w.server.TokenURL(), form, "", ""); status != http.StatusUnauthorized {
		t.Errorf("the assertion was taken twice: %d %v", status, answer)
	}
}

func TestMutualTLSBindsTheToken(t *testing.T) {
	w := start(t)
	certificate, err := w.ca.Client("mtls")
	must(t, err)
	client := httpClient(w.ca, certificate)
	t.Cleanup(client.CloseIdleConnections)
	status, answer := w.post(t, client, w.server.TokenURL(), tokenForm("client_id", "mtls"), "", "")
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	cnf, _ := part(t, answer["access_token"].(string), 1)["cnf"].(map[string]any)
	if cnf["x5t#S256"] == nil {
		t.Errorf("cnf %v", cnf)
	}
	if status, answer := w.post(t, w.client, w.server.TokenURL(), tokenForm("client_id", "mtls"), "", ""); status != http.StatusUnauthorized {
		t.Errorf("without a certificate: %d %v", status, answer)
	}
}

func TestIntrospectionAndRevocation(t *testing.T) {
	w := start(t)
	for _, client := range []string{"basic", "opaque"} {
		token := w.token(t, client)
		if client == "opaque" && strings.Contains(token, ".") {
			t.Errorf("%q isn't opaque", token)
		}
		if !w.active(t, token) {
			t.Errorf("%s: inactive when fresh", client)
		}
		must(t, w.server.Revoke(t.Context(), token))
		if w.active(t, token) {
			t.Errorf("%s: active after revocation", client)
		}
	}
	status, _ := w.post(t, w.client, w.server.IntrospectionURL(), url.Values{"token": {w.token(t, "basic")}}, "basic", "fake-secret")
	if status == http.StatusOK {
		t.Error("a client that may not introspect did")
	}
}

func TestManyTokensStayActive(t *testing.T) {
	w := start(t)
	first := w.token(t, "basic")
	for range 150 { // more than go-oidc's own store keeps
		w.token(t, "basic")
	}
	if !w.active(t, first) {
		t.Error("the first token was forgotten")
	}
}

func TestRotationPublishesBothKeys(t *testing.T) {
	w := start(t)
	kid, err := w.server.Rotate()
	must(t, err)
	if got := part(t, w.token(t, "basic"), 0)["kid"]; got != kid {
		t.Errorf("signed with %v, want %s", got, kid)
	}
	w.server.Withdraw("key-1")
	resp, err := w.client.Get(w.server.JWKSURL())
	must(t, err)
	defer resp.Body.Close()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	must(t, json.NewDecoder(resp.Body).Decode(&set))
	if len(set.Keys) != 1 || set.Keys[0]["kid"] != kid || set.Keys[0]["d"] != nil {
		t.Errorf("published %v", set.Keys)
	}
}

// A server that is started again at its old address is the same issuer with new
// keys, under the old kids or under others.
func TestStartedAgainItIsTheSameIssuerWithNewKeys(t *testing.T) {
	ca, err := pki.New()
	must(t, err)
	certificate, err := ca.Server()
	must(t, err)
	client := httpClient(ca)
	t.Cleanup(client.CloseIdleConnections)
	address, issuers, points := "", map[string]bool{}, map[any]bool{}
	for _, prefix := range []string{"", "", "other"} {
		server, err := authserver.New(authserver.Config{
			Certificate: certificate, Resources: []string{audience}, Address: address, KeyPrefix: prefix,
			Clients: []authserver.Client{{ID: "basic", Secret: "fake-secret"}},
		})
		must(t, err)
		address = strings.TrimPrefix(server.Issuer(), "https://")
		issuers[server.Issuer()] = true
		resp, err := client.Get(server.JWKSURL())
		must(t, err)
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		must(t, json.NewDecoder(resp.Body).Decode(&set))
		resp.Body.Close()
		if want := cmp.Or(prefix, "key") + "-1"; len(set.Keys) != 1 || set.Keys[0]["kid"] != want {
			t.Fatalf("published %v, want one key %s", set.Keys, want)
		}
		points[set.Keys[0]["x"]] = true
		client.CloseIdleConnections()
		must(t, server.Close())
	}
	if len(issuers) != 1 || len(points) != 3 {
		t.Errorf("%d issuers with %d keys, want 1 with 3", len(issuers), len(points))
	}
}

func TestDownAndUp(t *testing.T) {
	w := start(t)
	w.token(t, "basic")
	w.server.Down()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.JWKSURL(), nil)
	must(t, err)
	if resp, err := w.client.Do(req); err == nil {
		resp.Body.Close()
		t.Error("answered while down")
	}
	w.server.Up()
	w.token(t, "basic")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
