package interceptor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/realip"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// locating is an engine whose relations hold for one address only.
type locating struct {
	*world

	from string

	mu   sync.Mutex
	seen []any
}

func (l *locating) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	result, err := l.world.Check(ctx, batch)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, q := range batch.Queries {
		ip, ok := q.Context["ip"]
		l.seen = append(l.seen, ip)
		switch {
		case !ok:
			result.Answers[i] = authz.Answer{Effect: authz.EffectConditional, Missing: []string{"ip"}}
		case ip != l.from:
			result.Answers[i].Effect = authz.EffectDenied
		}
	}

	return result, err
}

func (l *locating) addresses() []any {
	l.mu.Lock()
	defer l.mu.Unlock()

	return slices.Clone(l.seen)
}

// fromAddress are rules that give the engine the peer's address.
func fromAddress() rules {
	rule := func() *authzv1.Rule {
		located := check("document:{value}")
		located.GetCheck().Context = []*authzv1.ContextValue{{Name: "ip", Value: "{$peer.ip}"}}

		return located
	}

	return rules{
		"PingEmpty": authenticated(), "PingError": check("document:{value}"),
		"Ping": rule(), "PingList": rule(), "PingStream": rule(), "PingClientStream": rule(),
	}
}

// forwarded returns a context that calls with those lines of a header.
func forwarded(t testing.TB, token, header string, lines ...string) context.Context {
	t.Helper()
	var pairs []string
	for _, line := range lines {
		pairs = append(pairs, header, line)
	}

	return metadata.AppendToOutgoingContext(as(t, token), pairs...)
}

// everyKind makes a call of each kind, and returns how they ended.
func everyKind(t *testing.T, s testpb.TestServiceClient, ctx context.Context) map[string]error {
	t.Helper()
	ended := map[string]error{}
	_, ended["unary"] = s.Ping(ctx, &testpb.PingRequest{Value: "1"})
	list, err := s.PingList(ctx, &testpb.PingListRequest{Value: "1"})
	if err != nil {
		t.Fatal(err)
	}
	_, ended["server stream"] = list.Recv()
	upload, err := s.PingClientStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := upload.Send(&testpb.PingClientStreamRequest{Value: "1"}); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	_, ended["client stream"] = upload.CloseAndRecv()
	both, err := s.PingStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := both.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	_, ended["bidi stream"] = both.Recv()
	_ = both.CloseSend()

	return ended
}

// Which address a rule reads, over a real connection from 127.0.0.1.
func TestPeerAddress(t *testing.T) {
	const header, caller, loopback = "x-forwarded-for", "203.0.113.9", "127.0.0.1"
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	proxied := func(c *parts) { c.TrustedProxies = trusted }
	for name, test := range map[string]struct {
		config func(*parts)
		header string
		lines  []string
		want   string // "" if unknown: then no rule that needs it grants
	}{
		"the connection's":                          {nil, header, nil, loopback},
		"row 69: no header, if no proxy is trusted": {nil, header, []string{caller}, loopback},
		"row 69: no header of an untrusted peer": {func(c *parts) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		}, header, []string{caller, "10.0.0.1"}, loopback},
		"row 69: no header of an untrusted peer, if unix sockets are trusted": {func(c *parts) { c.TrustUnixSocket = true }, header, []string{caller}, loopback},
		"row 69: not what the caller wrote":                                   {proxied, header, []string{"192.0.2.1, 10.0.0.9, " + caller + ", 10.0.0.2"}, caller},
		"row 69: not the caller's own line":                                   {proxied, header, []string{"192.0.2.1", caller}, caller},
		"row 69: 1,000 addresses":                                             {proxied, header, []string{strings.Repeat("10.0.0.9,", 1000) + caller}, caller},
		"row 69: another header":                                              {proxied, "x-real-ip", []string{caller}, ""},
		"a trusted proxy's":                                                   {proxied, header, []string{caller}, caller},
		"a header of another name": {func(c *parts) {
			proxied(c)
			c.ForwardedHeader = "X-Real-IP"
		}, "x-real-ip", []string{caller}, caller},
		"an absent header": {proxied, header, nil, ""},
		"an empty header":  {proxied, header, []string{""}, ""},
		"a malformed hop":  {proxied, header, []string{caller + ", unknown"}, ""},
		"1,000 proxies":    {proxied, header, []string{caller + strings.Repeat(",10.0.0.1", 1000)}, ""},
		"the function's":   {func(c *parts) { c.PeerIP = at(caller, true) }, header, []string{"192.0.2.1"}, caller},
		"the function's, in the form that rules compare": {func(c *parts) { c.PeerIP = at("::ffff:"+caller, true) }, header, nil, caller},
		"none of the function's":                         {func(c *parts) { c.PeerIP = at(caller, false) }, header, []string{caller}, ""},
		"the function's zero address":                    {func(c *parts) { c.PeerIP = at("", true) }, header, []string{caller}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			engine := &locating{world: w, from: test.want}
			s := start(t, w, setupConfig{rules: fromAddress(), config: func(c *parts) {
				c.authz.Engine = engine
				if test.config != nil {
					test.config(c)
				}
			}})
			for kind, err := range everyKind(t, s, forwarded(t, aliceToken, test.header, test.lines...)) {
				t.Run(kind, func(t *testing.T) {
					if test.want == "" {
						wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
					} else {
						wantCode(t, err, codes.OK)
					}
				})
			}
			var want any
			address, _ := netip.ParseAddr(test.want)
			if test.want != "" {
				want = test.want
			}
			for _, ip := range engine.addresses() {
				if ip != want {
					t.Errorf("the engine was told %v, want %v", ip, want)
				}
			}
			for _, event := range w.decided() {
				if event.PeerIP != address {
					t.Errorf("%s: the observer was told %v, want %v", event.Method, event.PeerIP, address)
				}
				if !event.Allowed() && event.Peer.Addr() != netip.MustParseAddr(loopback) {
					t.Errorf("%s: from %v", event.Method, event.Peer)
				}
			}
		})
	}
}

