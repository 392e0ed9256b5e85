// Package cmd_test runs the programs as their readers do.
package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/examples/quickstart/demo/authserver"
	"github.com/usher-auth/usher/examples/quickstart/demo/engine"
	"github.com/usher-auth/usher/examples/quickstart/demo/pki"
)

const testTimeout = 3 * time.Minute // the first build takes a while

func write(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// keyPair writes a certificate and its key.
func keyPair(t *testing.T, folder string, certificate tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(folder, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})),
		write(t, filepath.Join(folder, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
}

func TestProgramsTalkToEachOther(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	folder := t.TempDir()
	build := exec.CommandContext(ctx, "go", "build", "-o", folder, "./server", "./client")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	ca, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	secret := rand.Text()
	issuer, err := authserver.New(authserver.Config{
		Certificate: certificate,
		Resources:   []string{"https://docs.internal"},
		Clients:     []authserver.Client{{ID: "reader", Secret: secret}, {ID: "nobody", Secret: secret}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Close()
	fga, err := engine.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer fga.Close()
	caFile := write(t, filepath.Join(folder, "ca.pem"), ca.PEM())
	secretFile := write(t, filepath.Join(folder, "secret"), []byte(secret))
	certFile, keyFile := keyPair(t, folder, certificate)

	server := exec.CommandContext(ctx, filepath.Join(folder, "server"), "-listen", "127.0.0.1:0", "-cert", certFile, "-key", keyFile,
		"-ca", caFile, "-issuer", issuer.Issuer(), "-openfga", fga.Addr(), "-openfga-insecure", "-store", fga.StoreID(), "-model", fga.ModelID(),
		"-authzen", fga.AuthZEN())
	var audit bytes.Buffer
	server.Stderr = &audit
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "serving on ")
	if !ok {
		t.Fatalf("the server printed %q (%v), and %v\n%s", line, err, server.Wait(), audit.String())
	}

	call := func(id, issuer string, documents ...string) (string, error) {
		client := exec.CommandContext(ctx, filepath.Join(folder, "client"), append([]string{
			"-ca", caFile, "-issuer", issuer, "-id", id, "-secret-file", secretFile, "-target", addr,
		}, documents...)...)
		out, err := client.CombinedOutput()
		return string(out), err
	}
	for name, c := range map[string]struct {
		id, issuer string
		documents  []string
		ok         bool
		want       []string
	}{
		"granted":          {"reader", issuer.Issuer(), []string{"onboarding", "holidays"}, true, []string{"onboarding: Welcome.", "holidays: Thirty days."}},
		"denied":           {"nobody", issuer.Issuer(), []string{"onboarding"}, false, []string{"PermissionDenied", "RELATION_DENIED", "decision "}},
		"client not known": {"unknown", issuer.Issuer(), []string{"onboarding"}, false, []string{"no token", "invalid_client"}},
	} {
		got, err := call(c.id, c.issuer, c.documents...)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q isn't in the output:\n%s", name, want, got)
			}
		}
		if strings.Contains(got, secret) {
			t.Errorf("%s: the secret is in the output", name)
		}
	}

	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v\n%s", err, audit.String())
	}
	for _, want := range []string{`"allowed":true`, `"reason":"RELATION_DENIED"`} {
		if !strings.Contains(audit.String(), want) {
			t.Errorf("no audit record has %s:\n%s", want, audit.String())
		}
	}
}
