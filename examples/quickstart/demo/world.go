package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/examples/quickstart/client"
	"github.com/usher-auth/usher/examples/quickstart/demo/authserver"
	"github.com/usher-auth/usher/examples/quickstart/demo/engine"
	"github.com/usher-auth/usher/examples/quickstart/demo/pki"
	"github.com/usher-auth/usher/examples/quickstart/documents"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
	"github.com/usher-auth/usher/examples/quickstart/server"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/credentials/clientauth"
)

const (
	// audience names the document service in tokens (RFC 8707).
	audience = "https://docs.internal"
	// httpTimeout bounds a request to the authorization server.
	httpTimeout = 5 * time.Second
	// stopTimeout bounds how long a call by hand holds up the end of the demo.
	stopTimeout = time.Second
)

// world is everything that runs: an authorization server, an engine, the
// guarded service, and three services that call it.
type world struct {
	ca        *pki.Authority
	issuer    *authserver.Server
	engine    *engine.Server
	addr      string       // of the document service
	asked     atomic.Int64 // requests to the engine
	watch     *watch
	services  map[string]*client.Client
	decisions chan *authz.Decision
	closers   []func() error
}

// worldConfig varies a world for tests.
type worldConfig struct {
	tokenLifetime time.Duration               // default: the authorization server's
	register      func(grpc.ServiceRegistrar) // services beside the document service
}

// newWorld starts everything. Nothing listens beyond loopback.
func newWorld(ctx context.Context, cfg worldConfig) (_ *world, err error) {
	// A call makes a handful of decisions; they are read after each call.
	const decisionsOfACall = 1024
	w := &world{services: map[string]*client.Client{}, decisions: make(chan *authz.Decision, decisionsOfACall)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.watch, err = newWatch(); err != nil {
		return nil, err
	}
	if w.ca, err = pki.New(); err != nil {
		return nil, err
	}
	certificate, err := w.ca.Server()
	if err != nil {
		return nil, err
	}
	auths, err := w.startIssuer(certificate, cfg.tokenLifetime)
	if err != nil {
		return nil, err
	}
	if w.engine, err = engine.Start(ctx); err != nil {
		return nil, err
	}
	w.closers = append(w.closers, w.engine.Close)
	httpClient := w.newHTTPClient()
	if err := w.startServer(certificate, httpClient, cfg.register); err != nil {
		return nil, err
	}
	for _, name := range services {
		if err := w.dial(name, auths[name], httpClient); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// startIssuer registers the callers with a new authorization server, two with a
// secret and one with a key, and returns how each authenticates.
func (w *world) startIssuer(certificate tls.Certificate, lifetime time.Duration) (map[string]clientauth.Method, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	readerSecret, strangerSecret := rand.Text(), rand.Text()
	w.issuer, err = authserver.New(authserver.Config{
		Certificate:   certificate,
		Resources:     []string{audience},
		TokenLifetime: lifetime,
		Clients: []authserver.Client{
			{ID: reader, Secret: readerSecret, Claims: map[string]any{"permissions": []string{"statistics.read"}}},
			{ID: writer, PublicKey: key.Public(), Claims: map[string]any{"department": "press"}},
			{ID: stranger, Secret: strangerSecret},
		},
	})
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, w.issuer.Close)
	return map[string]clientauth.Method{
		reader:   clientauth.SecretBasic(clientauth.Constant(readerSecret)),
		writer:   clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.Signer(key)}),
		stranger: clientauth.SecretBasic(clientauth.Constant(strangerSecret)),
	}, nil
}

// startServer starts the document service, and with it what register adds.
func (w *world) startServer(certificate tls.Certificate, httpClient *http.Client, register func(grpc.ServiceRegistrar)) error {
	observers := *w.watch.Telemetry
	observers.Authz = w.watch.authzBeside(authz.Observer{
		Decided: w.decided,
		Asked:   func(context.Context, authz.EngineAsked) { w.asked.Add(1) },
	})
	decider, err := authzen.New(authzen.Config{BaseURL: w.engine.AuthZEN(), HTTPClient: httpClient})
	if err != nil {
		return err
	}
	w.closers = append(w.closers, decider.Close)
	srv, err := server.New(server.Config{
		Issuer:     w.issuer.Issuer(),
		Audience:   audience,
		HTTP:       httpClient,
		OpenFGA:    w.engine.Client(),
		StoreID:    w.engine.StoreID(),
		ModelID:    w.engine.ModelID(),
		Attributes: decider,
		TLS:        grpccredentials.NewServerTLSFromCert(&certificate),
		Register: func(s grpc.ServiceRegistrar) {
			docsv1.RegisterDocumentServiceServer(s, documents.New(documents.OpenFGA{Client: w.engine.Client(), StoreID: w.engine.StoreID()}))
			docsv1.RegisterPressServiceServer(s, &documents.Press{})
			if register != nil {
				register(s)
			}
		},
		Telemetry:   observers,
		StopTimeout: stopTimeout,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	w.addr = listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, listener) }()
	w.closers = append(w.closers, func() error {
		stop()
		return errors.Join(<-served, srv.Close())
	})
	return nil
}

// dial makes one of the services that call the document service.
func (w *world) dial(name string, auth clientauth.Method, httpClient *http.Client) error {
	c, err := client.New(client.Config{
		Issuer:   w.issuer.Issuer(),
		TokenURL: w.issuer.TokenURL(),
		ID:       name,
		Auth:     auth,
		HTTP:     httpClient,
		Target:   w.addr,
		Resource: audience,
		TLS:      grpccredentials.NewClientTLSFromCert(w.ca.Pool(), ""),
		Observer: w.watch.Credentials,
	})
	if err != nil {
		return err
	}
	w.services[name] = c
	w.closers = append(w.closers, c.Close)
	return nil
}

func (w *world) newHTTPClient() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.ca.Pool(), MinVersion: tls.VersionTLS12}}
	w.closers = append(w.closers, func() error { transport.CloseIdleConnections(); return nil })
	return &http.Client{Transport: transport, Timeout: httpTimeout}
}

// decided keeps the decisions of the call that is under way.
func (w *world) decided(_ context.Context, decision *authz.Decision) {
	select {
	case w.decisions <- decision:
	default: // not read while serving by hand
	}
}

// takeDecisions returns the decisions since the last time.
func (w *world) takeDecisions() []*authz.Decision {
	var taken []*authz.Decision
	for {
		select {
		case d := <-w.decisions:
			taken = append(taken, d)
		default:
			return taken
		}
	}
}

// close stops everything, the last started first, and waits for it.
func (w *world) close() error {
	var err error
	for _, stop := range slices.Backward(w.closers) {
		err = errors.Join(err, stop())
	}
	w.closers = nil
	return err
}
