package clientauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// maxSecretFile bounds the file of a secret, a key, a certificate or an
// assertion, in bytes. The largest of them, a certificate chain, has a few KiB.
const maxSecretFile = 64 << 10

// Secret supplies a value at each request. It must honour the context and be
// safe for concurrent use. An empty value is an error, and so is a panic; neither
// the value nor the error's text appears in the text of an error.
type Secret func(context.Context) (string, error)

// Constant returns a secret that never changes.
func Constant(value string) Secret {
	return func(context.Context) (string, error) { return value, nil }
}

// Env returns a secret that is read from an environment variable at each
// request.
func Env(name string) Secret {
	return func(context.Context) (string, error) {
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", &authn.Error{Text: "the environment variable of a secret is not set"}
		}
		return value, nil
	}
}

// File returns a secret that is read from a regular file of at most 64 KiB at
// each request. One final newline is trimmed, since editors and echo add it;
// everything else is part of the secret.
func File(path string) Secret {
	return func(context.Context) (string, error) {
		data, err := readFile(path)
		if err != nil {
			return "", err
		}
		return trimNewline(string(data)), nil
	}
}

// trimNewline removes one LF or CR LF at the end.
func trimNewline(s string) string {
	if cut, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.TrimSuffix(cut, "\r")
	}
	return s
}

// readFile reads a bounded regular file. It refuses pipes and devices, which
// can block for ever and can be read only once.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, &authn.Error{Text: "a configured file is not a regular file"}
	}
	file, err := os.Open(path) //nolint:gosec // G304: the path is the operator's configuration, never a caller's
	if err != nil {
		return nil, fileError(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return nil, fileError(err)
	}
	if len(data) > maxSecretFile {
		return nil, &authn.Error{Text: fmt.Sprintf("a configured file is larger than %d bytes", maxSecretFile)}
	}
	return data, nil
}

// fileError returns an error that has the reason but not the path in its text,
// which may reach a remote caller in a status.
func fileError(err error) *authn.Error {
	text := "a configured file can't be read"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = "a configured file does not exist"
	case errors.Is(err, fs.ErrPermission):
		text = "a configured file may not be read"
	}
	return &authn.Error{Text: text, Err: err}
}
