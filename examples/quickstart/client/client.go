// Package client calls the document service with tokens that are fetched and
// refreshed automatically. It is meant to be copied; cmd/client runs it.
package client

import (
	"errors"
	"net/http"

	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
)

// Config is what differs from one deployment to another.
type Config struct {
	Issuer   string            // issues the tokens. Required.
	TokenURL string            // Optional: by default the issuer's metadata has it.
	ID       string            // this client's id at the issuer. Required.
	Auth     clientauth.Method // how it authenticates there. Required.
	HTTP     *http.Client      // fetches the tokens. Optional.

	Target   string                               // the service's address. Required.
	Resource string                               // the service's name in tokens (RFC 8707). Required.
	TLS      grpccredentials.TransportCredentials // Required.
	Observer credentials.Observer                 // Optional.
}

// Client is a connection to the document service and the press. Safe for concurrent use.
type Client struct {
	docsv1.DocumentServiceClient

	// Press is the other service.
	Press docsv1.PressServiceClient
	// Credentials attach the tokens. They are an oauth2.TokenSource, too.
	Credentials *credentials.Credentials

	conn *grpc.ClientConn
}

// New makes a client. It connects and fetches a token at the first call. The
// caller closes the client.
func New(cfg Config) (*Client, error) {
	base, err := credentials.New(credentials.Config{
		Issuer:     cfg.Issuer,
		TokenURL:   cfg.TokenURL,
		ClientID:   cfg.ID,
		Auth:       cfg.Auth,
		HTTPClient: cfg.HTTP,
		Observer:   cfg.Observer,
	})
	if err != nil {
		return nil, err
	}
	creds := base.For(credentials.Target{Resources: []string{cfg.Resource}})
	conn, err := grpc.NewClient(cfg.Target, append(creds.DialOptions(), grpc.WithTransportCredentials(cfg.TLS))...)
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	return &Client{
		DocumentServiceClient: docsv1.NewDocumentServiceClient(conn), Press: docsv1.NewPressServiceClient(conn),
		Credentials: creds, conn: conn,
	}, nil
}

// Close closes the connection and stops refreshing the token.
func (c *Client) Close() error { return errors.Join(c.conn.Close(), c.Credentials.Close()) }
