package engines

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

// maxToken bounds a key or token, in bytes.
const maxToken = 16 << 10

var (
	errToken = errors.New("the engine's token isn't one line of printable ASCII")
	errTwo   = errors.New("set one of " + TokenVariable + " and " + TokenFileVariable)
)

// secret is a key or token that is read when it is needed. Its text hides it.
type secret struct {
	value string
	file  string
}

// secret returns the token that the environment has, and whether it has one.
func (t *target) secret() (secret, bool, error) {
	s := secret{value: t.config.Getenv(TokenVariable), file: t.config.Getenv(TokenFileVariable)}
	if s.value != "" && s.file != "" {
		return secret{}, false, errTwo
	}
	if s.value == "" && s.file == "" {
		return secret{}, false, nil
	}
	_, err := s.read()

	return s, true, err
}

func (s secret) read() (string, error) {
	value := s.value
	if s.file != "" {
		data, err := readFile(s.file, maxToken)
		if err != nil {
			return "", fmt.Errorf("%s: %w", TokenFileVariable, err)
		}
		value = strings.TrimRight(string(data), "\r\n")
	}
	if value == "" || len(value) > maxToken || strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return "", errToken
	}

	return value, nil
}

var errFile = errors.New("the file can't be read, or is too large")

// readFile reads a file of at most limit bytes.
func readFile(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("the file can't be opened: %w", errors.Unwrap(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil || int64(len(data)) > limit {
		return nil, errFile
	}

	return data, nil
}

// String hides the secret.
func (s secret) String() string { return "secret" }

// GoString hides the secret from %#v.
func (s secret) GoString() string { return "secret" }

// Token returns the secret as a bearer token, for engines over HTTP.
func (s secret) Token(context.Context) (*oauth2.Token, error) {
	value, err := s.read()
	if err != nil {
		return nil, err
	}

	return &oauth2.Token{AccessToken: value, TokenType: "Bearer"}, nil
}

// bearer is call credentials of a secret.
type bearer struct {
	secret

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
