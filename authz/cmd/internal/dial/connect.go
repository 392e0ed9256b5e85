package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/internal/httpx"
)

const (
	// maxMessage bounds a message of an engine over gRPC, in bytes.
	maxMessage = 4 << 20
	// idleConnections is how many connections to an engine over HTTP are kept for its next
	// requests.
	idleConnections = 8
)

// GRPC returns a connection to an engine over gRPC, which the caller closes. It reads the
// environment, and the files that it names, but connects lazily.
func (t *Target) GRPC(getenv func(string) string) (*grpc.ClientConn, error) {
	service := map[Engine]string{OpenFGA: openfga.ServiceConfig, SpiceDB: spicedb.ServiceConfig}[t.Engine]
	if service == "" {
		return nil, fmt.Errorf("%s isn't asked over gRPC", t.Engine)
	}
	token, _, err := t.secrets(getenv)
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if t.security == encrypted {
		config, err := tlsConfig(getenv)
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport), grpc.WithDefaultServiceConfig(service), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)), grpc.WithUserAgent("usher"),
	}
	if t.security != encrypted {
		options = append(options, grpc.WithNoProxy())
	}
	if token != nil {
		options = append(options, grpc.WithPerRPCCredentials(bearer{token, t.security != encrypted}))
	}

	return grpc.NewClient("dns:///"+t.host, options...)
}

// HTTP is how an engine over HTTP is asked.
type HTTP struct {
	// BaseURL is the engine's URL, without a slash at its end.
	BaseURL string
	// Origin is BaseURL without its path.
	Origin string
	// Insecure reports whether BaseURL is plain http to any machine.
	Insecure bool
	// TokenSource is nil if the environment has no token.
	TokenSource interface {
		Token(ctx context.Context) (*oauth2.Token, error)
	}
	// APIKey is nil if the environment has no API key.
	APIKey func(ctx context.Context) (string, error)
	// Client has the transport. Its idle connections are the caller's to close.
	Client *http.Client
}

// HTTP returns how an engine over HTTP is asked. It reads the environment, and the files
// that it names.
func (t *Target) HTTP(getenv func(string) string) (*HTTP, error) {
	if t.Engine.grpc() {
		return nil, fmt.Errorf("%s isn't asked over HTTP", t.Engine)
	}
	token, key, err := t.secrets(getenv)
	if err != nil {
		return nil, err
	}
	transport := httpx.NewTransport(idleConnections)
	h := &HTTP{Origin: "https://" + t.host, Insecure: t.security == insecurePlaintext, Client: &http.Client{Transport: transport}}
	if t.security == encrypted {
		if transport.TLSClientConfig, err = tlsConfig(getenv); err != nil {
			return nil, err
		}
	} else {
		h.Origin, transport.Proxy = "http://"+t.host, nil
	}
	h.BaseURL = h.Origin + t.path
	if token != nil {
		h.TokenSource = token
	}
	if key != nil {
		h.APIKey = func(context.Context) (string, error) { return key.read() }
	}

	return h, nil
}

func tlsConfig(getenv func(string) string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := getenv(CAFileVariable); name != "" {
		data, err := readFile(name, maxCAFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", CAFileVariable, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, errors.New(CAFileVariable + ": the file has no certificate in PEM")
		}
	}

	return config, nil
}
