package engines_test

import (
	"context"
	"encoding/pem"
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
	"github.com/usher-auth/usher/authz/cmd/internal/dial"
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
		"nonsense":                        "--engine: an engine's URL is one of " + engines.Forms,
		"openfga+grpc://localhost:8081/x": "not a ULID",
		"spicedb+grpc://h:1":              "--engine spicedb+grpc://h:1: set USHER_ENGINE_TOKEN",
		"tuples:/nowhere":                 "/nowhere",
		"tuples:" + file:                  ":2: not a tuple",
	} {
		t.Run(name[:min(len(name), 40)], func(t *testing.T) {
			if opened, err := engines.Open(name, engines.Config{Getenv: environment()}); opened != nil || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
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
	if err := allowed(t, "spicedb+grpc+plaintext://"+plain, dial.TokenVariable, secret); err != nil || s.keys.Load() != "Bearer "+secret {
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
	if err := allowed(t, "spicedb+grpc://"+address, dial.TokenVariable, secret, dial.CAFileVariable, ca); err != nil || secured.keys.Load() != "Bearer "+secret {
		t.Errorf("%v, %v", err, secured.keys.Load())
	}
	// A server whose certificate isn't trusted never gets the key.
	other := &spice{}
	address = serve(t, other, grpc.Creds(credentials.NewServerTLSFromCert(&front.TLS.Certificates[0])))
	if err := allowed(t, "spicedb+grpc://"+address, dial.TokenVariable, secret); err == nil || other.keys.Load() != nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v, %v", err, other.keys.Load())
	}
	// Nor does one that has no TLS.
	bare := &spice{}
	if err := allowed(t, "spicedb+grpc://"+serve(t, bare), dial.TokenVariable, secret); err == nil || bare.keys.Load() != nil {
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
		"authzen+http://" + address:           {[]string{dial.TokenVariable, secret}, "/access/v1/evaluation Bearer " + secret},
		"authzen+http://" + address + "/":     {[]string{dial.APIKeyVariable, secret}, "/access/v1/evaluation " + secret},
		"lumoauth+http://" + address + "/org": {[]string{dial.APIKeyVariable, secret}, "/orgs/org/api/v1/zanzibar/expand " + secret},
	} {
		if err := allowed(t, name, c.pairs...); err != nil || got.Load() != c.want {
			t.Errorf("%s: %v, %v", name, err, got.Load())
		}
	}
}

func TestEnginesOverHTTPS(t *testing.T) {
	var got atomic.Value
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"decision":true}`))
	}))
	defer front.Close()
	name := "authzen+https://" + strings.TrimPrefix(front.URL, "https://")
	if err := allowed(t, name, dial.TokenVariable, secret); err == nil || got.Load() != nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a server that isn't trusted: %v, %v", err, got.Load())
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := allowed(t, name, dial.TokenVariable, secret, dial.CAFileVariable, ca); err != nil || got.Load() != "Bearer "+secret {
		t.Errorf("%v, %v", err, got.Load())
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
		opened, err := engines.Open(name, engines.Config{Getenv: environment(dial.TokenVariable, secret)})
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
