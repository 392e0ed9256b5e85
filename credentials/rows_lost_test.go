package credentials_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/internal/httpx/lossy"
)

// authentications are a secret and an assertion, which servers accept once.
func authentications() (auths map[string]clientauth.Method, key crypto.PublicKey) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return map[string]clientauth.Method{
		"Basic":           clientauth.SecretBasic(clientauth.Constant(clientSecret)),
		"private_key_jwt": clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.Signer(private)}),
	}, private.Public()
}

// A server may end a connection for being idle just as a request arrives on it.
// The call that waits for the token doesn't notice.
func TestConnectionLostWhileIdle(t *testing.T) {
	auths, key := authentications()
	for name, auth := range auths {
		for when, moment := range map[string]lossy.Moment{"at its first bytes": lossy.FirstBytes, "before its answer": lossy.Answer} {
			t.Run("row 43: "+name+", a connection lost with the second request, "+when, func(t *testing.T) {
				i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
				i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret, Keys: []crypto.PublicKey{key}})
				srv := lossy.NewServer(moment, i)
				t.Cleanup(srv.Close)
				var failed []error
				creds := newCreds(t, i, func(c *credentials.Config) {
					c.TokenURL, c.Issuer, c.Auth, c.HTTPClient = srv.URL+string(token), i.URL(), auth, nil
					c.Observer.FetchEnded = func(e credentials.FetchEnded) {
						if e.Err != nil {
							failed = append(failed, e.Err)
						}
					}
				})
				value(t, creds)
				value(t, creds.For(credentials.Target{Audience: "https://mail.internal"}))
				_ = creds.Close()
				if failed != nil {
					t.Errorf("failed fetches: %v", failed)
				}
				want := 2 // and those whose first bytes alone were read
				if moment == lossy.Answer {
					want = 3
				}
				got := i.Received(token)
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

// Exactly one more attempt, and as one failure: two, and then the backoff.
func TestConnectionsLostAgain(t *testing.T) {
	i := credentialstest.NewIssuer(t, credentialstest.Config{})
	i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret})
	var failed int
	creds := newCreds(t, i, func(c *credentials.Config) {
		c.HTTPClient = nil
		c.Observer.FetchEnded = func(e credentials.FetchEnded) {
			if e.Err != nil {
				failed++
			}
		}
	})
	value(t, creds)
	i.Script(token, credentialstest.Reset(), credentialstest.Reset())
	err := creds.For(credentials.Target{Audience: "https://mail.internal"}).Ready(within(t, time.Minute))
	wantError(t, err, credentials.KindUnavailable, codes.Unavailable)
	_ = creds.Close()
	if n := i.Requests(token); n != 3 || failed != 1 {
		t.Errorf("row 43: %d requests, %d failures; want 3 and 1", n, failed)
	}
}

// What supplies the secret may ask a server for it, in the context that it is given.
// Its requests are not the token endpoint's: their answers don't keep one from being
// repeated, and their faults don't repeat one.
func TestRequestsForTheSecretAreNotTheTokenEndpoints(t *testing.T) {
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
		return clientSecret, res.Body.Close()
	}
	i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret})
	srv := lossy.NewServer(lossy.Answer, i)
	t.Cleanup(srv.Close)
	creds := newCreds(t, i, func(c *credentials.Config) {
		c.TokenURL, c.Auth, c.HTTPClient = srv.URL+string(token), clientauth.SecretBasic(secret), nil
	})
	value(t, creds)
	value(t, creds.For(credentials.Target{Audience: "https://mail.internal"}))
	broken.Store(true)
	asked.Store(0)
	if err := creds.For(credentials.Target{Audience: "https://chat.internal"}).Ready(t.Context()); err == nil || asked.Load() != 1 {
		t.Errorf("the broken source of the secret was asked %d times: %v", asked.Load(), err)
	}
}
