package wire

import (
	"context"
	"crypto/tls"
	"net"
	"slices"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

const (
	serverName = "bench.test"
	// bufferBytes is the size of the in-memory network's buffers.
	bufferBytes = 1 << 20
	plain       = "plain"
	withTLS     = "tls"
)

// servers are the sides, each on a server of its own.
type servers struct {
	addresses   map[string]string
	listeners   map[string]*bufconn.Listener
	certificate tls.Certificate
	running     []*grpc.Server
	closers     []func()
}

// newServers serves every side: on loopback, with TLS and without, or on an
// in-memory network.
func newServers(w world, inMemory bool) (*servers, error) {
	s := &servers{addresses: map[string]string{}, listeners: map[string]*bufconn.Listener{}}
	var err error
	if s.certificate, err = credentialstest.NewCertificate("server", serverName); err != nil {
		return nil, err
	}
	for _, name := range sideNames {
		if err := s.add(name, w, inMemory); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *servers) add(name string, w world, inMemory bool) error {
	options, err := newSide(name, w, &s.closers)
	if err != nil {
		return err
	}
	if inMemory {
		s.listeners[name] = bufconn.Listen(bufferBytes)
		s.serve(s.listeners[name], options)
		return nil
	}
	secure := append(slices.Clip(options), grpc.Creds(credentials.NewServerTLSFromCert(&s.certificate)))
	for security, options := range map[string][]grpc.ServerOption{plain: options, withTLS: secure} {
		var listening net.ListenConfig
		listener, err := listening.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.addresses[name+" "+security] = listener.Addr().String()
		s.serve(listener, options)
	}
	return nil
}

func (s *servers) serve(listener net.Listener, options []grpc.ServerOption) {
	server := grpc.NewServer(options...)
	testpb.RegisterTestServiceServer(server, service{})
	s.running = append(s.running, server)
	go func() { _ = server.Serve(listener) }()
}

func (s *servers) hello() hello {
	return hello{Addresses: s.addresses, Certificate: s.certificate.Certificate[0]}
}

func (s *servers) close() {
	for _, server := range s.running {
		server.Stop()
	}
	for _, c := range s.closers {
		c()
	}
}
