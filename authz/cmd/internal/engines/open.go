package engines

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// The environment that credentials are read from.
const (
	// TokenVariable has the engine's key or bearer token.
	TokenVariable = "USHER_ENGINE_TOKEN"
	// TokenFileVariable names a file that has it. The file is read at each request.
	TokenFileVariable = "USHER_ENGINE_TOKEN_FILE"
	// CAFileVariable names a file of certificates in PEM, of the authorities that an engine
	// over gRPC is trusted by. Default: the system's.
	CAFileVariable = "USHER_ENGINE_CA_FILE"
	// APIKeyVariable has the key that an HTTP engine takes as X-API-Key.
	APIKeyVariable = "USHER_ENGINE_API_KEY"
)

// None is the name of no engine.
const None = "none"

// Forms are the names that Open takes.
const Forms = `openfga+grpc://HOST:PORT/STORE[?model=ID], spicedb+grpc://HOST:PORT, authzen+https://HOST/PATH, lumoauth+https://HOST/ORGANIZATION, tuples:FILE or none`

// defaultTimeout bounds each request of an operator's question.
const defaultTimeout = 10 * time.Second

// maxName bounds the name of an engine, in bytes.
const maxName = 2048

// Config configures [Open].
type Config struct {
	// Getenv reads the environment. Optional. Default os.Getenv.
	Getenv func(string) string
	// Timeout bounds each request. Optional. Default 10 s.
	Timeout time.Duration
}

// Opened is an engine, with its connection.
type Opened struct {
	// Engine is an authz.Engine. Nil if the name is [None].
	Engine any
	// Name is where the engine is, without anything that could be a secret.
	Name  string
	close func() error
}

// Close closes the connection.
func (o *Opened) Close() error {
	if o.close == nil {
		return nil
	}

	return o.close()
}

var (
	errUserInfo = errors.New("a name holds no user and no password: set " + TokenVariable + " or " + TokenFileVariable)
	errPlain    = errors.New("plaintext is only for an engine on this machine: use TLS, or within a mesh that encrypts +insecure-plaintext or +insecure-http")
)

// Open returns the engine of a name; see [Forms]. Without TLS, a scheme of gRPC ends in
// +plaintext and one of HTTP in +http, for an engine on this machine; for one within a mesh
// that encrypts, in +insecure-plaintext and +insecure-http. It does no I/O but to read
// files.
func Open(name string, config Config) (*Opened, error) {
	if config.Getenv == nil {
		config.Getenv = os.Getenv
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	if name == "" || name == None {
		return &Opened{Name: None}, nil
	}
	if len(name) > maxName {
		return nil, fmt.Errorf("--engine: a name of more than %d bytes", maxName)
	}
	if file, ok := strings.CutPrefix(name, "tuples:"); ok {
		return openTuples(file)
	}
	at, err := url.Parse(name)
	if err != nil || at.Host == "" {
		// The error of url.Parse repeats the name, which may have been given a secret.
		return nil, fmt.Errorf("--engine isn't one of %s", Forms)
	}
	if at.User != nil {
		return nil, fmt.Errorf("--engine: %w", errUserInfo)
	}
	if at.Fragment != "" {
		return nil, errors.New("--engine: a name has no #fragment")
	}
	t := target{config: config, url: at, scheme: at.Scheme}
	switch t.scheme {
	case "authzen+http", "lumoauth+http":
		t.scheme = strings.TrimSuffix(t.scheme, "http") + "https+plaintext"
	case "authzen+insecure-http", "lumoauth+insecure-http":
		t.scheme = strings.TrimSuffix(t.scheme, "insecure-http") + "https+insecure-plaintext"
	}
	if rest, ok := strings.CutSuffix(t.scheme, "+insecure-plaintext"); ok {
		t.scheme, t.plain = rest, true
	} else if rest, ok := strings.CutSuffix(t.scheme, "+plaintext"); ok {
		if t.scheme, t.plain = rest, true; !isLoopback(at.Hostname()) {
			return nil, fmt.Errorf("--engine %s: %w", at.Host, errPlain)
		}
	}
	open, ok := map[string]func(*target) (*Opened, error){
		"openfga+grpc": openOpenFGA, "spicedb+grpc": openSpiceDB, "authzen+https": openAuthZEN, "lumoauth+https": openLumoAuth,
	}[t.scheme]
	if !ok {
		return nil, fmt.Errorf("--engine: there is no scheme %q; it is one of %s", at.Scheme, Forms)
	}
	opened, err := open(&t)
	if err != nil {
		return nil, fmt.Errorf("--engine %s: %w", at.Host, err)
	}
	opened.Name = t.scheme + "://" + at.Host + at.Path

	return opened, nil
}

// target is where an engine is.
type target struct {
	config Config
	url    *url.URL
	scheme string
	plain  bool
}

// only returns an error for a parameter of the name that isn't known.
func (t *target) only(known ...string) error {
	query, err := url.ParseQuery(t.url.RawQuery)
	if err != nil {
		return errors.New("the parameters are malformed")
	}
	for name, values := range query {
		found := false
		for _, one := range known {
			found = found || one == name
		}
		if !found || len(values) != 1 {
			return fmt.Errorf("there is no parameter %q", name)
		}
		if values[0] == "" {
			return fmt.Errorf("the parameter %q is empty", name)
		}
	}

	return nil
}

// isLoopback reports whether a host is this machine, without asking a resolver.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)

	return err == nil && address.IsLoopback()
}

// hostPort returns the address to dial.
func (t *target) hostPort(defaultPort string) string {
	port := t.url.Port()
	if port == "" {
		port = defaultPort
	}

	return net.JoinHostPort(t.url.Hostname(), port)
}
