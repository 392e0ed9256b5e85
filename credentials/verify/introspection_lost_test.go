package verify

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/internal/httpx/lossy"
)

// A server may end a connection for being idle just as a request arrives on it.
// The caller whose token the request is about doesn't notice.
func TestConnectionLostWhileIdle(t *testing.T) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for name, auth := range map[string]clientauth.Method{
		"Basic":           clientauth.SecretBasic(clientauth.Constant(testSecret)),
		"private_key_jwt": clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.Signer(private)}),
	} {
		for when, moment := range map[string]lossy.Moment{"at its first bytes": lossy.FirstBytes, "before its answer": lossy.Answer} {
			t.Run("row 38: "+name+", a connection lost with the second request, "+when, func(t *testing.T) {
				issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
				srv := lossy.NewServer(moment, issuer)
				t.Cleanup(srv.Close)
				var events []Introspected
				in := introspectionOf(t, issuer, func(c *IntrospectionConfig) {
					c.URL, c.Auth, c.HTTPClient = srv.URL+string(introspectAt), auth, nil
					c.Observer.Introspected = func(e Introspected) { events = append(events, e) }
				})
				issuer.AddClient(credentialstest.Client{ID: testClient, Secret: testSecret, Keys: []crypto.PublicKey{private.Public()}})
				accept(t, in, issuer.MintOpaque(nil), "a new connection")
				accept(t, in, issuer.MintOpaque(nil), "a lost connection")
				in.Close()
				if len(events) != 2 || events[0].Err != nil || events[1].Err != nil {
					t.Errorf("events %v", events)
				}
				if bad := unwellNow(in.health); bad != 0 {
					t.Errorf("%d failures count against the endpoint", bad)
				}
				want := 2 // and those whose first bytes alone were read
				if moment == lossy.Answer {
					want = 3
				}
				got := issuer.Received(introspectAt)
				if len(got) != want {
					t.Errorf("%d requests, want %d", len(got), want)
				}
				assertions := map[string]bool{}
				for _, r := range got {
					assertions[r.Form.Get("client_assertion")] = true
				}
				if name == "private_key_jwt" && len(assertions) != want {
					t.Errorf("%d assertions in %d requests", len(assertions), want)
				}
			})
		}
	}
}

// unwellNow is how many failures count against the endpoint.
func unwellNow(h *health) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.recent {
		n += s.unwell
	}
	return n
}

// Exactly one more attempt, and the breaker counts both as one request.
func TestConnectionsLostAgain(t *testing.T) {
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
	in := introspectionOf(t, issuer, func(c *IntrospectionConfig) { c.HTTPClient = nil })
	accept(t, in, issuer.MintOpaque(nil), "a new connection")
	issuer.Script(introspectAt, credentialstest.Reset(), credentialstest.Reset())
	refuse(t, in, issuer.MintOpaque(nil), "row 38: two lost connections", unavailableNow)
	if n, bad := issuer.Requests(introspectAt), unwellNow(in.health); n != 3 || bad != 1 {
		t.Errorf("row 38: %d requests, of which %d count as failed; want 3 and 1", n, bad)
	}
	accept(t, in, issuer.MintOpaque(nil), "a good connection")
}

// What supplies the secret may ask a server for it, in the context that it is given.
// Its requests are not introspection's: their answers don't keep one from being
// repeated, and their faults don't repeat one.
func TestRequestsForTheSecretAreNotIntrospections(t *testing.T) {
	var broken atomic.Bool
	var asked atomic.Int32
	vault := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if broken.Load() {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(vault.Close)
	t.Cleanup(vault.Client().CloseIdleConnections)
	secret := func(ctx context.Context) (string, error) {
		asked.Add(1)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, vault.URL, http.NoBody)
		if err != nil {
			return "", err
		}
		res, err := vault.Client().Do(req)
		if err != nil {
			return "", err
		}
		return testSecret, res.Body.Close()
	}
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	srv := lossy.NewServer(lossy.Answer, issuer)
	t.Cleanup(srv.Close)
	in := introspectionOf(t, issuer, func(c *IntrospectionConfig) {
		c.URL, c.Auth, c.HTTPClient = srv.URL+string(introspectAt), clientauth.SecretBasic(secret), nil
	})
	accept(t, in, issuer.MintOpaque(nil), "a new connection")
	accept(t, in, issuer.MintOpaque(nil), "a lost connection")
	broken.Store(true)
	asked.Store(0)
	refuse(t, in, issuer.MintOpaque(nil), "no secret", unavailableNow)
	if n := asked.Load(); n != 1 {
		t.Errorf("the broken source of the secret was asked %d times", n)
	}
}
