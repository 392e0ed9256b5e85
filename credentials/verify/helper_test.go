package verify

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testIssuer   = "https://issuer.test"
	testAudience = "https://docs.internal"
)

// object is a JSON object in a test.
type object map[string]any

func (o object) with(more object) object {
	out := maps.Clone(o)
	maps.Copy(out, more)
	return out
}

func (o object) without(names ...string) object {
	out := maps.Clone(o)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

// testKey is a signing key with its kid.
type testKey struct {
	kid  string
	alg  Algorithm
	priv crypto.Signer
}

var rsaOnce = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newKey(kid string, alg Algorithm) *testKey {
	k := &testKey{kid: kid, alg: alg}
	switch alg {
	case RS256, RS384, RS512, PS256, PS384, PS512:
		k.priv = rsaOnce()
	case ES256:
		k.priv = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case ES384:
		k.priv = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	case ES512:
		k.priv = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	case EdDSA:
		_, priv, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		k.priv = priv
	}
	return k
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk returns the public key as a JWK with kid, alg and use.
func (k *testKey) jwk() object {
	o := object{"kid": k.kid, "alg": string(k.alg), "use": "sig"}
	switch pub := k.priv.Public().(type) {
	case *rsa.PublicKey:
		o["kty"], o["n"], o["e"] = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		size := (pub.Curve.Params().BitSize + 7) / 8
		o["kty"], o["crv"] = "EC", pub.Curve.Params().Name
		o["x"], o["y"] = b64(pub.X.FillBytes(make([]byte, size))), b64(pub.Y.FillBytes(make([]byte, size)))
	case ed25519.PublicKey:
		o["kty"], o["crv"], o["x"] = "OKP", "Ed25519", b64(pub)
	}
	return o
}

// sign returns the raw JWS signature of input.
func (k *testKey) sign(input string) []byte {
	var hash crypto.Hash
	var digest []byte
	switch k.alg[2:] {
	case "256":
		sum := sha256.Sum256([]byte(input))
		hash, digest = crypto.SHA256, sum[:]
	case "384":
		sum := sha512.Sum384([]byte(input))
		hash, digest = crypto.SHA384, sum[:]
	case "512":
		sum := sha512.Sum512([]byte(input))
		hash, digest = crypto.SHA512, sum[:]
	}
	switch priv := k.priv.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(string(k.alg), "PS") {
			return must(rsa.SignPSS(rand.Reader, priv, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, priv, hash, digest))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, priv, digest)
		if err != nil {
			panic(err)
		}
		size := (priv.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(priv, []byte(input))
	}
	panic("no such key")
}

// token signs exactly these texts.
func (k *testKey) tokenOf(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(k.sign(input))
}

func jsonOf(v any) string { return string(must(json.Marshal(v))) }

// header is a good header for the key.
func (k *testKey) header() object {
	return object{"alg": string(k.alg), "typ": "at+jwt", "kid": k.kid}
}

// token signs claims under a good header.
func (k *testKey) token(claims object) string { return k.tokenOf(jsonOf(k.header()), jsonOf(claims)) }

// goodClaims are those of a user's token that passes.
func goodClaims() object {
	now := time.Now().Unix()
	return object{
		"iss": testIssuer, "aud": testAudience, "sub": "alice", "client_id": "web", "scope": "docs.read docs.write",
		"iat": now, "exp": now + 300, "jti": "token-1",
	}
}

// keyServer publishes keys, without a socket: a RoundTripper. It counts.
type keyServer struct {
	mu       sync.Mutex
	keys     []any
	requests map[string]int
	answer   func(r *http.Request) *http.Response // nil result: the keys
}

func newKeyServer(keys ...*testKey) *keyServer {
	s := &keyServer{requests: map[string]int{}}
	s.publish(keys...)
	return s
}

func (s *keyServer) publish(keys ...*testKey) {
	list := []any{}
	for _, k := range keys {
		list = append(list, k.jwk())
	}
	s.publishRaw(list...)
}

func (s *keyServer) publishRaw(keys ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

func (s *keyServer) setAnswer(f func(r *http.Request) *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *keyServer) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.requests {
		n += c
	}
	return n
}

func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// RoundTrip answers /jwks and the metadata.
func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.requests[r.URL.Path]++
	f := s.answer
	keys := s.keys
	s.mu.Unlock()
	if f != nil {
		if res := f(r); res != nil {
			if res.StatusCode == 0 {
				return nil, errors.New("connection refused")
			}
			return res, nil
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	switch r.URL.Path {
	case "/jwks":
		return answer(200, jsonOf(object{"keys": keys})), nil
	case "/.well-known/openid-configuration":
		return answer(200, jsonOf(object{"issuer": testIssuer, "jwks_uri": testIssuer + "/jwks"})), nil
	default:
		return answer(404, ""), nil
	}
}

// ServeHTTP lets the same server listen on a socket.
func (s *keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	res, err := s.RoundTrip(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	io.Copy(w, res.Body)
}

func (s *keyServer) client() *http.Client { return &http.Client{Transport: s} }

// config is a good configuration for the key server.
func (s *keyServer) config() JWTConfig {
	return JWTConfig{Issuer: testIssuer, IssuerName: "test", Audiences: []string{testAudience}, JWKSURL: testIssuer + "/jwks", HTTPClient: s.client()}
}

func newJWT(tb testing.TB, cfg JWTConfig) *JWT {
	tb.Helper()
	v, err := NewJWT(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { v.Close() })
	return v
}

// allowFetch gives back the budget for fetches that an unknown key or a bad
// signature has spent.
func allowFetch(v *JWT) {
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	v.keys.unknownAt = time.Time{}
}

func testContext(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	tb.Cleanup(cancel)
	return ctx
}

// wantError checks that err is an *Error of that reason.
// outcome is what an Error says of a verification.
type outcome struct {
	kind    ErrorKind
	expired bool
}

var (
	tokenInvalid      = outcome{kind: CredentialFault}
	tokenExpired      = outcome{kind: CredentialFault, expired: true}
	unavailableNow    = outcome{kind: DependencyFault}
	misconfiguredHere = outcome{kind: ConfigurationFault}
)

func outcomeOf(e *Error) outcome { return outcome{kind: e.Kind, expired: e.Expired} }

func wantError(tb testing.TB, err error, want outcome) *Error {
	tb.Helper()
	var e *Error
	if !errors.As(err, &e) {
		tb.Fatalf("got %v, want an Error with %v", err, want)
	}
	if outcomeOf(e) != want {
		tb.Fatalf("got %v (%v), want %v", outcomeOf(e), e.Err, want)
	}
	return e
}

// genericProfile accepts tokens whose typ is JWT or absent.
func genericProfile() Profile {
	return Profile{
		Types:       []string{"at+jwt", "JWT", ""},
		AccessToken: []Evidence{{{Claim: Path{"client_id"}, Test: Present}}, {{Claim: Path{"scope"}, Test: Present}}},
	}
}

func onLoopback(tb testing.TB, h http.Handler) *httptest.Server {
	tb.Helper()
	srv := httptest.NewServer(h)
	tb.Cleanup(srv.Close)
	return srv
}
