package credentialstest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// listen makes the issuer reachable and gives it its URL and client.
func (i *Issuer) listen() error {
	if i.cfg.InMemory {
		i.url = memoryURL
		if i.cfg.URL != "" {
			i.url = i.cfg.URL
		}
		m := &memory{handler: i}
		i.server, i.client = m, &http.Client{Transport: m}
		return nil
	}
	s := &socket{handler: i}
	transport := &http.Transport{Proxy: nil, IdleConnTimeout: time.Second, TLSHandshakeTimeout: 10 * time.Second}
	scheme := "http://"
	if i.cfg.TLS {
		authority, err := newAuthority()
		if err != nil {
			return err
		}
		s.tls = authority.serverConfig()
		transport.TLSClientConfig = authority.clientConfig()
		scheme = "https://"
	}
	s.addr = "127.0.0.1:0"
	if err := s.up(); err != nil {
		return err
	}
	i.url = scheme + s.addr
	i.server, i.client = s, &http.Client{Transport: transport}
	return nil
}

// socket serves on a port of its own, always the same one.
type socket struct {
	handler http.Handler
	tls     *tls.Config

	mu     sync.Mutex
	addr   string
	server *http.Server
	work   sync.WaitGroup
}

func (s *socket) up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr = listener.Addr().String()
	if s.tls != nil {
		listener = tls.NewListener(listener, s.tls)
	}
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // handshakes fail here on purpose
	}
	s.server = server
	s.work.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			_ = listener.Close()
		}
	})
	return nil
}

func (s *socket) down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close()
		s.server = nil
	}
	s.work.Wait()
}

func (s *socket) stop() { s.down() }
