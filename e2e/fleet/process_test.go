package fleet

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/verify"
)

// process is an issuer in a process of its own, at one address for the whole
// test. Everything it has is in memory: killed and started again, it is the same
// issuer with other keys.
type process struct {
	w        *world
	command  func(context.Context) *exec.Cmd
	settings settings
	url      string

	running *exec.Cmd
	in      io.Closer
	errs    bytes.Buffer
}

// goOIDC is the quickstart's authorization server.
func (w *world) goOIDC(lifetime time.Duration, clients ...issuerClient) *process {
	w.t.Helper()
	self := must(os.Executable())(w.t)
	return w.newProcess(lifetime, clients, func(ctx context.Context) *exec.Cmd {
		command := exec.CommandContext(ctx, self)
		command.Env = append(os.Environ(), issuerVariable+"=1")
		return command
	})
}

// nodeOIDC is node-oidc-provider.
func (w *world) nodeOIDC(lifetime time.Duration, clients ...issuerClient) *process {
	w.t.Helper()
	node, npm := tool(w.t, "node"), tool(w.t, "npm")
	folder := nodeModules.install(w, npm)
	return w.newProcess(lifetime, clients, func(ctx context.Context) *exec.Cmd {
		command := exec.CommandContext(ctx, node, "issuer.mjs")
		command.Dir = folder
		return command
	})
}

// packages are what the scripts of the folder node need, installed once.
type packages struct {
	mu     sync.Mutex
	folder string
}

var nodeModules packages

// install makes a folder with the scripts and their packages.
func (p *packages) install(w *world, npm string) string {
	w.t.Helper()
	w.end.Stop() // the packages are every test's
	defer w.end.Reset(testTimeout)
	ctx, cancel := context.WithTimeout(w.ctx, installTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.folder != "" {
		return p.folder
	}
	p.folder = must(os.MkdirTemp("", "usher-fleet-"))(w.t)
	for _, name := range []string{"issuer.mjs", "package.json", "package-lock.json"} {
		content := must(os.ReadFile(filepath.Join("..", "node", name)))(w.t)
		if err := os.WriteFile(filepath.Join(p.folder, name), content, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	install := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = p.folder
	if out, err := install.CombinedOutput(); err != nil {
		w.t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return p.folder
}

func (p *packages) remove() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.folder == "" {
		return nil
	}
	return os.RemoveAll(p.folder)
}

func (w *world) newProcess(lifetime time.Duration, clients []issuerClient, command func(context.Context) *exec.Cmd) *process {
	w.t.Helper()
	for i := range clients {
		clients[i].Secret = rand.Text()
	}
	certificate, key := pemOf(w.t, w.cert)
	p := &process{w: w, command: command, settings: settings{
		Port: freePort(w.t), Certificate: certificate, Key: key,
		Lifetime: int(lifetime / time.Second), Resource: audience, Clients: clients,
	}}
	p.url = "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.Port))
	w.t.Cleanup(p.kill)
	return p
}

// start starts the process with new keys, whose ids begin with kid, and returns
// the time from which on it answers.
func (p *process) start(kid string) (answers time.Time) {
	t := p.w.t
	t.Helper()
	p.settings.KeyID = kid
	p.errs.Reset()
	p.running = p.command(p.w.ctx)
	p.running.Stderr = &p.errs
	in, out := must(p.running.StdinPipe())(t), must(p.running.StdoutPipe())(t)
	p.in = in
	if err := p.running.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(append(must(json.Marshal(p.settings))(t), '\n')); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		p.kill()
		t.Fatalf("the issuer doesn't start: %q, %v\n%s", line, err, &p.errs)
	}
	response, err := p.w.http.Do(must(http.NewRequestWithContext(p.w.ctx, http.MethodGet, p.url+"/jwks", http.NoBody))(t))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return time.Now()
}

// kill kills the process as a crash does, and its connections with it.
func (p *process) kill() {
	if p.running == nil {
		return
	}
	p.in.Close()
	_ = p.running.Process.Kill() // it may have ended by itself
	_ = p.running.Wait()         // "signal: killed"
	p.running = nil
}

// credentials makes the automatic tokens of one of its clients.
func (p *process) credentials(id string) *credentials.Credentials {
	p.w.t.Helper()
	return p.w.credentials(credentials.Config{
		Issuer: p.url, TokenURL: p.url + "/token", ClientID: id, Auth: clientauth.SecretBasic(clientauth.Constant(p.secret(id))),
	})
}

// serverID is the document service's own name at the issuer, with which it
// introspects.
const serverID = "documents"

// introspectionConfig is for node-oidc-provider's endpoint.
func (p *process) introspectionConfig(profile verify.Profile) verify.IntrospectionConfig {
	return verify.IntrospectionConfig{
		URL: p.url + "/token/introspection", Issuer: p.url, Profile: profile,
		ClientID: serverID, Auth: clientauth.SecretBasic(clientauth.Constant(p.secret(serverID))),
	}
}

func (p *process) secret(id string) string {
	for _, c := range p.settings.Clients {
		if c.ID == id {
			return c.Secret
		}
	}
	p.w.t.Fatalf("no client %s", id)
	return ""
}

// freePort finds a port that is free and stays so while the process is down:
// below those that systems give to outgoing connections, of which one to a dead
// port may even meet itself.
func freePort(t *testing.T) int {
	t.Helper()
	const first, last = 18000, 30000
	for range 100 {
		port := first + mathrand.IntN(last-first)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func pemOf(t *testing.T, c tls.Certificate) (certificate, key string) {
	t.Helper()
	der := must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// tool finds a program that the machine may not have. Without it the test does
// not pass: it logs the reason and is counted as skipped.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("NOTICE: %s is not on this machine, so this was not shown", name)
	}
	return path
}
