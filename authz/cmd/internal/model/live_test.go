package model_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz/cmd/internal/model"
)

const (
	storeID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	modelID = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
	secret  = "s3cret-t0ken"
)

// The servers below answer a model's reading as OpenFGA and SpiceDB do; e2e/engines reads
// from the real ones.

type fgaServer struct {
	openfgav1.UnimplementedOpenFGAServiceServer

	model *openfgav1.AuthorizationModel
	token string
}

func authorized(ctx context.Context, token string) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if token != "" && (len(md["authorization"]) != 1 || md["authorization"][0] != "Bearer "+token) {
		return status.Error(codes.Unauthenticated, "no token")
	}

	return nil
}

func (s *fgaServer) ReadAuthorizationModel(ctx context.Context, in *openfgav1.ReadAuthorizationModelRequest) (*openfgav1.ReadAuthorizationModelResponse, error) {
	if err := authorized(ctx, s.token); err != nil {
		return nil, err
	}
	if in.GetStoreId() != storeID || in.GetId() != modelID {
		return nil, status.Error(codes.Code(openfgav1.ErrorCode_authorization_model_not_found), "no such model")
	}

	return &openfgav1.ReadAuthorizationModelResponse{AuthorizationModel: s.model}, nil
}

func (s *fgaServer) ReadAuthorizationModels(ctx context.Context, _ *openfgav1.ReadAuthorizationModelsRequest) (*openfgav1.ReadAuthorizationModelsResponse, error) {
	if err := authorized(ctx, s.token); err != nil {
		return nil, err
	}

	return &openfgav1.ReadAuthorizationModelsResponse{AuthorizationModels: []*openfgav1.AuthorizationModel{s.model}}, nil
}

type spiceServer struct {
	v1.UnimplementedSchemaServiceServer

	text, token string
	err         error
	reflected   *v1.ReflectSchemaResponse
}

func (s *spiceServer) ReadSchema(ctx context.Context, _ *v1.ReadSchemaRequest) (*v1.ReadSchemaResponse, error) {
	if err := authorized(ctx, s.token); err != nil {
		return nil, err
	}

	return &v1.ReadSchemaResponse{SchemaText: s.text}, s.err
}

func (s *spiceServer) ReflectSchema(context.Context, *v1.ReflectSchemaRequest) (*v1.ReflectSchemaResponse, error) {
	return s.reflected, nil
}

// serve runs a server on loopback until the test ends, and returns its address.
func serve(tb testing.TB, register func(*grpc.Server), options ...grpc.ServerOption) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := grpc.NewServer(options...)
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	tb.Cleanup(func() {
		server.Stop()
		<-done
	})

	return listener.Addr().String()
}

func readSuite(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "suite", name))
	if err != nil {
		tb.Fatal(err)
	}

	return string(text)
}

func suiteServer(tb testing.TB, token string) *fgaServer {
	tb.Helper()
	m, err := transformer.TransformDSLToProto(readSuite(tb, "model.fga"))
	if err != nil {
		tb.Fatal(err)
	}
	m.Id = modelID

	return &fgaServer{model: m, token: token}
}

