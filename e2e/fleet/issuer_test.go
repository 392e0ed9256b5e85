package fleet

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/usher-auth/usher/examples/quickstart/demo/authserver"
)

// settings is what an issuer's process reads, as one line of JSON: Go's and
// node/issuer.mjs alike.
type settings struct {
	Port        int            `json:"port"`
	Certificate string         `json:"certificate"` // PEM
	Key         string         `json:"key"`         // PEM
	KeyID       string         `json:"kid"`
	Lifetime    int            `json:"lifetime"` // of tokens, in seconds
	Resource    string         `json:"resource"`
	Clients     []issuerClient `json:"clients"`
}

type issuerClient struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	Opaque bool   `json:"opaque"`
}

// serveIssuer is the main function of go-oidc's process. It ends with its
// standard input, so that it doesn't outlive the test.
func serveIssuer(in io.Reader, out, errs io.Writer) int {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = runIssuer(line, lines, out)
	}
	if err != nil {
		fmt.Fprintln(errs, "issuer:", err)
		return 1
	}
	return 0
}

func runIssuer(line []byte, in io.Reader, out io.Writer) error {
	var s settings
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair([]byte(s.Certificate), []byte(s.Key))
	if err != nil {
		return err
	}
	cfg := authserver.Config{
		Certificate: certificate, Resources: []string{s.Resource}, KeyPrefix: s.KeyID,
		Address:       net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)),
		TokenLifetime: time.Duration(s.Lifetime) * time.Second,
	}
	for _, c := range s.Clients {
		cfg.Clients = append(cfg.Clients, authserver.Client{ID: c.ID, Secret: c.Secret, Opaque: c.Opaque, Introspects: true})
	}
	server, err := authserver.New(cfg)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	return server.Close()
}
