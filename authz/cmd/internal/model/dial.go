package model

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// The environment of a live engine. A credential comes from it or from a file, never from
// a flag, which other users of the machine can read.
const (
	tokenVariable     = "USHER_SCHEMA_TOKEN"
	tokenFileVariable = "USHER_SCHEMA_TOKEN_FILE"
	caFileVariable    = "USHER_SCHEMA_CA_FILE"
)

// dial returns a connection to a live engine, which the caller closes: over TLS, unless
// the URL's scheme says plaintext. Without TLS it sends the token to this machine alone.
func dial(t target, getenv func(string) string) (*grpc.ClientConn, error) {
	bearer, err := bearerToken(getenv)
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if !t.plaintext {
		if transport, err = transportTLS(getenv); err != nil {
			return nil, err
		}
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxBytes)), grpc.WithDisableServiceConfig(),
	}
	if t.plaintext {
		options = append(options, grpc.WithNoProxy())
	}
	switch {
	case bearer == "":
	case t.plaintext && !loopback(t.host):
		return nil, errors.New("a token isn't sent in plain text to another machine; use TLS, or unset " + tokenVariable + " and " + tokenFileVariable)
	default:
		options = append(options, grpc.WithPerRPCCredentials(token{value: bearer, plaintext: t.plaintext}))
	}

	return grpc.NewClient("dns:///"+t.address, options...)
}

// loopback reports whether a host is this machine by its address or as localhost.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)

	return host == "localhost" || err == nil && address.IsLoopback()
}

func bearerToken(getenv func(string) string) (string, error) {
	value, file := getenv(tokenVariable), getenv(tokenFileVariable)
	switch {
	case value != "" && file != "":
		return "", errors.New(tokenVariable + " and " + tokenFileVariable + " are both set")
	case file != "":
		data, err := smallFile(file)
		if err != nil {
			return "", fmt.Errorf("%s: %w", tokenFileVariable, err)
		}
		if value = strings.TrimSpace(string(data)); value == "" {
			return "", errors.New(tokenFileVariable + ": the file is empty")
		}
	}
	for _, r := range value {
		if r <= ' ' || r > '~' {
			return "", errors.New("the token of " + tokenVariable + " or " + tokenFileVariable + " has white space or a character that isn't ASCII")
		}
	}

	return value, nil
}

func transportTLS(getenv func(string) string) (credentials.TransportCredentials, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := getenv(caFileVariable); file != "" {
		data, err := smallFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", caFileVariable, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, errors.New(caFileVariable + ": the file has no certificate in PEM")
		}
	}

	return credentials.NewTLS(config), nil
}

// smallFile reads a regular file of at most 1 MiB.
func smallFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > 1<<20:
		return nil, errors.New("isn't a regular file of at most 1 MiB")
	}

	return os.ReadFile(file) //nolint:gosec // the file that the operator names
}

// token sends a bearer token with each request.
type token struct {
	value     string
	plaintext bool
}

// GetRequestMetadata returns the token's header.
func (t token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + t.value}, nil
}

// RequireTransportSecurity reports whether the token needs TLS.
func (t token) RequireTransportSecurity() bool { return !t.plaintext }

// String hides the token from a log of dial options.
func (t token) String() string { return "token" }

// GoString hides the token from %#v.
func (t token) GoString() string { return "token" }
