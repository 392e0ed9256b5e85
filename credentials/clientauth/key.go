package clientauth

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// Signer returns a source of a key that never changes.
func Signer(key crypto.Signer) KeySource {
	return func(context.Context) (crypto.Signer, error) { return key, nil }
}

// KeyFile returns a source that reads a PEM file with one private key: PKCS #8
// (PRIVATE KEY), PKCS #1 (RSA PRIVATE KEY) or SEC 1 (EC PRIVATE KEY), not
// encrypted. The file is read again at each request.
func KeyFile(path string) KeySource {
	return func(context.Context) (crypto.Signer, error) {
		data, err := readFile(path)
		if err != nil {
			return nil, err
		}
		return parseKey(data)
	}
}

// parseKey returns the first private key of a PEM file. It ignores other
// blocks, such as EC PARAMETERS, before and after it.
func parseKey(data []byte) (crypto.Signer, error) {
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			return nil, &authn.Error{Text: "the key file holds no private key"}
		}
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default:
			continue
		}
		if err != nil {
			return nil, &authn.Error{Text: "the key file can't be parsed", Err: err}
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, &authn.Error{Text: "the key file holds a key that can't sign"}
		}
		return signer, nil
	}
}
