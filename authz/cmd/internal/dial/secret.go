package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/credentials"
)

// The environment of engines. A command that names two engines has one environment for
// both.
const (
	// TokenVariable has the engine's key or bearer token.
	TokenVariable = "USHER_ENGINE_TOKEN"
	// TokenFileVariable names a file that has it, on one line. The file is read at each
	// request.
	TokenFileVariable = "USHER_ENGINE_TOKEN_FILE"
	// CAFileVariable names a file of certificates in PEM, of the authorities that engines
	// are trusted by. Default: the system's.
	CAFileVariable = "USHER_ENGINE_CA_FILE"
	// APIKeyVariable has the key that an engine over HTTP takes as X-API-Key, instead of a
	// token.
	APIKeyVariable = "USHER_ENGINE_API_KEY"
)

const (
	// maxSecret bounds a token or key, in bytes.
	maxSecret = 16 << 10
	// maxCAFile bounds a file of certificates, in bytes.
	maxCAFile = 1 << 20
)

var (
	errSecret  = errors.New("the engine's token or key isn't one line of printable ASCII without spaces")
	errTwo     = errors.New("set only one of " + TokenVariable + ", " + TokenFileVariable + " and, for an engine over HTTP, " + APIKeyVariable)
	errLacking = errors.New("set " + TokenVariable + " or " + TokenFileVariable + ", or for an engine over HTTP " + APIKeyVariable)
	errExposed = errors.New("a token or key isn't sent in plain text to another machine: use TLS, or a tunnel to this machine")
)

// secret is a token or key that is read when it is needed. Its text hides it.
type secret struct {
	value string
	file  string
}

// secrets returns the token or the API key for the engine, of which at most one isn't nil.
// It is where a secret is kept from plain text.
func (t *Target) secrets(getenv func(string) string) (token, key *secret, err error) {
	value, file := getenv(TokenVariable), getenv(TokenFileVariable)
	if value != "" || file != "" {
		token = &secret{value: value, file: file}
	}
	if value := getenv(APIKeyVariable); value != "" && !t.Engine.grpc() {
		key = &secret{value: value}
	}
	found := token != nil || key != nil
	switch {
	case value != "" && file != "", token != nil && key != nil:
		return nil, nil, errTwo
	case t.exposed() && (found || t.Engine.needsKey()):
		return nil, nil, errExposed
	case !found && t.Engine.needsKey():
		return nil, nil, errLacking
	}
	for _, s := range []*secret{token, key} {
		if s == nil {
			continue
		}
		if _, err := s.read(); err != nil {
			return nil, nil, err
		}
	}

	return token, key, nil
}

func (s *secret) read() (string, error) {
	value := s.value
	if s.file != "" {
		data, err := readFile(s.file, maxSecret)
		if err != nil {
			return "", fmt.Errorf("%s: %w", TokenFileVariable, err)
		}
		value = strings.TrimRight(string(data), "\r\n")
	}
	if value == "" || len(value) > maxSecret || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errSecret
	}

	return value, nil
}

// String hides the secret.
func (*secret) String() string { return "secret" }

// GoString hides the secret from %#v.
func (*secret) GoString() string { return "secret" }

// Token returns the secret as a bearer token, for engines over HTTP.
func (s *secret) Token(context.Context) (*oauth2.Token, error) {
	value, err := s.read()
	if err != nil {
		return nil, err
	}

	return &oauth2.Token{AccessToken: value, TokenType: "Bearer"}, nil
}

// bearer sends a secret with each request over gRPC.
type bearer struct {
	*secret

	plain bool
}

var _ credentials.PerRPCCredentials = bearer{}

// GetRequestMetadata returns the header.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	value, err := b.read()
	if err != nil {
		return nil, err
	}

	return map[string]string{"authorization": "Bearer " + value}, nil
}

// RequireTransportSecurity reports whether the connection must be encrypted.
func (b bearer) RequireTransportSecurity() bool { return !b.plain }

// readFile reads a regular file of at most limit bytes: a pipe could hang, and has its
// text once.
func readFile(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the file can't be opened: %w", errors.Unwrap(err))
	case !info.Mode().IsRegular() || info.Size() > limit:
		return nil, fmt.Errorf("not a regular file of at most %d bytes", limit)
	}
	file, err := os.Open(name) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("the file can't be opened: %w", errors.Unwrap(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil || int64(len(data)) > limit {
		return nil, errors.New("the file can't be read, or is too large")
	}

	return data, nil
}