// certificate returns a server's certificate of 127.0.0.1, and a file of it.
func certificate(tb testing.TB) (tls.Certificate, string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	file := write(tb, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func environment(variables map[string]string) model.Config {
	return model.Config{Getenv: func(name string) string { return variables[name] }, Timeout: 20 * time.Second}
}

func TestLive(t *testing.T) {
	cert, ca := certificate(t)
	withTLS := grpc.Creds(credentials.NewServerTLSFromCert(&cert))
	openfga := func(token string) func(*grpc.Server) {
		return func(s *grpc.Server) { openfgav1.RegisterOpenFGAServiceServer(s, suiteServer(t, token)) }
	}
	spicedb := func(server *spiceServer) func(*grpc.Server) {
		return func(s *grpc.Server) { v1.RegisterSchemaServiceServer(s, server) }
	}
	text := readSuite(t, "schema.zed")
	tokenFile := write(t, "token", secret+"\n")
	for name, c := range map[string]struct {
		ref         string
		environment map[string]string
		want        string // in the error; none if empty
	}{
		"OpenFGA, TLS, newest model":    {"openfga+grpc://" + serve(t, openfga(secret), withTLS) + "/" + storeID, map[string]string{"USHER_ENGINE_TOKEN": secret, "USHER_ENGINE_CA_FILE": ca}, ""},
		"OpenFGA, one model":            {"openfga+grpc+plaintext://" + serve(t, openfga("")) + "/" + storeID + "?model=" + modelID, nil, ""},
		"OpenFGA, token of a file":      {"openfga+grpc+plaintext://" + serve(t, openfga(secret)) + "/" + storeID, map[string]string{"USHER_ENGINE_TOKEN_FILE": tokenFile}, ""},
		"OpenFGA, another model":        {"openfga+grpc+plaintext://" + serve(t, openfga("")) + "/" + storeID + "?model=" + storeID, nil, "ReadAuthorizationModel"},
		"OpenFGA, no token":             {"openfga+grpc+plaintext://" + serve(t, openfga(secret)) + "/" + storeID, nil, "ReadAuthorizationModels"},
		"OpenFGA, a store's name":       {"openfga+grpc+plaintext://127.0.0.1:1/docs", nil, "is not a ULID"},
		"a certificate not known":       {"openfga+grpc://" + serve(t, openfga(""), withTLS) + "/" + storeID, nil, "ReadAuthorizationModels"},
		"plaintext by mistake":          {"openfga+grpc://" + serve(t, openfga("")) + "/" + storeID, nil, "ReadAuthorizationModels"},
		"SpiceDB, TLS":                  {"spicedb+grpc://" + serve(t, spicedb(&spiceServer{text: text, token: secret}), withTLS), map[string]string{"USHER_ENGINE_TOKEN": secret, "USHER_ENGINE_CA_FILE": ca}, ""},
		"SpiceDB, plaintext, a token":   {"spicedb+grpc+plaintext://" + serve(t, spicedb(&spiceServer{text: text, token: secret})), map[string]string{"USHER_ENGINE_TOKEN": secret}, ""},
		"SpiceDB, no token":             {"spicedb+grpc+plaintext://" + serve(t, spicedb(&spiceServer{text: text, token: secret})), nil, "set USHER_ENGINE_TOKEN or USHER_ENGINE_TOKEN_FILE"},
		"SpiceDB, another token":        {"spicedb+grpc+plaintext://" + serve(t, spicedb(&spiceServer{text: text, token: secret})), map[string]string{"USHER_ENGINE_TOKEN": "another"}, "Unauthenticated"},
		"SpiceDB, no schema":            {"spicedb+grpc+plaintext://" + serve(t, spicedb(&spiceServer{err: status.Error(codes.NotFound, "none")})), map[string]string{"USHER_ENGINE_TOKEN": secret}, "SpiceDB has no schema"},
		"SpiceDB, an import":            {"spicedb+grpc+plaintext://" + serve(t, spicedb(&spiceServer{text: "use import\n" + "import \"a.zed\"\n"})), map[string]string{"USHER_ENGINE_TOKEN": secret}, "file does not exist"},
		"SpiceDB, nonsense":             {"spicedb+grpc+plaintext://" + serve(t, spicedb(&spiceServer{text: "nonsense"})), map[string]string{"USHER_ENGINE_TOKEN": secret}, ":1:1: "},
		"SpiceDB, large":                {"spicedb+grpc+plaintext://" + serve(t, spicedb(&spiceServer{text: strings.Repeat("//\n", 2<<20)})), map[string]string{"USHER_ENGINE_TOKEN": secret}, "ResourceExhausted"},
		"SpiceDB, down":                 {"spicedb+grpc+plaintext://127.0.0.1:1", map[string]string{"USHER_ENGINE_TOKEN": secret}, "Unavailable"},
		"https":                         {"https://host/x", nil, `there is no scheme "https"; an engine's URL is one of openfga+grpc://HOST:PORT/STORE`},
		"an engine without a schema":    {"authzen+https://host/x", nil, "no schema that can be read"},
		"a password":                    {"spicedb+grpc://user:" + secret + "@host:1", nil, "no user and no password: set USHER_ENGINE_TOKEN"},
		"a token in plain text":         {"spicedb+grpc+insecure-plaintext://192.0.2.1:1", map[string]string{"USHER_ENGINE_TOKEN": secret}, "isn't sent in plain text to another machine"},
		"plain text to another machine": {"openfga+grpc+plaintext://192.0.2.1:1/" + storeID, nil, "on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := model.Load(t.Context(), c.ref, environment(c.environment))
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the secret: %v", err)
			}
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v, want %q", err, c.want)
				}

				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, want := describe(s, nothing), describe(load(t, "testdata/suite/model.fga"), nothing)
			for key, value := range want {
				if got[key] != value {
					t.Errorf("%s: %s, want %s", key, got[key], value)
				}
			}
		})
	}
}

// TestLiveReflected: a SpiceDB that keeps the schema's text from this key may reflect it.
func TestLiveReflected(t *testing.T) {
	server := &spiceServer{err: status.Error(codes.PermissionDenied, "no"), reflected: &v1.ReflectSchemaResponse{
		Definitions: []*v1.ReflectionDefinition{{Name: "user"}, {Name: "doc", Relations: []*v1.ReflectionRelation{{
			Name: "viewer", SubjectTypes: []*v1.ReflectionTypeReference{{
				SubjectDefinitionName: "user", Typeref: &v1.ReflectionTypeReference_IsTerminalSubject{IsTerminalSubject: true},
			}},
		}}}},
	}}
	address := serve(t, func(s *grpc.Server) { v1.RegisterSchemaServiceServer(s, server) })
	s, err := model.Load(t.Context(), "spicedb+grpc+plaintext://"+address, environment(map[string]string{"USHER_ENGINE_TOKEN": secret}))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Holders("doc", "viewer").May("user", "") {
		t.Error("user may not be a viewer")
	}
}

// TestLiveHangs: a server that accepts and doesn't answer ends with the timeout.
func TestLiveHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, ref := range []string{"spicedb+grpc+plaintext://" + listener.Addr().String(), "openfga+grpc://" + listener.Addr().String() + "/" + storeID} {
		config := environment(map[string]string{"USHER_ENGINE_TOKEN": secret})
		config.Timeout = 100 * time.Millisecond
		if _, err := model.Load(t.Context(), ref, config); err == nil {
			t.Errorf("%s: no error", ref)
		}
	}
}
