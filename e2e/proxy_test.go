package e2e

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy is a wire between two parts that can be cut, can go dead without a word,
// and can be mended.
type proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	changed *sync.Cond
	state   wire
	conns   map[net.Conn]struct{}
	running sync.WaitGroup
}

// wire is the state of a proxy.
type wire uint8

const (
	// wireGood forwards.
	wireGood wire = iota
	// wireDead swallows: connections are accepted, and nothing ever comes back.
	wireDead
	// wireCut closes every connection, old and new.
	wireCut
	// wireClosed has no listener any more.
	wireClosed
)

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{listener: must(net.Listen("tcp", "127.0.0.1:0"))(t), target: target, conns: map[net.Conn]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	t.Cleanup(p.kill)
	return p
}

// proxyURL puts a proxy before the server of a URL, and returns the URL that
// goes through it.
func proxyURL(t *testing.T, raw string) (*proxy, string) {
	t.Helper()
	u := must(url.Parse(raw))(t)
	p := newProxy(t, u.Host)
	u.Host = p.addr()
	return p, u.String()
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			in.Close()
			continue
		}
		if !p.admit(in, out) {
			in.Close()
			out.Close()
			continue
		}
		p.running.Go(func() { p.copy(in, out) })
		p.running.Go(func() { p.copy(out, in) })
	}
}

func (p *proxy) admit(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state >= wireCut {
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

// copy forwards from one side to the other, as long as the wire is good. What
// was sent over a dead wire arrives if it is mended.
func (p *proxy) copy(from, to net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.mu.Lock()
			for p.state == wireDead {
				p.changed.Wait()
			}
			p.mu.Unlock()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) set(state wire) {
	p.mu.Lock()
	p.state = state
	var conns []net.Conn
	if state >= wireCut {
		for c := range p.conns {
			conns = append(conns, c)
		}
		clear(p.conns)
	}
	p.changed.Broadcast()
	p.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// kill closes the listener and every connection, and waits.
func (p *proxy) kill() {
	p.set(wireClosed)
	p.listener.Close()
	p.running.Wait()
}
