package engines

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
)

// maxMessage bounds a message of an engine, in bytes.
const maxMessage = 4 << 20

// maxCAFile bounds a file of certificates, in bytes.
const maxCAFile = 1 << 20

// dial connects lazily.
func (t *target) dial(port, service string, required bool) (*grpc.ClientConn, error) {
	transport, err := t.transport()
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport), grpc.WithDefaultServiceConfig(service), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)), grpc.WithUserAgent("usher"),
	}
	if t.plain {
		options = append(options, grpc.WithNoProxy())
	}
	key, found, err := t.secret()
	switch {
	case err != nil:
		return nil, err
	case found:
		options = append(options, grpc.WithPerRPCCredentials(bearer{key, t.plain}))
	case required:
		return nil, errors.New("set " + TokenVariable + " or " + TokenFileVariable)
	}

	return grpc.NewClient("dns:///"+t.hostPort(port), options...)
}

// transport returns the security of the connection.
func (t *target) transport() (credentials.TransportCredentials, error) {
	if t.plain {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := t.config.Getenv(CAFileVariable); name != "" {
		data, err := readFile(name, maxCAFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", CAFileVariable, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, errors.New(CAFileVariable + ": the file has no certificate in PEM")
		}
	}

	return credentials.NewTLS(config), nil
}

func openOpenFGA(t *target) (*Opened, error) {
	if err := t.only("model"); err != nil {
		return nil, err
	}
	store := strings.Trim(t.url.Path, "/")
	if store == "" {
		return nil, errors.New("name the store: openfga+grpc://HOST:PORT/STORE")
	}
	conn, err := t.dial("8081", openfga.ServiceConfig, false)
	if err != nil {
		return nil, err
	}
	engine, err := openfga.New(openfga.Config{
		Client: openfgav1.NewOpenFGAServiceClient(conn), StoreID: store, ModelID: t.url.Query().Get("model"), Timeout: t.config.Timeout,
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}

	return &Opened{Engine: engine, close: conn.Close}, nil
}

func openSpiceDB(t *target) (*Opened, error) {
	if err := t.only("encode_ids"); err != nil {
		return nil, err
	}
	encode := t.url.Query().Get("encode_ids")
	switch {
	case strings.Trim(t.url.Path, "/") != "":
		return nil, errors.New("SpiceDB has no path: spicedb+grpc://HOST:PORT")
	case encode != "" && encode != "true" && encode != "false":
		return nil, errors.New("encode_ids is true or false")
	}
	conn, err := t.dial("50051", spicedb.ServiceConfig, true)
	if err != nil {
		return nil, err
	}
	engine, err := spicedb.New(spicedb.Config{
		Client: v1.NewPermissionsServiceClient(conn), EncodeIDs: encode == "true", Timeout: t.config.Timeout,
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}

	return &Opened{Engine: engine, close: conn.Close}, nil
}
