package interceptor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// DefaultForwardedHeader is the default of Config.ForwardedHeader.
const DefaultForwardedHeader = "x-forwarded-for"

const (
	// maxHops bounds how many trusted proxies one call may have come through.
	maxHops = 32
	// maxHopBytes bounds one element of the header. The longest address with a port
	// has 53 bytes.
	maxHopBytes = 128
)

// errPeerIPPanicked refuses a call whose address isn't known because Config.PeerIP
// panicked.
var errPeerIPPanicked = errors.New("interceptor: Config.PeerIP panicked")

// addresses finds the address that rules read as peer.ip.
type addresses struct {
	// own is Config.PeerIP, nil if it isn't set. The other fields are for when it
	// isn't.
	own        func(context.Context) (netip.Addr, bool)
	trusted    []netip.Prefix
	trustsUnix bool
	header     string
}

func newAddresses(c *Config) addresses {
	return addresses{
		own: c.PeerIP, trusted: slices.Clone(c.TrustedProxies), trustsUnix: c.TrustUnixSocket, header: strings.ToLower(c.ForwardedHeader),
	}
}

// addressFaults returns what is wrong with the settings of the peer's address.
func addressFaults(c *Config) []error {
	var faults []error
	proxied := len(c.TrustedProxies) > 0 || c.TrustUnixSocket
	switch {
	case c.PeerIP != nil && (proxied || c.ForwardedHeader != ""):
		faults = append(faults, errors.New("interceptor: Config.PeerIP is set beside TrustedProxies, TrustUnixSocket or ForwardedHeader; set one of the two ways"))
	case c.ForwardedHeader != "" && !proxied:
		faults = append(faults, errors.New("interceptor: Config.ForwardedHeader is set without TrustedProxies or TrustUnixSocket, so it would never be read"))
	}
	for _, prefix := range c.TrustedProxies {
		if problem := prefixFault(prefix); problem != "" {
			faults = append(faults, fmt.Errorf("interceptor: Config.TrustedProxies: %v %s", prefix, problem))
		}
	}
	if problem := headerFault(strings.ToLower(c.ForwardedHeader)); problem != "" {
		faults = append(faults, fmt.Errorf("interceptor: Config.ForwardedHeader: %q %s", c.ForwardedHeader, problem))
	}

	return faults
}

func prefixFault(prefix netip.Prefix) string {
	switch {
	case !prefix.IsValid():
		return "isn't a prefix; netip.MustParsePrefix makes one"
	case prefix.Addr().Is4In6():
		return "is an IPv4 network as IPv6 writes it, which no address matches; write it as IPv4"
	case prefix.Bits() == 0:
		return "is every address: each caller could then choose its own; list the proxies"
	default:
		return ""
	}
}

// headerFault returns why a header, in lower case, can't be one of addresses.
func headerFault(header string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	switch {
	case strings.Trim(header, allowed) != "", strings.HasSuffix(header, "-bin"):
		return "isn't the name of a text header"
	case header == "forwarded":
		return "has the form of RFC 7239, which isn't supported; have the proxy write x-forwarded-for"
	default:
		return ""
	}
}

// of returns the address of the call's peer, or the zero value if it isn't known.
func (a *addresses) of(ctx context.Context) netip.Addr {
	if a.own != nil {
		if address, ok := a.own(ctx); ok {
			return plain(address)
		}

		return netip.Addr{}
	}
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return netip.Addr{}
	}
	if _, isUnix := p.Addr.(*net.UnixAddr); isUnix && a.trustsUnix {
		return a.forwarded(headerOf(ctx, a.header))
	}
	address := plain(addressOf(p.Addr).Addr()) // no prefix contains an address with a zone
	if a.trusts(address) {
		return a.forwarded(headerOf(ctx, a.header))
	}

	return address
}

func (a *addresses) trusts(address netip.Addr) bool {
	for _, prefix := range a.trusted {
		if prefix.Contains(address) {
			return true
		}
	}

	return false
}

// forwarded returns the address of the caller that trusted proxies tell of. Each
// proxy has appended the address that it was called from, so the last one that isn't
// a trusted proxy's is the caller's; anyone can have written what precedes it. If
// all are trusted, it is the first. It is unknown if there is none, or if one that
// has to be read isn't an address.
func (a *addresses) forwarded(lines []string) netip.Addr {
	var first netip.Addr
	hops := 0
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			var hop string
			hop, line, more = cutLast(line)
			address, ok := parseHop(hop)
			if hops++; !ok || hops > maxHops {
				return netip.Addr{}
			}
			if !a.trusts(address) {
				return address
			}
			first = address
		}
	}

	return first
}

// cutLast cuts a list at its last comma. It doesn't look further back than an
// element can reach.
func cutLast(list string) (last, rest string, more bool) {
	from := max(0, len(list)-maxHopBytes-1)
	comma := strings.LastIndexByte(list[from:], ',')
	if comma < 0 {
		return list, "", false
	}

	return list[from+comma+1:], list[:from+comma], true
}

// parseHop parses one element of the header: an address, which may have a port.
func parseHop(text string) (netip.Addr, bool) {
	if len(text) > maxHopBytes {
		return netip.Addr{}, false
	}
	text = strings.Trim(text, " \t")
	address, err := netip.ParseAddr(text)
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		address = withPort.Addr()
	}
	zone := address.Zone()
	address = address.Unmap()

	return address, zone == "" && !address.IsUnspecified()
}

// headerOf returns the call's values of a header, in their order. The caller must
// not change them.
func headerOf(ctx context.Context, header string) []string {
	if md, ok := ctx.Value(incomingKey).(metadata.MD); ok {
		if values, ok := md[header]; ok {
			return values
		}
	}

	return metadata.ValueFromIncomingContext(ctx, header)
}

// plain returns an address in the one form that rules compare: IPv4 as IPv4, and no
// zone.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// connectionAddress returns the address of the connection's other end, or the zero
// AddrPort if there is none, as on a unix socket. Behind a proxy it is the proxy's
// address.
func connectionAddress(ctx context.Context) netip.AddrPort {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return netip.AddrPort{}
	}

	return addressOf(p.Addr)
}

func addressOf(peer net.Addr) netip.AddrPort {
	if tcp, ok := peer.(*net.TCPAddr); ok {
		address := tcp.AddrPort()

		return netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
	}
	// Under grpc-go's ServeHTTP it is the request's RemoteAddr, as text.
	if address, err := netip.ParseAddrPort(peer.String()); err == nil {
		return netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
	}

	return netip.AddrPort{}
}

// peerIP returns the address that rules read. A panic of Config.PeerIP is contained;
// its value goes to the hook only.
func (i *Interceptor) peerIP(ctx context.Context) (ip netip.Addr, err error) {
	defer func() {
		if value := recover(); value != nil {
			ip, err = netip.Addr{}, errPeerIPPanicked
			i.hooks.panicked(ctx, "PeerIP", value, debug.Stack())
		}
	}()

	return i.addresses.of(ctx), nil
}

// locate records the address of the call's peer in r, if its rule reads it.
func (i *Interceptor) locate(ctx context.Context, r *report) error {
	if !r.method.ReadsConnection() {
		return nil
	}
	var err error
	r.located = true
	r.peerIP, err = i.peerIP(ctx)

	return err
}
