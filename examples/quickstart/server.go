package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/reflection"

	"github.com/usher-auth/usher/examples/quickstart/docserver"
	"github.com/usher-auth/usher/examples/quickstart/engine"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// audience names the document service in tokens (RFC 8707).
const audience = "https://docs.internal"

// server is the guarded document service.
type server struct {
	addr     string
	grpc     *grpc.Server
	served   chan error
	verifier *verify.JWT
	asked    atomic.Int64 // requests to the engine
}

// serverConfig is what the server needs of the rest of the world.
type serverConfig struct {
	issuer      string
	httpClient  *http.Client // trusts the issuer's certificate
	engine      *engine.Server
	certificate tls.Certificate
	watch       *watch
	decided     func(context.Context, *authz.Decision) // for the table
	register    func(grpc.ServiceRegistrar)            // services beside the document service; may be nil
}

// startServer is what a user of usher writes: a verifier, an engine, one
// interceptor, and a look at the rules before the first call.
func startServer(cfg serverConfig) (_ *server, err error) {
	s := &server{served: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()

	s.verifier, err = verify.NewJWT(verify.JWTConfig{
		Issuer:     cfg.issuer,
		Audiences:  []string{audience},
		HTTPClient: cfg.httpClient,
		Observer:   cfg.watch.Verify,
	})
	if err != nil {
		return nil, err
	}
	adapter, err := openfga.New(openfga.Config{Client: cfg.engine.Client(), StoreID: cfg.engine.StoreID(), ModelID: cfg.engine.ModelID()})
	if err != nil {
		return nil, err
	}
	guard, err := interceptor.New(interceptor.Config{
		Verifier: s.verifier,
		Engine:   adapter,
		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
		Rules:    []authz.MethodRule{authz.Reflection()}, // not our .proto, so its rule stands here
		Observer: cfg.watch.Interceptor,
		// A service that prints no table has just cfg.watch.Authz here.
		AuthzObserver: cfg.watch.authzBeside(authz.Observer{
			Decided: cfg.decided,
			Asked:   func(context.Context, authz.EngineAsked) { s.asked.Add(1) },
		}),
	})
	if err != nil {
		return nil, err
	}

	s.grpc = grpc.NewServer(append(guard.ServerOptions(),
		grpc.Creds(grpccredentials.NewServerTLSFromCert(&cfg.certificate)))...)
	docsv1.RegisterDocumentServiceServer(s.grpc, docserver.New(relations{cfg.engine}))
	reflection.Register(s.grpc)
	if cfg.register != nil {
		cfg.register(s.grpc)
	}
	if err := guard.ValidateServer(s.grpc); err != nil {
		return nil, fmt.Errorf("the server refuses to start:\n%w", err)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.addr = listener.Addr().String()
	go func() { s.served <- s.grpc.Serve(listener) }()
	return s, nil
}

// close stops the server and what it owns.
func (s *server) close() error {
	var err error
	if s.grpc != nil {
		s.grpc.Stop()
	}
	if s.addr != "" {
		err = <-s.served
	}
	if s.verifier != nil {
		err = errors.Join(err, s.verifier.Close())
	}
	return err
}
