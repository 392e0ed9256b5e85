package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/usher-auth/usher/examples/quickstart/authserver"
	"github.com/usher-auth/usher/examples/quickstart/engine"
	"github.com/usher-auth/usher/examples/quickstart/pki"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/clientauth"
)

// httpTimeout bounds a request to the authorization server.
const httpTimeout = 5 * time.Second

// world is everything that runs: an authorization server, an engine, the
// guarded service, and three services that call it.
type world struct {
	ca        *pki.Authority
	issuer    *authserver.Server
	engine    *engine.Server
	server    *server
	watch     *watch
	services  map[string]*service
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
	w := &world{services: map[string]*service{}, decisions: make(chan *authz.Decision, decisionsOfACall)}
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
	w.server, err = startServer(serverConfig{
		issuer:      w.issuer.Issuer(),
		httpClient:  httpClient,
		engine:      w.engine,
		certificate: certificate,
		watch:       w.watch,
		decided:     w.decided,
		register:    cfg.register,
	})
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, w.server.close)
	for _, name := range services {
		s, err := dial(serviceConfig{
			name:       name,
			auth:       auths[name],
			issuer:     w.issuer.Issuer(),
			tokenURL:   w.issuer.TokenURL(),
			httpClient: httpClient,
			target:     w.server.addr,
			roots:      w.ca.Pool(),
			observer:   w.watch.Credentials,
		})
		if err != nil {
			return nil, err
		}
		w.services[name] = s
		w.closers = append(w.closers, s.close)
	}
	return w, nil
}

// startIssuer registers the callers with a new authorization server, two with a
// secret and one with a key, and returns how each authenticates.
func (w *world) startIssuer(certificate tls.Certificate, lifetime time.Duration) (map[string]clientauth.Method, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	readerSecret, strangerSecret := rand.Text(), rand.Text()
	w.issuer, err = authserver.New(authserver.Config{
		Certificate:   certificate,
		Resources:     []string{audience},
		TokenLifetime: lifetime,
		Clients: []authserver.Client{
			{ID: reader, Secret: readerSecret},
			{ID: writer, PublicKey: key.Public()},
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

func (w *world) newHTTPClient() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.ca.Pool(), MinVersion: tls.VersionTLS12}}
	w.closers = append(w.closers, func() error { transport.CloseIdleConnections(); return nil })
	return &http.Client{Transport: transport, Timeout: httpTimeout}
}

// decided keeps the decisions of the call that is under way.
func (w *world) decided(_ context.Context, decision *authz.Decision) {
	select {
	case w.decisions <- decision:
	default: // nobody reads them while serving by hand
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
