package openfga

import (
	"context"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/authz/internal/adapter"
)

// ServiceConfig is a gRPC service config (for [grpc.WithDefaultServiceConfig]) for
// a connection to OpenFGA. It retries checks and model reads, which change nothing,
// twice if the connection failed, and balances requests over all servers that the
// name resolves to. OpenFGA's own refusals are not retried.
const ServiceConfig = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [
      {"service": "openfga.v1.OpenFGAService", "method": "Check"},
      {"service": "openfga.v1.OpenFGAService", "method": "BatchCheck"},
      {"service": "openfga.v1.OpenFGAService", "method": "ReadAuthorizationModel"},
      {"service": "openfga.v1.OpenFGAService", "method": "ReadAuthorizationModels"}
    ],
    "retryPolicy": {
      "maxAttempts": 3, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 3,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// PresharedKey returns call credentials for OpenFGA's preshared-key authentication.
// They require transport security: gRPC refuses to dial without it. For OpenFGA's
// OIDC authentication, use usher's credentials instead.
func PresharedKey(key string) credentials.PerRPCCredentials {
	return adapter.PresharedKey("openfga.PresharedKey", key)
}

// Embedded returns a Client that calls an OpenFGA server in the same process
// directly, without a connection. It is for tests, demos and programs without a
// sidecar.
func Embedded(server openfgav1.OpenFGAServiceServer) Client { return embedded{server} }

type embedded struct {
	server openfgav1.OpenFGAServiceServer
}

func (e embedded) Check(ctx context.Context, in *openfgav1.CheckRequest, _ ...grpc.CallOption) (*openfgav1.CheckResponse, error) {
	return e.server.Check(ctx, in)
}

func (e embedded) BatchCheck(ctx context.Context, in *openfgav1.BatchCheckRequest, _ ...grpc.CallOption) (*openfgav1.BatchCheckResponse, error) {
	return e.server.BatchCheck(ctx, in)
}

func (e embedded) ReadAuthorizationModel(ctx context.Context, in *openfgav1.ReadAuthorizationModelRequest, _ ...grpc.CallOption) (*openfgav1.ReadAuthorizationModelResponse, error) {
	return e.server.ReadAuthorizationModel(ctx, in)
}

func (e embedded) ReadAuthorizationModels(ctx context.Context, in *openfgav1.ReadAuthorizationModelsRequest, _ ...grpc.CallOption) (*openfgav1.ReadAuthorizationModelsResponse, error) {
	return e.server.ReadAuthorizationModels(ctx, in)
}

func (e embedded) Expand(ctx context.Context, in *openfgav1.ExpandRequest, _ ...grpc.CallOption) (*openfgav1.ExpandResponse, error) {
	return e.server.Expand(ctx, in)
}
