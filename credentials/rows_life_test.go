package credentials_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestClose(t *testing.T) {
	bubble(t, "row 51: Close during a fetch releases waiters and leaves no goroutine", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		other := creds.For(credentials.Target{Audience: "other"})
		i.Script(token, credentialstest.Always(credentialstest.Hang()))
		var wg sync.WaitGroup
		for n := range 100 {
			wg.Go(func() {
				c := creds
				if n%2 == 0 {
					c = other
				}
				err := c.Ready(context.Background())
				wantError(t, err, credentials.KindCanceled, codes.Canceled)
				if !errors.Is(err, credentials.ErrClosed) {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		var closing sync.WaitGroup
		for range 3 { // idempotent, also at the same time
			closing.Go(func() { _ = creds.Close() })
		}
		closing.Wait()
		if n := i.Requests(token); n != 2 {
			t.Errorf("%d requests", n)
		}
		wg.Wait()
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		wantError(t, other.Ready(context.Background()), credentials.KindCanceled, codes.Canceled)
		wantError(t, creds.For(credentials.Target{Audience: "third"}).Ready(context.Background()), credentials.KindCanceled, codes.Canceled)
		creds.Invalidate("x")
	})
	bubble(t, "row 51: after Close the token is not served", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		value(t, creds)
		_ = creds.Close()
		wantError(t, creds.Ready(context.Background()), credentials.KindCanceled, codes.Canceled)
		time.Sleep(10 * time.Hour)
		if n := i.Requests(token); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("row 51: Close over a socket, with a request under way", func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{})
		i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret})
		creds := newCreds(t, i, func(c *credentials.Config) { c.HTTPClient = nil })
		i.Script(token, credentialstest.Hang())
		done := make(chan error)
		go func() { done <- creds.Ready(context.Background()) }()
		if err := i.Await(within(t, 10*time.Second), token, 1); err != nil {
			t.Fatal(err)
		}
		_ = creds.Close()
		wantError(t, <-done, credentials.KindCanceled, codes.Canceled)
	})
}

func TestPanics(t *testing.T) {
	boom := func() { panic("boom: " + clientSecret) }
	for name, change := range map[string]func(*credentials.Config){
		"secret": func(c *credentials.Config) {
			c.Auth = clientauth.SecretBasic(func(context.Context) (string, error) { boom(); return "", nil })
		},
		"client id": func(c *credentials.Config) {
			c.ClientID = ""
			c.ClientIDFrom = func(context.Context) (string, error) { boom(); return "", nil }
		},
		"transport": func(c *credentials.Config) {
			c.HTTPClient = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { boom(); return nil, nil })}
		},
		"goexit": func(c *credentials.Config) {
			c.Auth = clientauth.SecretBasic(func(context.Context) (string, error) { runtime.Goexit(); return "", nil })
		},
	} {
		bubble(t, "row 51: a panic becomes an error: "+name, func(t *testing.T) {
			creds := newCreds(t, newIssuer(t), change)
			for range 2 {
				err := creds.Ready(context.Background())
				wantError(t, err, credentials.KindMisconfigured, codes.Internal)
				noLeak(t, err, "boom")
				time.Sleep(5 * time.Second)
			}
		})
	}
	bubble(t, "row 51: an observer's panic costs no call", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, func(c *credentials.Config) {
			c.Observer = credentials.Observer{
				FetchStarted:     func(credentials.FetchStarted) { boom() },
				FetchEnded:       func(credentials.FetchEnded) { boom() },
				TokenInvalidated: func(credentials.TokenInvalidated) { boom() },
			}
		})
		first := value(t, creds)
		creds.Invalidate(first)
		if value(t, creds) == first {
			t.Fatal("not dropped")
		}
	})
}

func TestErrorsOfLocalCauses(t *testing.T) {
	bubble(t, "a secret that can't be read is INTERNAL, tried again soon, and its text stays inside", func(t *testing.T) {
		i := newIssuer(t)
		broken := true
		var mu sync.Mutex
		cause := errors.New("vault says " + clientSecret)
		creds := newCreds(t, i, func(c *credentials.Config) {
			c.Auth = clientauth.SecretPost(func(context.Context) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				if broken {
					return "", cause
				}
				return clientSecret, nil
			})
		})
		err := creds.Ready(context.Background())
		wantError(t, err, credentials.KindMisconfigured, codes.Internal)
		if !errors.Is(err, cause) || strings.Contains(err.Error(), "vault") {
			t.Fatal(err)
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		time.Sleep(2 * time.Second)
		if err := creds.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	bubble(t, "an invalid target is INTERNAL without a request", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		for _, bad := range []*credentials.Credentials{
			creds.For(credentials.Target{Resources: []string{"/relative"}}), creds.For(credentials.Target{Resources: []string{"https://a.test/#f"}}),
			creds.For(credentials.Target{Scopes: []string{"a b"}}), creds.For(credentials.Target{Audience: "a\nb"}),
		} {
			wantError(t, bad.Ready(context.Background()), credentials.KindMisconfigured, codes.Internal)
		}
		if n := i.Requests(token); n != 0 {
			t.Fatal(n)
		}
	})
}
