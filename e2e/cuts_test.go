package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/verify"
)

const (
	unavailable       = "Unavailable"
	engineUnavailable = "Unavailable ENGINE_UNAVAILABLE"
	noVerifier        = "Unavailable VERIFIER_UNAVAILABLE"
	tooLate           = "DeadlineExceeded"
)

// wired is a chain with a wire between each two parts.
type wired struct {
	*system

	callerToIssuer, callerToServer, serverToKeys, serverToIntrospection, serverToEngine *proxy
	docs                                                                                docsv1.DocumentServiceClient // with automatic tokens
}

// newWired builds the chain; every wire is good.
func newWired(t *testing.T, opaque bool) *wired {
	t.Helper()
	w := &wired{system: newSystem(t, 5*time.Minute, &client{id: "editor", method: "client_secret_basic", opaque: opaque})}
	w.allow("editor")

	keys := w.jwtConfig()
	w.serverToKeys, keys.JWKSURL = proxyURL(t, w.issuer.JWKSURL())
	keys.FetchTimeout = time.Second
	j := must(verify.NewJWT(keys))(t)
	w.own(j)
	asks := w.introspectionConfig()
	w.serverToIntrospection, asks.URL = proxyURL(t, w.issuer.IntrospectionURL())
	asks.Timeout, asks.PositiveTTL, asks.NegativeTTL = time.Second, 100*time.Millisecond, 100*time.Millisecond
	i := must(verify.NewIntrospection(asks))(t)
	w.own(i)

	w.serverToEngine = newProxy(t, w.engine.Addr())
	conn := must(grpc.NewClient(w.serverToEngine.addr(), grpc.WithTransportCredentials(insecure.NewCredentials()), quickly))(t)
	w.cleanup(conn.Close)
	target := w.guard(must(verify.NewHybrid(verify.HybridConfig{JWT: j, Introspection: i}))(t), guardOptions{
		engine:  must(openfga.New(openfga.Config{Client: openfgav1.NewOpenFGAServiceClient(conn), StoreID: w.engine.StoreID(), ModelID: w.engine.ModelID()}))(t),
		timeout: time.Second,
		breaker: authz.BreakerConfig{OpenFor: 100 * time.Millisecond},
	})

	w.callerToServer = newProxy(t, target)
	var tokenURL string
	w.callerToIssuer, tokenURL = proxyURL(t, w.issuer.TokenURL())
	creds := must(credentials.New(credentials.Config{
		TokenURL: tokenURL, ClientID: "editor", Auth: w.clients["editor"].auth(), Resources: []string{audience},
		HTTPClient: w.http, FetchTimeout: time.Second,
	}))(t)
	w.cleanup(creds.Close)
	w.docs = w.connect(w.callerToServer.addr(), append(creds.DialOptions(), w.transport(nil), quickly)...)
	return w
}

// quickly bounds how long a mended wire goes unnoticed.
var quickly = grpc.WithConnectParams(grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 200 * time.Millisecond},
	MinConnectTimeout: time.Second,
})

// TestCutBetweenEveryPairOfParts breaks each wire, by cutting it and by letting
// it go dead: the call is granted if it doesn't need the wire, and otherwise
// fails with UNAVAILABLE, or its deadline passes; it is never denied, and never
// INTERNAL. Once the wire is repaired, all calls end as before.
func TestCutBetweenEveryPairOfParts(t *testing.T) {
	for _, c := range []struct {
		name   string
		wire   func(*wired) *proxy
		opaque bool     // the form of the caller's tokens
		cold   bool     // break it before the first call
		may    []string // what a call may come to meanwhile
	}{
		{name: "caller and issuer, with a token at hand", wire: func(w *wired) *proxy { return w.callerToIssuer }, may: []string{granted}},
		{name: "caller and issuer, without a token", wire: func(w *wired) *proxy { return w.callerToIssuer }, cold: true, may: []string{unavailable, tooLate}},
		{name: "caller and server", wire: func(w *wired) *proxy { return w.callerToServer }, may: []string{unavailable, tooLate}},
		{name: "server and keys, with keys at hand", wire: func(w *wired) *proxy { return w.serverToKeys }, may: []string{granted}},
		{name: "server and keys, without keys", wire: func(w *wired) *proxy { return w.serverToKeys }, cold: true, may: []string{noVerifier, tooLate}},
		{name: "server and introspection", wire: func(w *wired) *proxy { return w.serverToIntrospection }, opaque: true, may: []string{noVerifier, tooLate}},
		{name: "server and engine", wire: func(w *wired) *proxy { return w.serverToEngine }, may: []string{engineUnavailable, tooLate}},
	} {
		for how, state := range map[string]wire{"cut": wireCut, "dead": wireDead} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				w := newWired(t, c.opaque)
				if !c.cold {
					for _, call := range kinds {
						expect(t, call(w.ctx, w.docs), granted)
					}
				}
				c.wire(w).set(state)
				if c.opaque {
					time.Sleep(150 * time.Millisecond) // the last answer may be used that long
				}
				for kind, call := range kinds {
					ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
					got := reason(call(ctx, w.docs))
					cancel()
					if !slices.Contains(c.may, got) {
						t.Errorf("%s: got %s, want one of %q", kind, got, c.may)
					}
				}
				c.wire(w).set(wireGood)
				w.recovers(t)
			})
		}
	}
}

// recovers waits until calls are granted again; on the way they are only ever
// unavailable or late.
func (w *wired) recovers(t *testing.T) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
		got := reason(kinds["unary"](ctx, w.docs))
		cancel()
		switch {
		case got == granted:
			return
		case !slices.Contains([]string{unavailable, engineUnavailable, noVerifier, tooLate}, got):
			t.Fatalf("on the way back: %s", got)
		case w.ctx.Err() != nil:
			t.Fatalf("never came back: %s", got)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
