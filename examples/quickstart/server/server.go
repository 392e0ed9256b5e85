// Package server guards the document service: it verifies each call's token and
// checks the rule that its method has in docs.proto. It is meant to be copied;
// cmd/server runs it.
package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/reflection"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cel"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	"github.com/usher-auth/usher/interceptor/telemetry"
)

// Config is what differs from one deployment to another.
type Config struct {
	Issuer   string       // issues the callers' tokens. Required.
	Audience string       // this service's name in tokens (RFC 8707). Required.
	HTTP     *http.Client // fetches the issuer's keys. Optional.

	OpenFGA          openfgav1.OpenFGAServiceClient // answers relations. Required.
	StoreID, ModelID string                         // Required.
	Attributes       authz.AttributeEngine          // answers attributes. Required for PressService.

	TLS         grpccredentials.TransportCredentials // Required.
	Register    func(grpc.ServiceRegistrar)          // registers the services. Required.
	Telemetry   telemetry.Telemetry                  // Optional.
	StopTimeout time.Duration                        // how long calls may go on after the end. Default 10 s.
}

const defaultStopTimeout = 10 * time.Second

// Server is a guarded gRPC server.
type Server struct {
	verifier    *verify.JWT
	auth        *interceptor.Interceptor
	grpc        *grpc.Server
	stopTimeout time.Duration
}

// New makes a server and checks the rules of every method. It connects to
// nothing. The caller closes the server.
func New(cfg Config) (_ *Server, err error) {
	if cfg.TLS == nil || cfg.Register == nil {
		return nil, errors.New("server: Config.TLS and Config.Register are required")
	}
	verifier, err := verify.NewJWT(verify.JWTConfig{
		Issuer:     cfg.Issuer,
		Audiences:  []string{cfg.Audience},
		HTTPClient: cfg.HTTP,
		Observer:   cfg.Telemetry.Verify,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, verifier.Close())
		}
	}()
	engine, err := openfga.New(openfga.Config{Client: cfg.OpenFGA, StoreID: cfg.StoreID, ModelID: cfg.ModelID})
	if err != nil {
		return nil, err
	}
	expressions, err := cel.New(cel.Config{})
	if err != nil {
		return nil, err
	}
	authorizer, err := authz.New(authz.Config{
		Issuers:     verifier,
		Subjects:    authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
		Engine:      engine,                                 // check
		Permissions: authz.ClaimPermissions{},               // permission: the token has them
		Attributes:  cfg.Attributes,                         // attributes
		Expressions: expressions,                            // expression
		Rules:       []authz.MethodRule{authz.Reflection()}, // its .proto isn't ours, so its rule is in code
		Observer:    cfg.Telemetry.Authz,
	})
	if err != nil {
		return nil, err
	}
	auth, err := interceptor.New(interceptor.Config{Verifier: verifier, Authorizer: authorizer, Observer: cfg.Telemetry.Interceptor})
	if err != nil {
		return nil, err
	}

	srv := grpc.NewServer(append(auth.ServerOptions(), grpc.Creds(cfg.TLS))...)
	cfg.Register(srv)
	reflection.Register(srv)
	if err := auth.ValidateServer(srv); err != nil {
		return nil, fmt.Errorf("the server refuses to start:\n%w", err)
	}
	return &Server{verifier: verifier, auth: auth, grpc: srv, stopTimeout: cmp.Or(cfg.StopTimeout, defaultStopTimeout)}, nil
}
