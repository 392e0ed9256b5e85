package server_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/examples/quickstart/demo/engine"
	"github.com/usher-auth/usher/examples/quickstart/demo/pki"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
	"github.com/usher-auth/usher/examples/quickstart/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 30 * time.Second

// slow is a document service whose public method waits.
type slow struct {
	docsv1.UnimplementedDocumentServiceServer

	entered chan struct{}
	leave   chan struct{}
}

func (s *slow) GetServiceInfo(ctx context.Context, _ *docsv1.GetServiceInfoRequest) (*docsv1.GetServiceInfoResponse, error) {
	close(s.entered)
	select {
	case <-s.leave:
		return &docsv1.GetServiceInfoResponse{Name: "slow"}, nil
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// fixture is a server that is not yet serving. Its issuer and its engine don't
// exist: the public method needs neither.
type fixture struct {
	*server.Server

	service  *slow
	listener net.Listener
	client   docsv1.DocumentServiceClient
}

func start(t *testing.T, stopTimeout time.Duration) *fixture {
	t.Helper()
	ca, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{service: &slow{entered: make(chan struct{}), leave: make(chan struct{})}}
	cfg := config(t)
	cfg.TLS = grpccredentials.NewServerTLSFromCert(&certificate)
	cfg.Register = func(s grpc.ServiceRegistrar) { docsv1.RegisterDocumentServiceServer(s, f.service) }
	cfg.StopTimeout = stopTimeout
	if f.Server, err = server.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	if f.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(f.listener.Addr().String(), grpc.WithTransportCredentials(grpccredentials.NewClientTLSFromCert(ca.Pool(), "")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	f.client = docsv1.NewDocumentServiceClient(conn)
	return f
}

// config has what every server needs but TLS and Register.
func config(t *testing.T) server.Config {
	t.Helper()
	conn, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return server.Config{
		Issuer: "https://127.0.0.1:1", Audience: "https://docs.internal",
		OpenFGA: openfgav1.NewOpenFGAServiceClient(conn), StoreID: "01JXJ0G8X9S8R6T3ZQ3K2V5W7A", ModelID: "01JXJ0G8X9S8R6T3ZQ3K2V5W7B",
	}
}

// callThenStop serves, calls, and ends the server while the call is under way.
func (f *fixture) callThenStop(t *testing.T, during func()) (called, served error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	serving, stop := context.WithCancel(ctx)
	servedErr, calledErr := make(chan error, 1), make(chan error, 1)
	go func() { servedErr <- f.Serve(serving, f.listener) }()
	go func() {
		_, err := f.client.GetServiceInfo(ctx, &docsv1.GetServiceInfoRequest{})
		calledErr <- err
	}()
	<-f.service.entered
	stop()
	during()
	return <-calledErr, <-servedErr
}

func TestCallUnderWayEndsByItself(t *testing.T) {
	f := start(t, 0)
	called, served := f.callThenStop(t, func() {
		for { // until the server has begun to stop
			conn, err := net.Dial("tcp", f.listener.Addr().String())
			if err != nil {
				break
			}
			conn.Close()
		}
		close(f.service.leave)
	})
	if called != nil || served != nil {
		t.Errorf("call: %v, server: %v", called, served)
	}
}

func TestCallThatGoesOnIsCutAfterStopTimeout(t *testing.T) {
	f := start(t, 50*time.Millisecond)
	called, served := f.callThenStop(t, func() {})
	if status.Code(called) != codes.Unavailable || served != nil {
		t.Errorf("call: %v, server: %v", called, served)
	}
}

func TestContextThatEndedBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := start(t, 0)
	if err := f.Serve(ctx, f.listener); err != nil {
		t.Error(err)
	}
}

func TestListenerThatFails(t *testing.T) {
	f := start(t, 0)
	f.listener.Close()
	if err := f.Serve(t.Context(), f.listener); err == nil {
		t.Error("no error")
	}
}

func TestNotReady(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	f := start(t, 0)
	f.listener.Close()
	err := f.Ready(ctx)
	for _, want := range []string{"verify: ", "openfga: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q isn't in %v", want, err)
		}
	}
}

func TestWithoutTLSOrServices(t *testing.T) {
	for name, change := range map[string]func(*server.Config){
		"TLS":      func(c *server.Config) { c.Register = func(grpc.ServiceRegistrar) {} },
		"Register": func(c *server.Config) { c.TLS = insecure.NewCredentials() },
	} {
		cfg := config(t)
		change(&cfg)
		if _, err := server.New(cfg); err == nil || !strings.Contains(err.Error(), "Config."+name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// PressService has a rule by attributes: without a server that decides it, the server
// says so at start.
func TestAttributesThatNothingAnswers(t *testing.T) {
	cfg := config(t)
	cfg.TLS = insecure.NewCredentials()
	cfg.Register = func(s grpc.ServiceRegistrar) {
		docsv1.RegisterPressServiceServer(s, docsv1.UnimplementedPressServiceServer{})
	}
	_, err := server.New(cfg)
	if err == nil {
		t.Fatal("the server started")
	}
	for _, want := range []string{"PressService/PublishDocument", "Config.Attributes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q isn't in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "OrderPrints") {
		t.Errorf("the expression is at fault, too: %v", err)
	}
}

// A model that lacks what a rule asks about is found before the first call.
func TestNotReadyForItsModel(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	store, err := engine.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	poor, err := store.Client().WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId: store.StoreID(), SchemaVersion: "1.1",
		TypeDefinitions: []*openfgav1.TypeDefinition{{Type: "user"}, {Type: "service"}, {Type: "document"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for model, wants := range map[string][]string{
		store.ModelID():                {"verify: "},
		poor.GetAuthorizationModelId(): {"verify: ", "DocumentService/GetDocument: rule.check.relation: ", `no relation "viewer" of type "document"`},
	} {
		cfg := config(t)
		cfg.TLS, cfg.OpenFGA, cfg.StoreID, cfg.ModelID = insecure.NewCredentials(), store.Client(), store.StoreID(), model
		cfg.Register = func(s grpc.ServiceRegistrar) {
			docsv1.RegisterDocumentServiceServer(s, docsv1.UnimplementedDocumentServiceServer{})
		}
		srv, err := server.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = srv.Ready(ctx)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q isn't in %v", want, err)
			}
		}
		if len(wants) == 1 && strings.Contains(err.Error(), "schema") {
			t.Error("the demo's rules don't fit its model:", err)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}
}