// at returns a function for Config.PeerIP.
func at(address string, ok bool) func(context.Context) (netip.Addr, bool) {
	parsed, _ := netip.ParseAddr(address)

	return func(context.Context) (netip.Addr, bool) { return parsed, ok }
}

// go-grpc-middleware's realip fits if it comes before usher. After usher it finds
// the address too late: no rule that needs it grants.
func TestRealIPOfTheMiddleware(t *testing.T) {
	const caller = "203.0.113.9"
	found := []realip.Option{
		realip.WithTrustedPeers([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}), realip.WithHeaders([]string{realip.XForwardedFor}),
	}
	chain := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(realip.UnaryServerInterceptorOpts(found...)), grpc.ChainStreamInterceptor(realip.StreamServerInterceptorOpts(found...)),
	}
	for name, test := range map[string]struct {
		before, after []grpc.ServerOption
		granted       bool
	}{
		"before usher": {chain, nil, true},
		"after usher":  {nil, chain, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := start(t, w, setupConfig{rules: fromAddress(), before: test.before, after: test.after, config: func(c *parts) {
				c.authz.Engine = &locating{world: w, from: caller}
				c.PeerIP = realip.FromContext
			}})
			for kind, err := range everyKind(t, s, forwarded(t, aliceToken, "x-forwarded-for", "192.0.2.1, "+caller)) {
				if test.granted != (err == nil) {
					t.Errorf("%s: %v", kind, err)
				}
			}
		})
	}
}

// A proxy beside the server, over a unix socket.
func TestTrustedUnixSocket(t *testing.T) {
	const caller = "203.0.113.9"
	for name, test := range map[string]struct {
		trusts bool
		want   codes.Code
	}{
		"trusted":   {true, codes.OK},
		"untrusted": {false, codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			auth := newInterceptor(t, w, setupConfig{rules: fromAddress(), config: func(c *parts) {
				c.authz.Engine = &locating{world: w, from: caller}
				c.TrustUnixSocket = test.trusts
			}})
			server := grpc.NewServer(auth.ServerOptions()...)
			testpb.RegisterTestServiceServer(server, &testpb.TestPingService{})
			path := filepath.Join(t.TempDir(), "s")
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- server.Serve(listener) }()
			conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = conn.Close()
				server.Stop()
				<-served
			})
			for kind, err := range everyKind(t, testpb.NewTestServiceClient(conn), forwarded(t, aliceToken, "x-forwarded-for", caller)) {
				t.Run(kind, func(t *testing.T) { wantCode(t, err, test.want) })
			}
		})
	}
}

