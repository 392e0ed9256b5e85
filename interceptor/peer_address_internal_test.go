package interceptor

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// proxied trusts 10.0.0.0/8, 2001:db8:1::/48, 127.0.0.1 and fe80::7.
func proxied() *addresses {
	a := newAddresses(&Config{ForwardedHeader: DefaultForwardedHeader, TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("127.0.0.1/32"),
		netip.MustParsePrefix("fe80::7/128"),
	}})

	return &a
}

const caller = "203.0.113.9"

// What the header of a trusted proxy says, and what is too odd to be believed.
func TestForwardedAddress(t *testing.T) {
	trusted := func(n int) []string { return slices.Repeat([]string{"10.0.0.1"}, n) }
	tests := []struct {
		name  string
		lines []string
		want  string // "" if unknown
	}{
		{"one address", []string{caller}, caller},
		{"IPv6", []string{"2001:db8::1"}, "2001:db8::1"},
		{"through two trusted proxies", []string{caller + ", 10.0.0.2, 2001:db8:1::7"}, caller},
		{"no spaces", []string{caller + ",10.0.0.2"}, caller},
		{"tabs and spaces", []string{"\t " + caller + " \t,\t10.0.0.2 "}, caller},
		{"an IPv4 address as IPv6 writes it", []string{"::ffff:" + caller}, caller},
		{"a trusted one as IPv6 writes it", []string{caller + ", ::ffff:10.0.0.2"}, caller},
		{"IPv4 and a port", []string{caller + ":4711"}, caller},
		{"IPv6 and a port", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"a trusted one and a port", []string{caller + ", 10.0.0.2:80"}, caller},
		{"all are trusted", []string{"10.0.0.9, 10.0.0.2"}, "10.0.0.9"},
		{"two lines", []string{"192.0.2.1", caller}, caller},
		{"two lines, the last one trusted", []string{"192.0.2.1, " + caller, "10.0.0.2"}, caller},
		{"row 69: the caller's own part of the list", []string{"10.0.0.9, " + caller}, caller},
		{"row 69: the caller's own line", []string{"10.0.0.9", caller}, caller},
		{"row 69: the caller's own nonsense", []string{"\x00\xff, unknown,, " + caller}, caller},
		{"row 69: 1,000 addresses of the caller's", []string{strings.Repeat("10.0.0.9, ", 1000) + caller}, caller},
		{"row 69: 1,000 lines of the caller's", append(slices.Repeat([]string{"10.0.0.9"}, 1000), caller), caller},
		{"row 69: a mebibyte of the caller's", []string{strings.Repeat("x", 1<<20) + ", " + caller}, caller},
		{"as many proxies as may be", append([]string{caller}, trusted(maxHops-1)...), caller},
		{"one proxy more", append([]string{caller}, trusted(maxHops)...), ""},
		{"1,000 proxies", []string{strings.Join(trusted(1000), ",")}, ""},
		{"no line", nil, ""},
		{"an empty line", []string{""}, ""},
		{"an empty last line", []string{caller, ""}, ""},
		{"spaces", []string{"  "}, ""},
		{"an empty element", []string{caller + ","}, ""},
		{"an empty element before a trusted one", []string{caller + ",,10.0.0.2"}, ""},
		{"unknown", []string{caller + ", unknown"}, ""},
		{"an obfuscated name", []string{caller + ", _gateway"}, ""},
		{"a host name", []string{caller + ", proxy.example"}, ""},
		{"RFC 7239", []string{`for="` + caller + `";proto=https`}, ""},
		{"quoted", []string{`"` + caller + `"`}, ""},
		{"a zone", []string{"fe80::1%eth0"}, ""},
		{"a zone and a port", []string{"[fe80::1%eth0]:1"}, ""},
		{"a zone on an IPv4 address", []string{"::ffff:" + caller + "%x"}, ""},
		{"brackets without a port", []string{"[2001:db8::1]"}, ""},
		{"a port without a number", []string{caller + ":"}, ""},
		{"a port out of range", []string{caller + ":65536"}, ""},
		{"a signed port", []string{caller + ":+1"}, ""},
		{"leading zeros", []string{"203.0.113.009"}, ""},
		{"three numbers", []string{"203.0.113"}, ""},
		{"a number", []string{"3405803785"}, ""},
		{"hexadecimal", []string{"0xcb007109"}, ""},
		{"a prefix", []string{caller + "/32"}, ""},
		{"two addresses without a comma", []string{caller + " 10.0.0.2"}, ""},
		{"a semicolon", []string{caller + "; 10.0.0.2"}, ""},
		{"any address", []string{"0.0.0.0"}, ""},
		{"any IPv6 address", []string{"::"}, ""},
		{"any address as IPv6 writes it", []string{"::ffff:0.0.0.0"}, ""},
		{"NUL", []string{caller + "\x00"}, ""},
		{"a line feed", []string{caller + "\n"}, ""},
		{"invalid UTF-8", []string{caller + "\xff"}, ""},
		{"digits of another script", []string{"٢٠٣.0.113.9"}, ""},
		{"a full-width comma", []string{"10.0.0.9，" + caller}, ""},
		{"an element that is too long", []string{strings.Repeat(" ", maxHopBytes) + caller}, ""},
		{"nonsense that ends as an address", []string{strings.Repeat("x", maxHopBytes) + strings.Repeat(" ", maxHopBytes-len(caller)) + caller}, ""},
	}
	a := proxied()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want, _ := netip.ParseAddr(test.want)
			if got := a.forwarded(test.lines); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// Reading a list from its end gives what reading all of it gives.
func FuzzForwardedAddress(f *testing.F) {
	f.Add(caller, "10.0.0.2")
	f.Add("unknown, "+caller, "[2001:db8:1::1]:1,::ffff:10.0.0.1")
	f.Add(",", " ,\t")
	f.Add(strings.Repeat("10.0.0.1,", 40), "")
	a := proxied()
	f.Fuzz(func(t *testing.T, first, second string) {
		got := a.forwarded([]string{first, second})
		var want netip.Addr
		hops := strings.Split(first+","+second, ",")
		slices.Reverse(hops)
		for i, hop := range hops {
			address, ok := parseHop(hop)
			if !ok || i == maxHops {
				want = netip.Addr{}

				break
			}
			if want = address; !a.trusts(address) {
				break
			}
		}
		if got != want {
			t.Errorf("%q, %q: got %v, want %v", first, second, got, want)
		}
		if got.IsValid() && (got.Is4In6() || got.Zone() != "" || got.IsUnspecified()) {
			t.Errorf("%q, %q: got %v", first, second, got)
		}
	})
}

// The connection's own address is in the form that rules compare, and is no header's
// where it isn't an IP address.
func TestAddressOfTheConnection(t *testing.T) {
	for name, test := range map[string]struct {
		peer net.Addr
		want string
	}{
		"IPv4 on a socket of both":   {&net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1}, "192.0.2.1"},
		"IPv6":                       {&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1}, "2001:db8::1"},
		"a zone":                     {&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 1}, "fe80::1"},
		"a trusted proxy":            {&net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 1}, caller},
		"a trusted proxy on a link":  {&net.TCPAddr{IP: net.ParseIP("fe80::7"), Zone: "eth0", Port: 1}, caller},
		"a trusted proxy, as text":   {textAddr("[::ffff:10.0.0.1]:80"), caller},
		"an untrusted one, as text":  {textAddr("192.0.2.1:80"), "192.0.2.1"},
		"a unix socket":              {&net.UnixAddr{Name: "@", Net: "unix"}, ""},
		"what isn't an address":      {textAddr("bufconn"), ""},
		"an address that is unknown": {&net.TCPAddr{}, ""},
		"no address":                 {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := peer.NewContext(metadata.NewIncomingContext(t.Context(), metadata.Pairs(DefaultForwardedHeader, caller)), &peer.Peer{Addr: test.peer})
			want, _ := netip.ParseAddr(test.want)
			if got := proxied().of(ctx); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	t.Run("no peer", func(t *testing.T) {
		if got := proxied().of(t.Context()); got.IsValid() {
			t.Errorf("got %v", got)
		}
	})
}

type textAddr string

func (textAddr) Network() string  { return "tcp" }
func (a textAddr) String() string { return string(a) }

func TestForwardedAddressAllocatesNothing(t *testing.T) {
	ctx := peer.NewContext(metadata.NewIncomingContext(t.Context(), metadata.Pairs(DefaultForwardedHeader, caller+", 10.0.0.2")),
		&peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 1}})
	a := proxied()
	if n := testing.AllocsPerRun(100, func() { a.of(ctx) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkForwardedAddress(b *testing.B) {
	ctx := peer.NewContext(metadata.NewIncomingContext(b.Context(), metadata.Pairs(DefaultForwardedHeader, caller+", 10.0.0.2")),
		&peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 1}})
	for name, a := range map[string]*addresses{"direct": {}, "behind two proxies": proxied()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.of(ctx)
			}
		})
	}
}
