package credentials

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// transportPolicy decides which connections may carry a token.
type transportPolicy struct {
	local bool
	mesh  []string
}

func newTransportPolicy(cfg *Config) transportPolicy {
	p := transportPolicy{local: cfg.LocalPlaintext}
	for _, authority := range cfg.InsecureMeshPlaintext {
		if authority == "" {
			continue // it would match a call that names none
		}
		p.mesh = append(p.mesh, strings.TrimSuffix(authority, ":443"))
	}
	return p
}

// strict reports whether only protected connections may.
func (p *transportPolicy) strict() bool { return !p.local && len(p.mesh) == 0 }

// check refuses a connection that doesn't give privacy and integrity, but for
// the exceptions that were configured. It runs before any token is looked up.
func (p *transportPolicy) check(ctx context.Context, uri []string) *Error {
	info, ok := grpccredentials.RequestInfoFromContext(ctx)
	if ok && grpccredentials.CheckSecurityLevel(info.AuthInfo, grpccredentials.PrivacyAndIntegrity) == nil {
		return nil
	}
	if p.strict() || !ok {
		return errInsecure
	}
	if len(p.mesh) > 0 && slices.Contains(p.mesh, authorityOf(uri)) {
		return nil
	}
	if p.local {
		if from, ok := peer.FromContext(ctx); ok && isLocalPeer(from) {
			return nil
		}
	}
	return errInsecure
}

var errInsecure = &Error{Kind: KindInsecure, text: "the connection does not protect a token, so none is sent; use TLS, or see LocalPlaintext and InsecureMeshPlaintext of Config"}

func isLocalPeer(from *peer.Peer) bool {
	if from.Addr == nil {
		return false
	}
	switch from.Addr.Network() {
	case "unix", "bufconn":
		return true
	}
	return isLoopbackAddr(from.Addr) && !isProxy(from.Addr)
}

// isProxy reports whether a loopback peer is the proxy of the environment, which
// gRPC goes through unless told not to: what is behind it is not local. It is
// known by its port alone, since its host may be any name of loopback.
func isProxy(addr net.Addr) bool {
	port := proxyPort()
	tcp, ok := addr.(*net.TCPAddr)
	return port != "" && (!ok || strconv.Itoa(tcp.Port) == port)
}

// proxyPort is the port of the proxy, empty if there is none. net/http, whom
// gRPC asks, reads the environment once as well.
var proxyPort = sync.OnceValue(func() string {
	// A name that NO_PROXY spares only if it spares all.
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: "proxied.invalid"}})
	if err != nil || proxy == nil {
		return "" // gRPC builds no connection if the proxy makes no sense
	}
	if port := proxy.Port(); port != "" {
		return port
	}
	return "443" // as gRPC takes it
})

// authorityOf takes the authority out of the URI that gRPC gives to per-call
// credentials: "https://authority/package.Service", without the port 443.
func authorityOf(uri []string) string {
	if len(uri) == 0 {
		return ""
	}
	rest := strings.TrimPrefix(uri[0], "https://")
	authority, _, _ := strings.Cut(rest, "/")
	return authority
}
