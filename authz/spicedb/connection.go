package spicedb

import (
	"google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/authz/internal/adapter"
)

// ServiceConfig is a gRPC service config (for [grpc.WithDefaultServiceConfig])
// for a connection to SpiceDB: checks, which change nothing, are tried again
// twice when the connection failed; every server that the name resolves to takes
// its share. SpiceDB's own refusals are not retried.
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

// PresharedKey is SpiceDB's preshared-key authentication as call credentials.
// They need transport security: gRPC refuses to dial without it.
func PresharedKey(key string) credentials.PerRPCCredentials {
	return adapter.PresharedKey("spicedb.PresharedKey", key)
}
