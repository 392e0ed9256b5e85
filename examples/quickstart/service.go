package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net/http"

	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
)

// service is one caller: a connection on which every call carries a token that
// is fetched and refreshed by itself.
type service struct {
	name        string
	credentials *credentials.Credentials
	conn        *grpc.ClientConn
	client      docsv1.DocumentServiceClient
}

// serviceConfig is what a caller needs of the rest of the world.
type serviceConfig struct {
	name       string
	auth       clientauth.Method
	issuer     string
	tokenURL   string
	httpClient *http.Client // trusts the issuer's certificate
	target     string
	roots      *x509.CertPool
	observer   credentials.Observer
}

// dial is what a user of usher writes to call a service.
func dial(cfg serviceConfig) (*service, error) {
	base, err := credentials.New(credentials.Config{
		Issuer:     cfg.issuer,
		TokenURL:   cfg.tokenURL,
		ClientID:   cfg.name,
		Auth:       cfg.auth,
		HTTPClient: cfg.httpClient,
		Observer:   cfg.observer,
	})
	if err != nil {
		return nil, err
	}
	creds := base.For(credentials.Target{Resources: []string{audience}})
	conn, err := grpc.NewClient(cfg.target, append(creds.DialOptions(),
		grpc.WithTransportCredentials(grpccredentials.NewClientTLSFromCert(cfg.roots, "")))...)
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	return &service{name: cfg.name, credentials: creds, conn: conn, client: docsv1.NewDocumentServiceClient(conn)}, nil
}

func (s *service) close() error {
	return errors.Join(s.conn.Close(), s.credentials.Close())
}

// newKey makes the key of a caller that authenticates by private_key_jwt.
func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
