package e2e

import (
	"sync"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/usher-auth/usher/authz/openfga"
)

// TestEngineFailover kills one of an engine's two front ends under load: a call
// that was being decided may be UNAVAILABLE, none is ever wrong, and the calls
// after it go on.
func TestEngineFailover(t *testing.T) {
	s := newSystem(t, 5*time.Minute,
		&client{id: "editor", method: "client_secret_basic"}, &client{id: "stranger", method: "client_secret_basic"})
	s.allow("editor")
	first, second := newProxy(t, s.engine.Addr()), newProxy(t, s.engine.Addr())
	addresses := manual.NewBuilderWithScheme("engine")
	addresses.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: first.addr()}, {Addr: second.addr()}}})
	conn := must(grpc.NewClient("engine:///", grpc.WithResolvers(addresses),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`)))(t)
	s.cleanup(conn.Close)
	adapter := must(openfga.New(openfga.Config{Client: openfgav1.NewOpenFGAServiceClient(conn), StoreID: s.engine.StoreID(), ModelID: s.engine.ModelID()}))(t)
	target := s.guard(s.newJWT(), guardOptions{engine: adapter})

	editor, stranger := s.dial("editor", target), s.dial("stranger", target)
	expect(t, kinds["unary"](s.ctx, editor), granted)
	expect(t, kinds["unary"](s.ctx, stranger), denied)

	const callers, callsOfEach = 8, 50
	var running sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for n := range callers {
		docs, right := editor, granted
		if n%2 == 1 {
			docs, right = stranger, denied
		}
		running.Go(func() {
			for i := range callsOfEach {
				if n == 0 && i == callsOfEach/2 {
					first.kill()
				}
				got := reason(kinds["unary"](s.ctx, docs))
				if got != right && got != "Unavailable ENGINE_UNAVAILABLE" {
					t.Errorf("got %s, want %s", got, right)
				}
				mu.Lock()
				seen[got]++
				mu.Unlock()
			}
		})
	}
	running.Wait()
	t.Logf("%v", seen)
	if lost := seen["Unavailable ENGINE_UNAVAILABLE"]; lost > callers*5 {
		t.Errorf("%d calls lost to one front end of two", lost)
	}
	expect(t, kinds["unary"](s.ctx, editor), granted)
	expect(t, kinds["unary"](s.ctx, stranger), denied)
}

// TestEngineOutage stops the engine: checks fail with UNAVAILABLE, are never
// granted or denied, and work again without a restart once the engine is back.
func TestEngineOutage(t *testing.T) {
	s := newSystem(t, 5*time.Minute,
		&client{id: "editor", method: "client_secret_basic"}, &client{id: "stranger", method: "client_secret_basic"})
	s.allow("editor")
	target := s.guard(s.newJWT(), guardOptions{})
	editor, stranger := s.dial("editor", target), s.dial("stranger", target)
	for kind, call := range kinds {
		expect(t, call(s.ctx, editor), granted)
		expect(t, call(s.ctx, stranger), denied)
		if t.Failed() {
			t.Fatalf("%s, before the outage", kind)
		}
	}
	s.engine.Down()
	for range 3 {
		for _, call := range kinds {
			expect(t, call(s.ctx, editor), "Unavailable ENGINE_UNAVAILABLE")
			expect(t, call(s.ctx, stranger), "Unavailable ENGINE_UNAVAILABLE")
		}
	}
	s.engine.Up()
	for {
		got := reason(kinds["unary"](s.ctx, editor))
		if got == granted {
			break
		}
		if got != "Unavailable ENGINE_UNAVAILABLE" {
			t.Fatalf("coming back: %s", got)
		}
		time.Sleep(20 * time.Millisecond)
	}
	expect(t, kinds["unary"](s.ctx, stranger), denied)
}

// TestIssuerOutage stops the authorization server: calls between processes that
// have their keys and tokens go on; a server that never had the keys can't verify
// its callers.
func TestIssuerOutage(t *testing.T) {
	s := newSystem(t, 5*time.Minute, &client{id: "editor", method: "private_key_jwt"})
	s.allow("editor")
	warm, cold := s.guard(s.newJWT(), guardOptions{}), s.guard(s.newJWT(), guardOptions{})
	docs := s.dial("editor", warm)
	expect(t, kinds["unary"](s.ctx, docs), granted)
	token := must(s.credentials("editor").Token(s.ctx))(t).AccessToken
	s.issuer.Down()
	for _, call := range kinds {
		expect(t, call(s.ctx, docs), granted)
	}
	expect(t, kinds["unary"](s.ctx, s.connect(cold, s.transport(nil), grpc.WithPerRPCCredentials(fixed(token)))), "Unavailable VERIFIER_UNAVAILABLE")
	expect(t, kinds["unary"](s.ctx, s.connect(warm, s.transport(nil), grpc.WithPerRPCCredentials(fixed("not-a-token")))), invalid)
}
