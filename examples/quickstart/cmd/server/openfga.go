package main

import (
	"crypto/tls"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/usher-auth/usher/authz/openfga"
)

// dialOpenFGA connects to OpenFGA by TLS with the key in OPENFGA_KEY. An
// insecure one, such as a container started to try things, has neither.
func dialOpenFGA(addr string, roots *tls.Config, plaintext bool) (*grpc.ClientConn, error) {
	opts := []grpc.DialOption{grpc.WithDefaultServiceConfig(openfga.ServiceConfig)}
	if plaintext {
		opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))
	} else {
		opts = append(opts, grpc.WithTransportCredentials(credentials.NewTLS(roots)),
			grpc.WithPerRPCCredentials(openfga.PresharedKey(os.Getenv("OPENFGA_KEY"))))
	}
	return grpc.NewClient(addr, opts...)
}
