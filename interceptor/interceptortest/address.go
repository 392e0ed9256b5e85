package interceptortest

import (
	"net"
	"net/netip"

	"google.golang.org/grpc/test/bufconn"
)

// clientPort is the port of connections from an address: the first ephemeral one.
const clientPort = 49152

// listenFor returns a listener of the server whose connections come from the
// address.
func (s *Server) listenFor(address netip.Addr) *bufconn.Listener {
	listener := bufconn.Listen(bufferBytes)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.server.Serve(&addressedListener{listener, net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, clientPort))})
	}()
	s.tb.Cleanup(func() {
		_ = listener.Close()
		<-served
	})

	return listener
}

// addressedListener accepts connections that come from an address.
type addressedListener struct {
	net.Listener

	address net.Addr
}

// Accept implements [net.Listener].
func (l *addressedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}

	return &addressedConn{conn, l.address}, nil
}

// addressedConn is a connection that comes from an address.
type addressedConn struct {
	net.Conn

	address net.Addr
}

// RemoteAddr implements [net.Conn].
func (c *addressedConn) RemoteAddr() net.Addr { return c.address }
