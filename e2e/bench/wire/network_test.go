package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// network is a way to reach the sides.
type network interface {
	// dial connects to a side.
	dial(side string) (*grpc.ClientConn, error)
	// used is what the process of the servers has used.
	used(collect bool) (usage, error)
}

// shared is what every benchmark uses, made at the first need and stopped by
// TestMain.
var shared struct {
	mu      sync.Mutex
	issuer  *credentialstest.Issuer
	token   string
	child   *child
	servers *servers
}

func stopShared() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.child != nil {
		shared.child.stop()
	}
	if shared.servers != nil {
		shared.servers.close()
	}
	if shared.issuer != nil {
		shared.issuer.Close()
	}
}

// open returns the network of a name, and the bearer of its calls.
func open(tb testing.TB, name string) (network, string) {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.issuer == nil {
		issuer, token, err := issue()
		if err != nil {
			tb.Fatal(err)
		}
		shared.issuer, shared.token = issuer, token
	}
	w := world{Issuer: shared.issuer.URL(), JWKSURL: shared.issuer.JWKSURL()}
	var err error
	if name == "memory" {
		if shared.servers == nil {
			if shared.servers, err = newServers(w, true); err != nil {
				tb.Fatal(err)
			}
		}
		return memory{shared.servers}, shared.token
	}
	if shared.child == nil {
		if shared.child, err = startChild(w); err != nil {
			tb.Fatal(err)
		}
	}
	security := plain
	if name == "tcp+tls" {
		security = withTLS
	}
	return tcp{shared.child, security}, shared.token
}

// child is the server process.
type child struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	hello   hello
}

func startChild(w world) (*child, error) {
	config, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	c := &child{process: exec.Command(os.Args[0], "-test.run=^$")}
	c.process.Env = append(os.Environ(), childEnv+"="+string(config))
	c.process.Stderr = os.Stderr
	if c.in, err = c.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.process.Start(); err != nil {
		return nil, err
	}
	if err := c.read(&c.hello); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *child) read(into any) error {
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

func (c *child) stop() {
	_ = c.in.Close()
	_ = c.process.Wait()
}

// tcp reaches the sides in the server process.
type tcp struct {
	child    *child
	security string
}

func (n tcp) dial(side string) (*grpc.ClientConn, error) {
	address, ok := n.child.hello.Addresses[side+" "+n.security]
	if !ok {
		return nil, errors.New("no side " + side)
	}
	transport := insecure.NewCredentials()
	if n.security == withTLS {
		certificate, err := x509.ParseCertificate(n.child.hello.Certificate)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AddCert(certificate)
		transport = credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS13})
	}
	return grpc.NewClient(address, grpc.WithTransportCredentials(transport))
}

func (n tcp) used(collect bool) (usage, error) {
	word := justReport
	if collect {
		word = collectFirst
	}
	if _, err := io.WriteString(n.child.in, word+"\n"); err != nil {
		return usage{}, err
	}
	var u usage
	err := n.child.read(&u)
	return u, err
}

// memory reaches the sides in this process; what is used is the clients' too.
type memory struct{ servers *servers }

func (n memory) dial(side string) (*grpc.ClientConn, error) {
	listener := n.servers.listeners[side]
	return grpc.NewClient("passthrough:///"+side, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
}

func (memory) used(collect bool) (usage, error) { return ownUsage(collect) }
