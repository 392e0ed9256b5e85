// Package trust reads the roots that a program trusts.
package trust

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// File returns a configuration that trusts the certificates in a PEM file, or
// the system's if the file's name is empty.
func File(name string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if name == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", name)
	}
	return cfg, nil
}
