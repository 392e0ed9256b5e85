package spicedb

import (
	"google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/authz/internal/adapter"
)

// ServiceConfig is a gRPC service config (for [grpc.WithDefaultServiceConfig]) for
// a connection to SpiceDB. It retries checks, which change nothing, twice if the
// connection failed, and balances requests over all servers that the name resolves
// to. SpiceDB's own refusals are not retried.
const ServiceConfig = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [
      {"service": "authzed.api.v1.PermissionsService", "method": "CheckPermission"},
      {"service": "authzed.api.v1.PermissionsService", "method": "CheckBulkPermissions"}
    ],
    "retryPolicy": {
      "maxAttempts": 3, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 3,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// PresharedKey returns call credentials for SpiceDB's preshared-key authentication.
// They require transport security: gRPC refuses to dial without it.
func PresharedKey(key string) credentials.PerRPCCredentials {
	return adapter.PresharedKey("spicedb.PresharedKey", key)
}
