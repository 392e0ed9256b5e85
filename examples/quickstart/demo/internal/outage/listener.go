// Package outage takes a server off the network and puts it back, so that one
// can watch what callers see meanwhile.
package outage

import (
	"net"
	"sync"
)

// Listener is a listener that can be down: then every open connection is cut
// and every new one is reset before a byte is read, as with a crashed process
// whose host still answers. Safe for concurrent use.
type Listener struct {
	net.Listener

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
}

// Listen listens on a TCP address. Empty means a free port of the IPv4 loopback
// address.
func Listen(address string) (*Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return &Listener{Listener: l, conns: map[net.Conn]struct{}{}}, nil
}

// Down cuts all connections and refuses new ones until Up.
func (l *Listener) Down() {
	l.mu.Lock()
	l.down = true
	conns := l.conns
	l.conns = map[net.Conn]struct{}{}
	l.mu.Unlock()
	for c := range conns {
		reset(c)
	}
}

// Up lets connections in again.
func (l *Listener) Up() {
	l.mu.Lock()
	l.down = false
	l.mu.Unlock()
}

// Accept waits for the next connection that arrives while the listener is up.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tracked := &conn{Conn: c, owner: l}
		if l.admit(tracked) {
			return tracked, nil
		}
		reset(c)
	}
}

func (l *Listener) admit(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.down {
		l.conns[c] = struct{}{}
	}
	return !l.down
}

// conn leaves its listener's list when it is closed.
type conn struct {
	net.Conn

	owner *Listener
}

func (c *conn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// reset closes without lingering: the peer sees a reset, not an orderly end.
func reset(c net.Conn) {
	if t, ok := c.(*conn); ok {
		c = t.Conn
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