// The address of a stream is taken once, when it begins: messages and rechecks are
// decided by the same.
func TestAddressOfAStreamIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 10 * time.Second
		w := newWorld(t)
		engine := &locating{world: w, from: "192.0.2.1"}
		var mu sync.Mutex
		var address netip.Addr
		taken := 0
		set := fromAddress()
		rechecked(set["PingStream"], interval)
		s := start(t, w, setupConfig{rules: set, inMemory: true, config: func(c *parts) {
			c.authz.Engine = engine
			c.PeerIP = func(context.Context) (netip.Addr, bool) {
				mu.Lock()
				defer mu.Unlock()
				if taken++; taken == 1 {
					address = netip.MustParseAddr("192.0.2.1")
				} else {
					address = address.Next()
				}

				return address, true
			}
		}})
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(interval + time.Second)
			synctest.Wait()
		}
		w.revoke("document:1#viewer@user:alice")
		_, err = stream.Recv()
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
		if taken != 1 {
			t.Errorf("taken %d times", taken)
		}
		if seen := engine.addresses(); len(seen) < 4 || slices.ContainsFunc(seen, func(ip any) bool { return ip != "192.0.2.1" }) {
			t.Errorf("the engine was told %v", seen)
		}
		for _, event := range w.decided() {
			if event.PeerIP != netip.MustParseAddr("192.0.2.1") {
				t.Errorf("%v: the observer was told %v", event.Occasion, event.PeerIP)
			}
		}
	})
}

// The function is asked for calls whose rule reads the address, and for refusals.
// Its panic refuses those calls only, and nothing of it is sent.
func TestPanicInPeerIP(t *testing.T) {
	var mu sync.Mutex
	var hooks []interceptor.HookPanicked
	asked := 0
	w := newWorld(t)
	s := start(t, w, setupConfig{rules: fromAddress(), before: recovering(), config: func(c *parts) {
		c.PeerIP = func(context.Context) (netip.Addr, bool) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			panic("a secret")
		}
		c.Observer.HookPanicked = func(_ context.Context, event interceptor.HookPanicked) {
			mu.Lock()
			defer mu.Unlock()
			hooks = append(hooks, event)
		}
	}})
	if _, err := s.PingEmpty(as(t, aliceToken), &testpb.PingEmptyRequest{}); err != nil || asked != 0 {
		t.Fatalf("%v, asked %d times", err, asked)
	}
	for kind, err := range everyKind(t, s, as(t, aliceToken)) {
		if st := wantStatus(t, err, codes.Internal, authz.ReasonMisconfigured); strings.Contains(st.String(), "secret") {
			t.Errorf("%s: %v", kind, st)
		}
	}
	// A refusal for another reason stays what it is.
	_, err := s.PingEmpty(as(t, "unknown"), &testpb.PingEmptyRequest{})
	wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenInvalid)
	mu.Lock()
	defer mu.Unlock()
	if asked != 5 || len(hooks) != 5 {
		t.Errorf("asked %d times, %d panics reported", asked, len(hooks))
	}
	for _, hook := range hooks {
		if hook.Hook != "PeerIP" || len(hook.Stack) == 0 {
			t.Errorf("reported %q", hook.Hook)
		}
	}
	if _, engine := w.counts(); engine != 0 {
		t.Errorf("the engine was asked %d times", engine)
	}
}

// The address of a caller whose token is refused is known behind a proxy, too.
func TestRefusalsTellTheForwardedAddress(t *testing.T) {
	const caller = "203.0.113.9"
	w := newWorld(t)
	s := start(t, w, setupConfig{rules: byValue(), config: func(c *parts) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}})
	_, err := s.Ping(forwarded(t, "unknown", "x-forwarded-for", caller), &testpb.PingRequest{Value: "1"})
	wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenInvalid)
	if _, err := s.Ping(forwarded(t, aliceToken, "x-forwarded-for", caller), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Fatal(err)
	}
	events := w.decided()
	if len(events) != 2 || events[0].PeerIP != netip.MustParseAddr(caller) || !events[0].Peer.Addr().IsLoopback() {
		t.Errorf("told of %+v", events)
	}
	if events[1].PeerIP.IsValid() {
		t.Errorf("looked for the address of a grant whose rule reads none: %v", events[1].PeerIP)
	}
}

