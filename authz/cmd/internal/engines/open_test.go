package engines_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cmd/internal/engines"
)

const (
	secret = "fake-secret-of-an-engine"
	store  = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}

		return ""
	}
}

func TestNamesAtFault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tuples")
	if err := os.WriteFile(file, []byte("document:1#viewer@user:a\nnope\n\n# x\nx:y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"nonsense":                                            "isn't one of",
		"grpc://localhost:1":                                  `no scheme "grpc"`,
		"http://localhost":                                    `no scheme "http"`,
		"openfga+grpc://localhost:8081":                       "name the store",
		"openfga+grpc://localhost:8081/x":                     "not a ULID",
		"openfga+grpc://h:1/" + store + "?a=b":                `no parameter "a"`,
		"openfga+grpc://h:1/" + store + "?model=":             `parameter "model" is empty`,
		"openfga+grpc://h:1/" + store + "?model=a;b":          "malformed",
		"openfga+grpc+plaintext://fga.internal:8081/" + store: "on this machine",
		"openfga+grpc://u:" + secret + "@h:1/" + store:        "no user and no password",
		"openfga+grpc://h:1/" + store + "#" + secret:          "no #fragment",
		"spicedb+grpc://h:1":                                  "set USHER_ENGINE_TOKEN or USHER_ENGINE_TOKEN_FILE",
		"spicedb+grpc://h:1/path":                             "SpiceDB has no path",
		"spicedb+grpc://h:1?encode_ids=maybe":                 "true or false",
		"authzen+http://pdp.internal":                         "on this machine",
		"lumoauth+https://app.lumoauth.dev/acme":              "set USHER_ENGINE_TOKEN",
		"://" + secret:                                        "isn't one of",
		"openfga+grpc://%zz" + secret:                         "isn't one of",
		"tuples:/nowhere":                                     "/nowhere",
		"tuples:" + file:                                      ":2: not a tuple",
		strings.Repeat("x", 5000):                             "more than 2048",
	} {
		t.Run(name[:min(len(name), 40)], func(t *testing.T) {
			opened, err := engines.Open(name, engines.Config{Getenv: environment()})
			switch {
			case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret)):
				t.Errorf("error %v, want %q", err, want)
			case err == nil:
				_ = opened.Close()
			}
		})
	}
}

func TestNone(t *testing.T) {
	for _, name := range []string{"", engines.None} {
		opened, err := engines.Open(name, engines.Config{})
		if err != nil || opened.Engine != nil || opened.Name != engines.None || opened.Close() != nil {
			t.Errorf("%q: %+v, %v", name, opened, err)
		}
	}
}

func TestTokensAtFault(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}
	for name, c := range map[string]struct {
		environment []string
		want        string
	}{
		"both":             {[]string{engines.TokenVariable, secret, engines.TokenFileVariable, "x"}, "set one of"},
		"a missing file":   {[]string{engines.TokenFileVariable, filepath.Join(folder, "none")}, "can't be opened"},
		"an empty file":    {[]string{engines.TokenFileVariable, write("empty", "\n")}, "isn't one line"},
		"two lines":        {[]string{engines.TokenFileVariable, write("two", secret+"\n"+secret)}, "isn't one line"},
		"a huge file":      {[]string{engines.TokenFileVariable, write("huge", strings.Repeat("x", 20<<10))}, "too large"},
		"a folder":         {[]string{engines.TokenFileVariable, folder}, "can't be read"},
		"a control char":   {[]string{engines.TokenVariable, secret + "\r\nx-evil: 1"}, "isn't one line"},
		"a broken CA":      {[]string{engines.TokenVariable, secret, engines.CAFileVariable, write("ca", "x")}, "no certificate in PEM"},
		"a CA that isn't":  {[]string{engines.TokenVariable, secret, engines.CAFileVariable, "nowhere"}, "can't be opened"},
		"a good one, once": {[]string{engines.TokenFileVariable, write("good", secret+"\n")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			opened, err := engines.Open("spicedb+grpc://localhost:1", engines.Config{Getenv: environment(c.environment...)})
			switch {
			case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret)):
				t.Errorf("error %v, want %q", err, c.want)
			case err == nil:
				if text := fmt.Sprintf("%v %+v", opened, opened); strings.Contains(text, secret) {
					t.Error("the secret shows")
				}
				_ = opened.Close()
			}
		})
	}
}

// spice is a SpiceDB that grants what has the key.
type spice struct {
	v1.UnimplementedPermissionsServiceServer

	keys atomic.Value
}

