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
		if authority = strings.TrimSuffix(authority, ":443"); authority == "" {
			continue // it would match a call without an authority
		}
		p.mesh = append(p.mesh, authority)
	}
	return p
}

// strict reports whether only protected connections may carry a token.
func (p *transportPolicy) strict() bool { return !p.local && len(p.mesh) == 0 }

// check returns an error for a connection that doesn't provide privacy and
// integrity, unless a configured exception applies. It runs before any token is
// looked up.
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

// isProxy reports whether a loopback peer is the proxy of the environment,
// which gRPC uses unless told otherwise: the server behind it is not local. The
// proxy is recognized by its port alone, since its host may be any name for
// loopback.
func isProxy(addr net.Addr) bool {
	port := proxyPort()
	tcp, ok := addr.(*net.TCPAddr)
	return port != "" && (!ok || strconv.Itoa(tcp.Port) == port)
}

// proxyPort returns the port of the proxy, or "" if there is none. Like
// net/http, which gRPC uses for this, it reads the environment once.
var proxyPort = sync.OnceValue(func() string {
	// NO_PROXY exempts this name only if it exempts all names.
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: "proxied.invalid"}})
	if err != nil || proxy == nil {
		return "" // gRPC makes no connection if the proxy is invalid
	}
	if port := proxy.Port(); port != "" {
		return port
	}
	return "443" // gRPC's default
})

// authorityOf returns the authority in the URI that gRPC passes to per-call
// credentials: "https://authority/package.Service", without port 443.
func authorityOf(uri []string) string {
	if len(uri) == 0 {
		return ""
	}
	rest := strings.TrimPrefix(uri[0], "https://")
	authority, _, _ := strings.Cut(rest, "/")
	return authority
}