func TestConfigOfPeerAddress(t *testing.T) {
	prefixes := func(texts ...string) []netip.Prefix {
		var all []netip.Prefix
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}

		return all
	}
	mapped := netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)
	authorizer, err := authz.New(authz.Config{Issuers: authz.Issuers{issuer}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config interceptor.Config
		want   []string // none: it is valid
	}{
		"nothing":                         {interceptor.Config{}, nil},
		"proxies":                         {interceptor.Config{TrustedProxies: prefixes("10.0.0.0/8", "::1/128", "192.0.2.1/32")}, nil},
		"proxies and a header":            {interceptor.Config{TrustedProxies: prefixes("10.0.0.0/8"), ForwardedHeader: "X-Real-IP"}, nil},
		"a unix socket and a header":      {interceptor.Config{TrustUnixSocket: true, ForwardedHeader: "x-envoy-external-address"}, nil},
		"a function":                      {interceptor.Config{PeerIP: realip.FromContext}, nil},
		"a function and proxies":          {interceptor.Config{PeerIP: realip.FromContext, TrustedProxies: prefixes("10.0.0.0/8")}, []string{"PeerIP"}},
		"a function and a socket":         {interceptor.Config{PeerIP: realip.FromContext, TrustUnixSocket: true}, []string{"PeerIP"}},
		"a function and a header":         {interceptor.Config{PeerIP: realip.FromContext, ForwardedHeader: "x-real-ip"}, []string{"PeerIP"}},
		"a header alone":                  {interceptor.Config{ForwardedHeader: "x-real-ip"}, []string{"never be read"}},
		"every address":                   {interceptor.Config{TrustedProxies: prefixes("0.0.0.0/0", "::/0")}, []string{"0.0.0.0/0 is every", "::/0 is every"}},
		"no prefix":                       {interceptor.Config{TrustedProxies: []netip.Prefix{{}}}, []string{"isn't a prefix"}},
		"IPv4 as IPv6 writes it":          {interceptor.Config{TrustedProxies: []netip.Prefix{mapped}}, []string{"write it as IPv4"}},
		"RFC 7239":                        {interceptor.Config{TrustedProxies: prefixes("10.0.0.0/8"), ForwardedHeader: "Forwarded"}, []string{"RFC 7239"}},
		"a binary header":                 {interceptor.Config{TrustedProxies: prefixes("10.0.0.0/8"), ForwardedHeader: "x-ip-bin"}, []string{"text header"}},
		"a pseudo-header":                 {interceptor.Config{TrustedProxies: prefixes("10.0.0.0/8"), ForwardedHeader: ":authority"}, []string{"text header"}},
		"two headers":                     {interceptor.Config{TrustedProxies: prefixes("10.0.0.0/8"), ForwardedHeader: "x-real-ip, x-forwarded-for"}, []string{"text header"}},
		"a function, every address, both": {interceptor.Config{PeerIP: realip.FromContext, TrustedProxies: prefixes("::/0"), ForwardedHeader: "forwarded"}, []string{"PeerIP", "every address", "RFC 7239"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.Verifier = verify.VerifierFunc(func(context.Context, string, verify.Requirements) (*verify.Principal, error) {
				return nil, errors.New("never asked")
			})
			test.config.Authorizer = authorizer
			_, err := interceptor.New(test.config)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v doesn't say %q", err, want)
				}
			}
		})
	}
}

// The configuration is the interceptor's own: to change the slice changes nothing.
func TestTrustedProxiesAreCopied(t *testing.T) {
	w := newWorld(t)
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	s := start(t, w, setupConfig{rules: fromAddress(), config: func(c *parts) {
		c.authz.Engine = &locating{world: w, from: "127.0.0.1"}
		c.TrustedProxies = trusted
	}})
	trusted[0] = netip.MustParsePrefix("127.0.0.1/32")
	_, err := s.Ping(forwarded(t, aliceToken, "x-forwarded-for", "203.0.113.9"), &testpb.PingRequest{Value: "1"})
	wantCode(t, err, codes.OK)
}

// office is a language with one expression: that the caller is at the office.
type office struct{ ip string }

func (o office) CompileExpression(string, protoreflect.MessageDescriptor) (authz.Expression, error) {
	return o, nil
}

func (office) Reads() authz.ExpressionReads { return authz.ExpressionReads{Peer: true} }

func (o office) Evaluate(in *authz.ExpressionInput) (bool, error) {
	return in.PeerIP == netip.MustParseAddr(o.ip), nil
}

// An expression reads the same address as a check.
func TestExpressionReadsThePeerAddress(t *testing.T) {
	const caller = "203.0.113.9"
	set := byValue()
	for name := range set {
		set[name] = &authzv1.Rule{Policy: &authzv1.Rule_Expression{Expression: &authzv1.Expression{Cel: "atOffice"}}}
	}
	for name, test := range map[string]struct {
		lines []string
		want  codes.Code
	}{
		"at the office":                       {[]string{caller}, codes.OK},
		"elsewhere":                           {[]string{"203.0.113.8"}, codes.PermissionDenied},
		"row 69: what the caller wrote":       {[]string{caller + ", 203.0.113.8"}, codes.PermissionDenied},
		"row 69: a header that can't be read": {[]string{"unknown"}, codes.PermissionDenied},
		"row 69: no header":                   {nil, codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newWorld(t), setupConfig{rules: set, config: func(c *parts) {
				c.authz.Expressions = office{caller}
				c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
			}})
			for kind, err := range everyKind(t, s, forwarded(t, aliceToken, "x-forwarded-for", test.lines...)) {
				t.Run(kind, func(t *testing.T) { wantCode(t, err, test.want) })
			}
		})
	}
}