func (s *spice) CheckPermission(ctx context.Context, _ *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.keys.Store(strings.Join(md.Get("authorization"), ","))

	return &v1.CheckPermissionResponse{Permissionship: v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION}, nil
}

type fga struct {
	openfgav1.UnimplementedOpenFGAServiceServer
}

func (fga) Check(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
	return &openfgav1.CheckResponse{Allowed: true}, nil
}

// serve serves both on loopback, and returns the address.
func serve(t *testing.T, s *spice, options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	v1.RegisterPermissionsServiceServer(server, s)
	openfgav1.RegisterOpenFGAServiceServer(server, fga{})
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })

	return listener.Addr().String()
}

func allowed(t *testing.T, name string, pairs ...string) error {
	t.Helper()
	opened, err := engines.Open(name, engines.Config{Getenv: environment(pairs...), Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}()
	explanation, err := authz.Explain(t.Context(), opened.Engine, authz.Query{
		Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "alice"},
	}, authz.Consistency{})
	if err == nil && explanation.Answer.Effect != authz.EffectAllowed {
		t.Errorf("%s: %+v", name, explanation)
	}

	return err
}

func TestEnginesOverPlaintextAndTLS(t *testing.T) {
	s := &spice{}
	plain := serve(t, s)
	if err := allowed(t, "spicedb+grpc+plaintext://"+plain, engines.TokenVariable, secret); err != nil || s.keys.Load() != "Bearer "+secret {
		t.Errorf("%v, %v", err, s.keys.Load())
	}
	if err := allowed(t, "openfga+grpc+plaintext://"+plain+"/"+store+"?model="+store); err != nil {
		t.Error(err)
	}
	// httptest has a certificate for 127.0.0.1.
	front := httptest.NewUnstartedServer(http.NotFoundHandler())
	front.StartTLS()
	defer front.Close()
	secured := &spice{}
	address := serve(t, secured, grpc.Creds(credentials.NewServerTLSFromCert(&front.TLS.Certificates[0])))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := allowed(t, "spicedb+grpc://"+address, engines.TokenVariable, secret, engines.CAFileVariable, ca); err != nil || secured.keys.Load() != "Bearer "+secret {
		t.Errorf("%v, %v", err, secured.keys.Load())
	}
	// A server whose certificate isn't trusted never gets the key.
	other := &spice{}
	address = serve(t, other, grpc.Creds(credentials.NewServerTLSFromCert(&front.TLS.Certificates[0])))
	if err := allowed(t, "spicedb+grpc://"+address, engines.TokenVariable, secret); err == nil || other.keys.Load() != nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v, %v", err, other.keys.Load())
	}
	// Nor does one that has no TLS.
	bare := &spice{}
	if err := allowed(t, "spicedb+grpc://"+serve(t, bare), engines.TokenVariable, secret); err == nil || bare.keys.Load() != nil {
		t.Errorf("%v, %v", err, bare.keys.Load())
	}
}

func TestEnginesOverHTTP(t *testing.T) {
	var got atomic.Value
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.URL.Path + " " + r.Header.Get("Authorization") + r.Header.Get("X-Api-Key"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"decision":true,"allowed":true}`))
	}))
	defer front.Close()
	address := strings.TrimPrefix(front.URL, "http://")
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"authzen+http://" + address + "/pdp":  {nil, "/pdp/access/v1/evaluation "},
		"authzen+http://" + address:           {[]string{engines.TokenVariable, secret}, "/access/v1/evaluation Bearer " + secret},
		"authzen+http://" + address + "/":     {[]string{engines.APIKeyVariable, secret}, "/access/v1/evaluation " + secret},
		"lumoauth+http://" + address + "/org": {[]string{engines.APIKeyVariable, secret}, "/orgs/org/api/v1/zanzibar/expand " + secret},
	} {
		if err := allowed(t, name, c.pairs...); err != nil || got.Load() != c.want {
			t.Errorf("%s: %v, %v", name, err, got.Load())
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"none", "tuples:x", "openfga+grpc://h:1/" + store, "spicedb+grpc+plaintext://[::1]:1", "authzen+https://h/p?a", "lumoauth+insecure-http://h/o", "a+b+plaintext://"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.HasPrefix(name, "tuples:") {
			return // it would open files of this machine
		}
		opened, err := engines.Open(name, engines.Config{Getenv: environment(engines.TokenVariable, secret)})
		if err != nil {
			if opened != nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, %v", opened, err)
			}

			return
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
}
